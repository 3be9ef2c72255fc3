"""The pools themselves: what an administrator sets, checked; and what every service is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

from sqlalchemy import func, select

from crm.customer.v1 import pools_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm.records.v1.pool_pb2 import PoolShare
from crm_kit import errors, organisation, pool
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import dictionaries, fields, writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer.customers import CUSTOMERS
from customer.pools import facts, tables
from customer.pools.config import ACTIVE, ACTIVE_POOLS, DRAFT, rules_of
from customer.tables import customer

errors.texts(
    {
        "pool_shows": ("公海不能隐藏 {name}", "A pool cannot hide {name}"),
        "pool_rule_empty": ("规则没有给出任何天数", "The rule names no number of days"),
        "pool_rule_twice": ("有两条规则适用于同一级别", "Two rules hold for the same level"),
        "pool_limit_twice": ("同一部门有两条限制", "Two limits are for the same department"),
        "pool_not_empty": ("公海中还有 {count} 个客户", "Customers still lie in the pool: {count}"),
    }
)
PARTS = ("contact", "demand", "interaction", "trade_entry", "behaviour")
"""What lies below a customer and can be hidden as a whole."""
_CONFIGURE = "pool.configure"


class PoolRecords(Record):
    """See the contract for the fields."""

    message = pb.Pool
    table = tables.pool
    plural = "pools"
    search = ("name",)
    states = States(
        pb.Pool,
        initial=DRAFT,
        transitions=(
            Transition((DRAFT,), "activate", ACTIVE, _CONFIGURE, ("启用", "activate it"), "activated"),
            Transition((ACTIVE,), "deactivate", DRAFT, _CONFIGURE, ("停用", "deactivate it"), "deactivated"),
        ),
    )
    hideable: ClassVar[frozenset[str]] = frozenset(
        {n for n in CUSTOMERS.stored if n not in CUSTOMERS.pool_brief and n not in ("id", "pool_id")} | {*PARTS}
    )

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["hidden_fields"] = [_contract_name(n) for n in row["hidden_fields"]]
        problems = [
            Problem(f"hiddenFields[{i}]", "pool_shows", {"name": name[:60]})
            for i, name in enumerate(row["hidden_fields"])
            if name not in self.hideable
        ]
        if row["filter"]:
            facts.condition_of(call, row["filter"])
        writing.refuse([*problems, *rule_problems(call, row["return_rules"]), *_limit_problems(call, row["limits"])])

    def may_delete(self, call: Call, row: Row) -> None:
        count = call.connection.scalar(
            select(func.count()).select_from(customer).where(customer.c.pool_id == row["id"])
        )
        if count:
            raise errors.Conflict("pool_not_empty", count=count)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        """Every service is told who looks into it."""
        limits = row["limits"]
        share = PoolShare(
            id=row["id"],
            record_type=CUSTOMERS.type,
            name=row["name"],
            user_ids=dict.fromkeys([*row["member_user_ids"], *row["administrator_user_ids"]]),
            department_ids=row["member_department_ids"],
            role_codes=dict.fromkeys([*row["member_role_codes"], *row["administrator_role_codes"]]),
            hidden=row["hidden_fields"],
            viewed=any("viewsPerDay" in limit for limit in limits),
            active=row["state"] == ACTIVE and row["delete_time"] is None,
        )
        pool.keep(call.connection, [(share, row["version"])])
        told = Event(record_type="pool_share", action="changed", record_id=row["id"], version=row["version"])
        told.record.Pack(share)
        call.announce(told)
        call.after_commit.append(ACTIVE_POOLS.forget)


POOLS = PoolRecords()


def _contract_name(name: str) -> str:
    found = next((f.name for f in CUSTOMERS.fields.values() if f.json_name == name), None)
    return found or name


def rule_problems(call: Call, rules: list[dict[str, Any]]) -> Iterator[Problem]:
    """What is wrong with rules beyond their single values."""
    known = dictionaries.KEPT.read(call.connection).get("customer_level", {})
    label = fields.of(pb.ReturnRule.DESCRIPTOR)["levels"].label
    levels = Counter(level for rule in rules for level in rule.get("levels") or [""])
    for i, rule in enumerate(rules):
        for level in rule.get("levels", ()):
            if level not in known:
                yield dictionaries.refusal(f"returnRules[{i}].levels", label, level, known)
        if any(levels[level] > 1 for level in rule.get("levels") or [""]):
            yield Problem(f"returnRules[{i}].levels", "pool_rule_twice")
        if not rules_of([rule])[0].days:
            yield Problem(f"returnRules[{i}]", "pool_rule_empty")


def _limit_problems(call: Call, limits: list[dict[str, Any]]) -> Iterator[Problem]:
    named = [limit.get("departmentId", "") for limit in limits]
    c = organisation.department.c
    known = {"", *call.connection.scalars(select(c.id).where(one_of(c.id, [n for n in named if n]), ~c.deleted))}
    label = fields.of(pb.PoolLimit.DESCRIPTOR)["department_id"].label
    for i, department_id in enumerate(named):
        if department_id not in known:
            yield Problem(f"limits[{i}].departmentId", "unknown_reference", {"label": label})
        elif named.count(department_id) > 1:
            yield Problem(f"limits[{i}].departmentId", "pool_limit_twice")
