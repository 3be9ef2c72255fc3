"""Identity's own part of a handover: those who report to somebody, and the departments somebody manages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from crm.identity.v1.handovers_pb2 import Handover
from crm.records.v1.handover_pb2 import HandoverPart
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import storing, writing
from crm_records.handover_tables import MANAGER, item
from crm_records.record import Record, Row
from identity.departments import DEPARTMENTS
from identity.users import USERS

RECORDS: tuple[Record, ...] = (USERS, DEPARTMENTS)


def move(call: Call, handover: Row) -> None:
    """Give them to whom the handover names; whoever takes over and reported to the person reports one level higher.

    By the caller's own rights: it is refused like any such change.
    """
    to_id, from_id = handover["manager_to_id"], handover["from_user_id"]
    if not to_id:
        return
    above = call.connection.scalar(select(USERS.table.c.manager_id).where(USERS.table.c.id == from_id))
    for record in RECORDS:
        ids = _managed_by(call, record, from_id)
        ids.sort(key=lambda i: i != to_id)  # the taker first, or the others would form a ring with the person above
        for record_id in ids:
            new = above if record_id == to_id else to_id
            row = _give(call, record, record_id, new, "handed_over")
            _note(call, record, handover, row, new)


def concerned(call: Call, handover: Row) -> dict[Record, set[str]]:
    """Whom and what it changes by the caller's own rights: the account that it closes, those who get another manager.

    Of one that was carried out, what it would give back.
    """
    ids: dict[Record, set[str]] = {record: set() for record in RECORDS}
    for record in RECORDS:
        if handover["state"] == "preview":
            if handover["manager_to_id"]:
                ids[record].update(_managed_by(call, record, handover["from_user_id"]))
        else:
            moved = (item.c.handover_id == handover["id"], item.c.kind == MANAGER, item.c.outcome == "moved")
            of_type = select(item.c.record_id).where(*moved, item.c.record_type == record.type)
            ids[record].update(str(i) for i in call.connection.scalars(of_type))
    if handover["deactivate"] and handover["state"] == "preview":
        ids[USERS].add(handover["from_user_id"])
    return {record: those for record, those in ids.items() if those}


def give_back(call: Call, handover: Row) -> None:
    """Put them back where nobody changed them since."""
    for record in RECORDS:
        mine = (item.c.handover_id == handover["id"], item.c.record_type == record.type, item.c.outcome == "moved")
        for one in call.connection.execute(select(item).where(*mine)).mappings().all():
            outcome = "kept"
            try:
                row = storing.locked(call, record, one["record_id"], str(one["version"]))
                _give(call, record, row["id"], one["from_user_id"], "handed_back")
                outcome = "undone"
            except (errors.Stale, errors.NotFound):
                pass
            this = update(item).where(*mine, item.c.record_id == one["record_id"])
            call.connection.execute(this.values(outcome=outcome, time=datetime.now(UTC)))


def parts(call: Call, handover: Handover) -> list[HandoverPart]:
    """What there is of it and what was done, as the services tell theirs."""
    found = []
    for record in RECORDS:
        mine = (item.c.handover_id == handover.id, item.c.record_type == record.type, item.c.kind == MANAGER)
        outcomes = list(call.connection.scalars(select(item.c.outcome).where(*mine)))
        left = len(_managed_by(call, record, handover.from_user_id))
        part = HandoverPart(handover_id=handover.id, service=call.service, record_type=record.type)
        part.counted = part.open = len(outcomes) or left
        part.moved, part.undone, part.kept = len(outcomes), outcomes.count("undone"), outcomes.count("kept")
        part.skipped = 0 if handover.manager_to_id else left
        part.state = {"preview": "counted", "undoing": "undone", "undone": "undone"}.get(handover.state, "moved")
        if outcomes and handover.manager_to_id:
            part.taken.add(user_id=handover.manager_to_id, moved=len(outcomes) - part.undone)
        found.append(part)
    return found


def _give(call: Call, record: Record, record_id: str, manager_id: str | None, action: str) -> Row:
    return writing.write(call, record, record_id, None, action, lambda _before: {"manager_id": manager_id})


def _managed_by(call: Call, record: Record, user_id: str) -> list[str]:
    c = record.table.c
    query = select(c.id).where(c.manager_id == user_id, c.delete_time.is_(None))
    return [str(i) for i in call.connection.scalars(query.order_by(c.id))]


def _note(call: Call, record: Record, handover: Row, row: Row, to_id: str | None) -> None:
    values: dict[str, Any] = {
        "handover_id": handover["id"],
        "record_type": record.type,
        "kind": MANAGER,
        "record_id": row["id"],
        "number": row.get("number") or "",
        "title": row["name"],
        "from_user_id": handover["from_user_id"],
        "to_user_id": to_id or handover["manager_to_id"],
        "version": row["version"],
        "outcome": "moved",
        "time": datetime.now(UTC),
    }
    call.connection.execute(insert(item).values(values))
