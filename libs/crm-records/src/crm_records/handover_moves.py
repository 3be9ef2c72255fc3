"""One batch of a handover: records change hands, or come back, and nothing else of them changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from crm_kit.db import one_of
from crm_kit.errors import Refusal
from crm_kit.rpc import Call
from crm_records import acting, changes, sql, storing
from crm_records.handover_tables import OWNER, chosen, item
from crm_records.record import Record, Row

log = logging.getLogger("handover")

BATCH = 500
"""Records in one transaction."""

Done = dict[str, int]
"""How many came to which outcome."""
Why = dict[str, Any]
"""The text of a refusal by a rule, and what stands in it; empty where the database or the stream refuses."""

_statements: dict[Record, sql.Prepared] = {}


def move(call: Call, record: Record, job: Row) -> tuple[Done, str | None]:
    """Give the next records of the person to their takers. (what was done, the last record; None at the end)."""
    c = record.table.c
    where = c.owner_id == job["from_user_id"]
    if job["position"]:
        where &= c.id > job["position"]
    found = _rows(call, record, where)
    takers = job["takers"][record.type]
    pairs = [(row, {**row, "owner_id": chosen(takers, _key(record, row))}) for row in found]
    failed = _hand_all(call, record, pairs, "handed_over")
    _note(call, record, job, pairs, failed)
    return {"moved": len(pairs) - len(failed), "failed": len(failed)}, found[-1]["id"] if len(found) == BATCH else None


def give_back(call: Call, record: Record, job: Row) -> tuple[Done, str | None]:
    """Give the next records back where nobody changed them since."""
    mine = (item.c.handover_id == job["handover_id"], item.c.record_type == record.type, item.c.kind == OWNER)
    query = select(item).where(*mine, item.c.outcome == "moved").order_by(item.c.record_id).limit(BATCH)
    if job["position"]:
        query = query.where(item.c.record_id > job["position"])
    items = {i["record_id"]: i for i in call.connection.execute(query).mappings()}
    found = {row["id"]: row for row in _rows(call, record, one_of(record.table.c.id, list(items)))}
    unchanged = [
        (row, {**row, "owner_id": items[i]["from_user_id"]})
        for i, row in found.items()
        if row["owner_id"] == items[i]["to_user_id"] and _is_unchanged(call, record, row, items[i]["version"])
    ]
    back = {before["id"] for before, _ in unchanged} - _hand_all(call, record, unchanged, "handed_back").keys()
    for outcome, ids in (("undone", back), ("kept", set(items) - back)):
        if ids:
            these = update(item).where(*mine, one_of(item.c.record_id, sorted(ids)))
            call.connection.execute(these.values(outcome=outcome, time=datetime.now(UTC)))
    last = max(items) if len(items) == BATCH else None
    return {"undone": len(back), "kept": len(items) - len(back)}, last


def _is_unchanged(call: Call, record: Record, row: Row, version: int) -> bool:
    return row["version"] == version or changes.only_computed(call, record, row, str(version))


def _rows(call: Call, record: Record, where: ColumnElement[bool]) -> list[Row]:
    """Records, whole and locked, in the order of their ids."""
    query = select(record.table).where(where).order_by(record.table.c.id).limit(BATCH)
    found = sql.prepare(query.with_for_update(of=record.table)).run(call.connection).fetchall()
    return [storing.as_row(call, record, values) for values in found]


def _key(record: Record, row: Row) -> str:
    return str(row.get(record.kept_together_by) or row["id"])


def _hand_all(call: Call, record: Record, pairs: Sequence[tuple[Row, Row]], action: str) -> dict[str, Why]:
    """Hand records together or, where one is refused, each for itself: why not, by the id of those that cannot be."""
    if _hand(call, record, pairs, action) is None:
        return {}
    refused = {pair[0]["id"]: _hand(call, record, [pair], action) for pair in pairs}
    return {i: why for i, why in refused.items() if why is not None}


def _hand(call: Call, record: Record, pairs: Sequence[tuple[Row, Row]], action: str) -> Why | None:
    """Store, log and announce the new owners, all or none: None, or why not."""
    announced, now = len(call.events), datetime.now(UTC)
    try:
        with call.connection.begin_nested():
            for before, after in pairs:
                after["version"], after["updater_id"] = before["version"] + 1, call.caller.user_id or None
                if record.owned_since:
                    after[record.owned_since] = now
            if pairs:
                rows = [
                    {"b_id": a["id"], "b_owner": a["owner_id"], "b_version": a["version"], "b_updater": a["updater_id"]}
                    | ({"b_since": now} if record.owned_since else {})
                    for _, a in pairs
                ]
                _statement(record).run_many(call.connection, rows)
                if action == "handed_over":
                    record.handed_over(call, pairs)
                changes.tell(call, record, action, pairs, now, bulk=True)
    except (Refusal, DBAPIError, psycopg.Error) as error:
        if acting.is_elsewhere(error):
            raise
        del call.events[announced:]
        if len(pairs) == 1:
            log.warning("%s %s cannot be %s: %s", record.type, pairs[0][0]["id"], action, type(error).__name__)
        return {"key": error.key, "params": error.params} if isinstance(error, Refusal) else {}
    return None


def _statement(record: Record) -> sql.Prepared:
    if record not in _statements:
        c = record.table.c
        values = {
            "owner_id": bindparam("b_owner", type_=c.owner_id.type),
            "version": bindparam("b_version", type_=c.version.type),
            "updater_id": bindparam("b_updater", type_=c.updater_id.type),
        }
        if record.owned_since:
            values[record.owned_since] = bindparam("b_since", type_=c[record.owned_since].type)
        where = c.id == bindparam("b_id", type_=c.id.type)
        _statements[record] = sql.prepare(update(record.table).where(where).values(values))
    return _statements[record]


def _note(call: Call, record: Record, job: Row, pairs: Sequence[tuple[Row, Row]], failed: Mapping[str, Why]) -> None:
    """Keep what each record was before: the report for both sides, and what an undo goes by."""
    if not pairs:
        return
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "handover_id": job["handover_id"],
            "record_type": record.type,
            "kind": OWNER,
            "record_id": before["id"],
            "number": before.get("number") or "",
            "title": str(before.get(record.title_field) or ""),
            "from_user_id": before["owner_id"],
            "to_user_id": after["owner_id"],
            "version": None if before["id"] in failed else after["version"],
            "outcome": "failed" if before["id"] in failed else "moved",
            "reason": failed.get(before["id"]) or None,
            "time": now,
        }
        for before, after in pairs
    ]
    new = insert(item)
    again = {n: new.excluded[n] for n in ("to_user_id", "version", "outcome", "reason", "time")}
    call.connection.execute(new.on_conflict_do_update(index_elements=list(item.primary_key), set_=again), rows)
