"""What goes with every change of whose a customer is, by whichever way: since when, out of its pool, the move kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import insert, update

from crm_kit import ids
from crm_kit.pool import today
from crm_kit.rpc import Call
from crm_records import images
from crm_records.record import Row
from customer.pools.tables import pool_move

RETURNED, GIVEN_BACK, CLAIMED, ASSIGNED, TAKEN_OUT, UNDONE = (
    "returned",
    "given_back",
    "claimed",
    "assigned",
    "taken_out",
    "undone",
)
_MEMO = "move of a pool"


@dataclass(frozen=True, slots=True)
class Move:
    """Why a customer goes into a pool or out of it."""

    kind: str
    reason: str | None = None
    note: str | None = None
    day: date | None = None
    pool_version: int | None = None
    rule: int | None = None


def because(call: Call, move: Move) -> None:
    """What this call moves next goes for this reason, and was allowed by it."""
    call.memo[_MEMO] = move


def is_allowed(call: Call) -> bool:
    """Whether what this call moves was allowed by a pool."""
    return _MEMO in call.memo


def settle(row: Row, before: Row | None) -> None:
    """Before a customer is stored: since when its owner has it; one that is somebody's lies in no pool."""
    if before is None:
        row["owner_time"] = datetime.now(UTC) if row["owner_id"] else None
        return
    if (row["owner_id"], row["department_id"]) == (before["owner_id"], before["department_id"]):
        return
    if row["owner_id"] != before["owner_id"]:
        row["owner_time"] = datetime.now(UTC) if row["owner_id"] else None
    if row["pool_id"] and row["pool_id"] == before["pool_id"]:
        row["pool_id"] = row["pool_time"] = None


def moved(call: Call, row: Row, before: Row | None) -> None:
    """After a customer is stored: keep that it left a pool, or came into one."""
    if before is None or row["pool_id"] == before["pool_id"]:
        return
    move: Move | None = call.memo.get(_MEMO)
    if images.is_taking_back(call):
        move = Move(UNDONE)
    out = move or Move(ASSIGNED if row["owner_id"] else TAKEN_OUT)
    ways = [(before["pool_id"], False, out), (row["pool_id"], True, move or Move(UNDONE))]
    kept = [_row(call, row, before, pool_id, into, why) for pool_id, into, why in ways if pool_id]
    call.connection.execute(insert(pool_move), kept)


def erase(call: Call, customer_id: str) -> None:
    """What people wrote when they moved a customer that is erased."""
    noted = update(pool_move).where(pool_move.c.customer_id == customer_id, pool_move.c.note.is_not(None))
    call.connection.execute(noted.values(note=None))


def _row(call: Call, row: Row, before: Row, pool_id: str, into: bool, move: Move) -> dict[str, Any]:
    return {
        "id": ids.uuid7(),
        "pool_id": pool_id,
        "customer_id": row["id"],
        "into": into,
        "kind": move.kind,
        "from_user_id": before["owner_id"],
        "to_user_id": row["owner_id"],
        "reason": move.reason,
        "note": move.note,
        "day": move.day or today(),
        "time": datetime.now(UTC),
        "pool_version": move.pool_version,
        "rule": move.rule,
        "actor_id": call.caller.user_id or None,
    }
