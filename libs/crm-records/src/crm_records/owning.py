"""Whose a record is: a new one if nobody says, and who may make it another's."""

from __future__ import annotations

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import reaching
from crm_records.record import Record, Row


def place(call: Call, record: Record) -> tuple[str | None, str | None]:
    """(owner, department) of a new record if nobody says whose it is. A program owns nothing: its department does."""
    own = record.owned_by_creator and not call.access.client
    return (call.caller.user_id or None, None) if own else (None, call.access.department_id)


def may_give(call: Call, record: Record, row: Row, before: Row | None) -> None:
    """Whose a record is decides who sees it: to make it another's takes the right to assign, within its reach."""
    owner, department = row["owner_id"], row["department_id"]
    if before is not None and (owner, department) == (before["owner_id"], before["department_id"]):
        return
    own = owner == call.caller.user_id and not call.access.client
    if before is None and (own or (owner, department) == place(call, record)):
        return
    assign = f"{record.type}.assign"
    field = record.fields["owner_id" if owner else "department_id"]
    if not call.access.may(assign):
        problem = Problem(field.json_name, "right_for_field", {"label": field.label, "right": assign})
        raise errors.Denied("right_missing", problem, right=assign)
    mine, reach = record.reach(call), record.reach_of(call.access, assign)
    if before is not None and mine.record_ids and not reaching.holds(call, record, row["id"], mine.alone()):
        raise errors.Denied("beyond_team")
    if owner and not record.given_within_reach:
        return
    if reach.all or (owner and owner in reach.owner_ids) or (not owner and department in reach.department_ids):
        return
    seen = not call.access.client if owner else _sees_department(call, department)
    key = "beyond_assigning" if seen else "unknown_reference"
    raise errors.Invalid(Problem(field.json_name, key, {"label": field.label}))


def _sees_department(call: Call, department_id: str | None) -> bool:
    """Whether the caller knows that there is a department. Of people everybody who is signed in knows."""
    right = "department.read"
    if department_id is None or not call.access.may(right):
        return False
    reach = call.access.reach("department", right)
    return reach.all or department_id in reach.department_ids
