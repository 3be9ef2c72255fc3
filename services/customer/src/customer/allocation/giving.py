"""What a decision does to a customer: its owner changes, with the rule that said so and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from crm_kit import ids
from crm_kit.rpc import Call
from crm_records import acting, acts, changes, images, storing, writing
from crm_records.record import Row
from customer.allocation import asking
from customer.allocation.choosing import Chooser, Decision
from customer.allocation.tables import allocation
from customer.customers import CUSTOMERS

KIND = "allocate"


def give(suite: Call, before: Row, decision: Decision, act_id: str | None = None) -> Row | None:
    """Give a locked customer to whom a decision says; the row after, None where that one has it already."""
    after = {**before, "owner_id": decision.owner_id, "department_id": decision.department_id}
    if not storing.record_changed(CUSTOMERS, before, after):
        return None
    writing.check(suite, CUSTOMERS, after, before)
    storing.store(suite, CUSTOMERS, before, after)
    CUSTOMERS.written_many(suite, [(before, after)])
    rule, now = decision.rule, after["update_time"]
    differences = changes.between(CUSTOMERS, before, after)
    differences.append(("allocationRule", None, {"id": rule.id, "version": rule.version, "name": rule.name}))
    changes.note(suite, CUSTOMERS, after["id"], after["version"], "assigned", differences, now)
    told = changes.event(CUSTOMERS, "assigned", after, differences, now)
    told.bulk = images.is_quiet(suite)
    suite.announce(told)
    row: dict[str, Any] = {
        "id": ids.uuid7(),
        "customer_id": after["id"],
        "rule_id": rule.id,
        "rule_version": rule.version,
        "rule_name": rule.name,
        "strategy": rule.strategy,
        "from_user_id": before["owner_id"],
        "to_user_id": decision.owner_id,
        "to_department_id": decision.department_id,
        "why": decision.why,
        "act_id": act_id,
        "actor_id": suite.caller.user_id or None,
        "actor_name": suite.caller.name,
        "time": now,
    }
    suite.connection.execute(insert(allocation).values(row))
    return after


def new_ones(call: Call, rows: Sequence[Row], *, many: bool) -> None:
    """Customers were made in this call: those that are to be given away go to whom the rules say. The rules decide,
    not the rights of whoever made them."""
    asked = asking.is_asked(call)
    chosen = [row for row in rows if asked or not row["owner_id"]]
    if not chosen:
        return
    suite = acting.as_suite(call, quiet=many)
    chooser = Chooser(suite, unasked=not asked)
    if not chooser.rules:
        return
    decisions = chooser.decide([row["id"] for row in chosen], {row["id"]: row["owner_id"] for row in chosen})
    given: dict[str, int] = {}
    for row in chosen:
        decision = decisions.get(row["id"])
        after = give(suite, row, decision) if decision is not None else None
        if after is not None:
            row.update(after)
            count(given, after)
    call.events.extend(suite.events)
    if many and given:
        acts.tell_given(call, ids.uuid7(), CUSTOMERS.type, KIND, given)


def count(given: dict[str, int], after: Row) -> None:
    """One more for its owner."""
    if after["owner_id"]:
        given[after["owner_id"]] = given.get(after["owner_id"], 0) + 1
