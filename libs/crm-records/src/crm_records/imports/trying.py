"""The second part of an import: rows become records, or, in a dry run, are told what they would become.

Both do the very same; a dry run takes it back at the end of each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import delete, select, text, update

from crm_kit import errors, sealing
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import images, sql, visibility
from crm_records.bulk_store import Item
from crm_records.imports import companions, going_on, hinting, matching
from crm_records.imports.drafts import Draft, Drafter
from crm_records.imports.tables import CHECKED, DONE, import_row, import_value, record_import
from crm_records.record import Record

BATCH = 1000
OUTCOMES = ("created", "updated", "unchanged", "skipped", "rejected")

errors.texts({"in_the_future": ("{label}不能晚于现在", "{label} must not be later than now")})

_KEEP = sql.Prepared(
    "UPDATE import_row SET outcome = new.outcome, record_id = new.record_id, result = new.result"
    " FROM unnest(%(rows)s::int[], %(outcomes)s::text[], %(ids)s::uuid[], %(results)s::bytea[])"
    " AS new (row, outcome, record_id, result) WHERE import_row.import_id = %(id)s AND import_row.row = new.row",
    {},
)


def step(call: Call, record: Record, job: Job) -> Step:
    """Try or store the next rows."""
    import_id, dry = job.parameters["import"], job.parameters["phase"] == "check"
    if job.position is None:
        further = going_on.first(call, import_id, job)
        if further is not None:
            return further
        _forget(call, import_id)
        return Step({"row": 0}, result=dict.fromkeys(OUTCOMES, 0))
    found = call.connection.execute(select(record_import).where(record_import.c.id == import_id)).one()
    lines = _lines(call, import_id, job.position["row"])
    drafter = Drafter(call, record, found)
    drafter.look_up(lines)
    drafts = [drafter.draft(row, cells) for row, cells in lines]
    rows = [d for d in drafts if not d.outcome]
    for draft in rows:
        _judge_origin(record, draft)
    matching.match(call, record, found.options, rows)
    matching.claim(call, record, import_id, found.options, rows)
    remarks: dict[int, list[Problem]] = {}
    if dry:
        remarks = hinting.hints(call, record, import_id, rows)
        with call.connection.begin_nested() as taken_back:
            outcomes = _store(call, record, found.options, rows, dry=True)
            taken_back.rollback()
        call.events.clear()
    else:
        images.go_on(call, going_on.act_of(job))
        outcomes = _store(call, record, found.options, rows, dry=False)
    _keep(call, import_id, drafts, outcomes, drafter.places, remarks, dry=dry)
    counts = {o: job.result.get(o, 0) + sum(d.outcome == o for d in drafts) for o in OUTCOMES}
    over = len(lines) < BATCH
    if over:
        _finish(call, import_id, counts, DONE if not dry else CHECKED)
        if not dry:
            images.finish(call, going_on.act_of(job))
            _let_planner_know(call, record, counts["created"])
    return Step(None if over else {"row": lines[-1][0]}, done=len(lines), result=counts)


def _forget(call: Call, import_id: str) -> None:
    """What an earlier dry run found."""
    mine = import_row.c.import_id == import_id
    tried = update(import_row).where(mine, import_row.c.outcome != "")
    call.connection.execute(tried.values(outcome="", record_id=None, result=None))
    call.connection.execute(delete(import_value).where(import_value.c.import_id == import_id))


def _lines(call: Call, import_id: str, behind: int) -> list[tuple[int, list[str]]]:
    query = select(import_row.c.row, import_row.c.cells).where(import_row.c.import_id == import_id)
    found = call.connection.execute(query.where(import_row.c.row > behind).order_by(import_row.c.row).limit(BATCH))
    keys, start = sealing.of(call.connection), sealing.place(import_row.name, "cells", import_id, "")
    return [(r.row, orjson.loads(keys.open(call.connection, f"{start}{r.row}", bytes(r.cells)))) for r in found]


def _judge_origin(record: Record, draft: Draft) -> None:
    made = draft.origin.get("create_time")
    if made is not None and made > datetime.now(UTC):
        field = record.fields["create_time"]
        draft.problems.append(Problem(field.json_name, "in_the_future", {"label": field.label}))


def _store(
    call: Call, record: Record, options: Mapping[str, Any], drafts: Sequence[Draft], *, dry: bool
) -> dict[int, Item]:
    """Hand over what can be stored; by row, what became of it."""
    skips = options.get("existing") == "skip"
    looked_for = {matching.key_field(record, options)} - visibility.blind(call, record)
    for draft in drafts:
        if skips and draft.record_id and not draft.problems:
            draft.outcome = "skipped"
    rest = [d for d in drafts if not d.outcome]
    record.import_begins(call, [d.message for d in rest])
    items = companions.store(call, record, rest, dry=dry, looked_for=looked_for)
    for draft, item in items.items():
        draft.outcome = "rejected" if item.refusal else item.outcome
    return {draft.row: item for draft, item in items.items()}


def _keep(
    call: Call,
    import_id: str,
    drafts: Sequence[Draft],
    items: Mapping[int, Item],
    places: Mapping[str, int],
    remarks: Mapping[int, list[Problem]],
    *,
    dry: bool,
) -> None:
    keys, start = sealing.of(call.connection), sealing.place(import_row.name, "result", import_id, "")
    results: list[bytes | None] = []
    ids: list[str | None] = []
    for draft in drafts:
        item = items.get(draft.row)
        told: dict[str, Any] = {}
        if item is not None and item.refusal is not None:
            told["problems"] = _problems(call, item, places)
        elif item is not None and item.changes:
            told["changes"] = [[n, _shown(b), _shown(a)] for n, b, a in item.changes]
        elif draft.row in remarks:
            told["hints"] = _told(call, remarks[draft.row], places)
        sealed = keys.seal(call.connection, f"{start}{draft.row}", orjson.dumps(told)) if told else None
        results.append(sealed)
        made = item.record_id if item is not None and draft.outcome != "rejected" else draft.record_id
        taken_back = dry and draft.outcome == "created"
        ids.append(None if taken_back else made or None)
    _KEEP.run(
        call.connection,
        {
            "id": import_id,
            "rows": [d.row for d in drafts],
            "outcomes": [d.outcome for d in drafts],
            "ids": ids,
            "results": results,
        },
    )


def _problems(call: Call, item: Item, places: Mapping[str, int]) -> list[dict[str, Any]]:
    refusal = item.refusal
    assert refusal is not None
    if not refusal.problems:
        return [{"column": -1, "field": "", "reason": refusal.reason, "message": refusal.message(call.language)}]
    return _told(call, refusal.problems, places)


def _told(call: Call, problems: Sequence[Problem], places: Mapping[str, int]) -> list[dict[str, Any]]:
    found = []
    for p in problems:
        path = p.path if p.path in places else p.path.partition("[")[0]
        place = places.get(path, -1)
        found.append({"column": place, "field": p.path, "reason": p.key.upper(), "message": p.message(call.language)})
    return found


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _finish(call: Call, import_id: str, counts: Mapping[str, int], state: str) -> None:
    values: dict[str, Any] = {"state": state, "counts": dict(counts), "version": record_import.c.version + 1}
    if state == DONE:
        values["finish_time"] = datetime.now(UTC)
    call.connection.execute(update(record_import).where(record_import.c.id == import_id).values(values))
    call.connection.execute(delete(import_value).where(import_value.c.import_id == import_id))
    sweep(call)


def _let_planner_know(call: Call, record: Record, created: int) -> None:
    """Have the table looked at where most of it is new. PostgreSQL does it by itself, but up to a minute later; until
    then it takes the table for small, and a search in 20,000 rows took 60 ms instead of one."""
    known = call.connection.scalar(_KNOWN_ROWS, {"name": record.table.name})
    if created >= BATCH and created > known:
        call.connection.execute(text(f'ANALYZE "{record.table.name}"'))


_KNOWN_ROWS = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
"""As of the last time it was looked at; -1 for never."""


def sweep(call: Call) -> None:
    """Drop rows of imports of a month ago, some at a time, and the imports of half a year ago that have none left."""
    call.connection.execute(_OLD_ROWS)
    call.connection.execute(_OLD_IMPORTS)


# Their places as an array are looked for once. As `IN (SELECT …)` they may be looked for anew for every row of the
# table, where PostgreSQL does not know yet how many those are: an import of 5,000 rows ended in the time-out.
_OLD_ROWS = text(
    "DELETE FROM import_row WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM import_row r"
    " JOIN record_import i ON i.id = r.import_id WHERE i.create_time < now() - interval '30 days' LIMIT 20000))"
)
_OLD_IMPORTS = text(
    "DELETE FROM record_import i WHERE create_time < now() - interval '180 days'"
    " AND NOT EXISTS (SELECT 1 FROM import_row r WHERE r.import_id = i.id)"
)
