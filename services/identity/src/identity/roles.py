"""Roles: sets of rights, and on which records they hold."""

from __future__ import annotations

from sqlalchemy import func, select

from crm.identity.v1 import roles_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import writing
from crm_records.record import Record, Row
from identity import administrators, field_rules, giving, rights, role_policies
from identity.tables import department, role, user

errors.texts({"built_in_role": ("内置角色不能删除", "A built-in role cannot be deleted")})


class Roles(Record):
    """See the contract for the fields."""

    message = pb.Role
    table = role
    plural = "roles"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["group"] = row["group"] or "operator"
        row["rights"] = list(dict.fromkeys(row["rights"]))
        old = set(before["rights"]) if before else set()
        new = [r for r in row["rights"] if r not in old]
        if not row["built_in"] or before is not None:
            refuse_unknown(call, row, set(new))
        field_rules.settle(row, before["field_rules"] if before else ())
        writing.refuse(role_policies.problems(row))
        if before is not None:
            giving.refuse_stronger_role(call, before, None)  # nobody weakens or bends what is more than they have
        giving.refuse_stronger_role(call, row, before)
        administrators.refuse_weaker(row)

    def may_delete(self, call: Call, row: Row) -> None:
        if row["built_in"]:
            raise errors.Conflict("built_in_role")
        holders = select(func.count()).where(user.c.role_ids.contains([row["id"]]), user.c.delete_time.is_(None))
        count = call.connection.scalar(holders)
        if count:
            raise errors.Conflict("depended_on", what=(f"用户 {count}", f"Users {count}"))


ROLES = Roles()


def refuse_unknown(call: Call, row: Row, new: set[str]) -> None:
    """INVALID_ARGUMENT for rights (of the new ones), resources and departments that do not exist."""
    problems = [
        Problem(f"rights[{i}]", "unknown_right", {"right": right})
        for i, right in enumerate(row["rights"])
        if right in new and not rights.exists(right)
    ]
    known = rights.resources() | {"*"}
    label = pb.DataScope.DESCRIPTOR.fields_by_name["department_ids"]
    chosen = {d for s in row["scopes"] for d in s.get("departmentIds", ())}
    query = select(department.c.id).where(one_of(department.c.id, [d for d in chosen if kinds.is_id(d)]))
    living = set(call.connection.scalars(query.where(department.c.delete_time.is_(None)))) if chosen else set()
    for i, scope in enumerate(row["scopes"]):
        path, departments = f"scopes[{i}]", set(scope.get("departmentIds", ()))
        if scope["resource"] not in known:
            problems.append(Problem(f"{path}.resource", "unknown_resource", {"resource": scope["resource"]}))
        params = {"label": ("指定部门", "Departments")}
        if departments - living:
            problems.append(Problem(f"{path}.{label.json_name}", "unknown_reference", params))
        if scope["scope"] == "chosen" and not departments:
            problems.append(Problem(f"{path}.{label.json_name}", "required", params))
    if problems:
        raise errors.Invalid(*problems)
