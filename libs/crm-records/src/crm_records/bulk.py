"""Many rows in one request, each for itself: new ones created, changed ones updated, equal ones left, bad ones told.

A row is found again by the record's key (its `external_id`, a user's name, …), so the same rows sent twice
change nothing and an import that was killed goes on by being sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors, rpc, scope
from crm_kit.db import one_of
from crm_kit.errors import Problem, Refusal
from crm_kit.rpc import Call
from crm_records import changes, references, sql, validation, visibility, writing
from crm_records.given import changed, told_once
from crm_records.record import Record, Row

MOST = 1000

errors.texts(
    {
        "too_many_rows": ("一次最多 {limit} 行", "At most {limit} rows at once"),
        "no_rows": ("没有数据行", "There are no rows"),
        "key_twice": ("{label}“{value}”在请求中出现了两次", "{label} “{value}” is in the request twice"),
    }
)


def import_rows(call: Call, record: Record, messages: Sequence[Any]) -> pb.BulkResponse:
    """Store rows; the answer has one result for each, in their order."""
    if not messages:
        raise errors.Invalid(key="no_rows")
    if len(messages) > MOST:
        raise errors.Invalid(key="too_many_rows", limit=MOST)
    record.import_begins(call, messages)
    results = [pb.RowResult(index=i) for i in range(len(messages))]
    stored = _ids_by_key(call, record, messages)
    old: list[tuple[int, Any, str]] = []
    new: list[tuple[int, Row]] = []
    seen: set[str] = set()
    drafts: list[tuple[int, Any, list[Problem], Row]] = []
    for i, message in enumerate(messages):
        key = str(getattr(message, record.key)).strip()
        if key and key in seen:
            field = record.fields[record.key]
            problem = Problem(field.json_name, "key_twice", {"label": field.label, "value": key[:60]})
            _fail(call, results[i], errors.Invalid(problem))
            continue
        seen.add(key)
        if key in stored and stored[key] in {record_id for _, _, record_id in old}:  # it and one that went into it
            field = record.fields[record.key]
            problem = Problem(field.json_name, "key_twice", {"label": field.label, "value": key[:60]})
            _fail(call, results[i], errors.Invalid(problem))
            continue
        if key in stored:
            old.append((i, message, stored[key]))
            continue
        problems: list[Problem] = []
        drafts.append((i, message, problems, writing.new_row(call, record, message, problems, record.importable)))
    _change(call, record, old, results)
    references.look_up_together(call, record, [row for _, _, _, row in drafts])
    record.prepare_many(call, [row for _, _, problems, row in drafts if not problems])
    for i, _, problems, row in drafts:
        try:
            writing.check(call, record, row, None, problems)
            new.append((i, row))
        except Refusal as refusal:
            _fail(call, results[i], refusal)
    _insert(call, record, new, results)
    counts = {o: sum(r.outcome == o for r in results) for o in ("created", "updated", "unchanged", "failed")}
    return pb.BulkResponse(results=results, **counts)


def _insert(call: Call, record: Record, new: list[tuple[int, Row]], results: list[pb.RowResult]) -> None:
    """All at once; if the database refuses one of them, one by one."""
    if not new:
        return
    if record.number:
        assert record.registry.numbers is not None
        for (_, row), number in zip(new, record.registry.numbers.take(call.connection, record, len(new)), strict=True):
            row["number"] = number
    try:
        with call.connection.begin_nested():
            _create(call, record, [row for _, row in new])
        for i, row in new:
            results[i].outcome, results[i].id = "created", row["id"]
    except (IntegrityError, psycopg.IntegrityError, Refusal):
        call.events[:] = [e for e in call.events if e.record_id not in {row["id"] for _, row in new}]
        for i, row in new:
            if _attempt(call, results[i], lambda r=row: _create(call, record, [r])):
                results[i].outcome, results[i].id = "created", row["id"]


def _create(call: Call, record: Record, new: list[Row]) -> None:
    writing.insert_rows(call, record, new)
    for row in new:
        record.written(call, row, None)
    changes.tell(call, record, "created", [(None, row) for row in new], new[0]["update_time"], bulk=True)
    record.created(call, new, many=True)


def _change(call: Call, record: Record, old: list[tuple[int, Any, str]], results: list[pb.RowResult]) -> None:
    """All in one savepoint; if something is refused, each in its own."""
    rows = _locked(call, record, [record_id for _, _, record_id in old])
    announced = len(call.events)
    try:
        with call.connection.begin_nested():
            for i, message, record_id in old:
                _update(call, record, message, rows.get(record_id), results[i])
    except (IntegrityError, psycopg.IntegrityError, Refusal):
        del call.events[announced:]
        for i, message, record_id in old:
            before = rows.get(record_id)
            _attempt(call, results[i], lambda m=message, b=before, r=results[i]: _update(call, record, m, b, r))


def _update(call: Call, record: Record, message: Any, row: Row | None, result: pb.RowResult) -> None:
    """Change what the message gives and differs; what it does not give stays."""
    if row is None:  # it lies outside the caller's scope: not even its id is told
        raise errors.NotFound()
    problems: list[Problem] = []
    given = sorted({f.name for f, _ in message.ListFields()} & {*record.writable, *record.importable})
    values = validation.row_values(message, given, record.fields, problems)
    if row[record.key] and values.get(record.key) != row[record.key]:  # found by that of one that went into it
        values.pop(record.key, None)
    after = {**row, **values}
    touched = [f.name for f, _ in message.ListFields() if f.name in record.fields and f.name != "custom"]
    if "custom" in values:
        touched += [f"custom.{key}" for key in values["custom"]]
        values["custom"] = after["custom"] = {**row["custom"], **values["custom"]}
    writing.refuse(told_once(changed(call, record, touched, row, after), problems))
    result.id = row["id"]
    if not writing.record_changed(record, row, after):
        result.outcome = "unchanged"
        return
    writing.name_fields(call, values)
    writing.check(call, record, after, row)
    if not writing.record_changed(record, row, after):
        result.outcome = "unchanged"
        return
    writing.store(call, record, row, after)
    record.written(call, after, row)
    changes.tell(call, record, "updated", [(row, after)], after["update_time"], bulk=True)
    result.outcome = "updated"


def _attempt(call: Call, result: pb.RowResult, step: Any) -> bool:
    """Run one row's step in a savepoint; a refusal is its result and leaves nothing behind."""
    announced = len(call.events)
    try:
        with call.connection.begin_nested():
            step()
        return True
    except Refusal as refusal:
        del call.events[announced:]
        _fail(call, result, refusal)
    except (IntegrityError, psycopg.IntegrityError) as error:
        del call.events[announced:]
        _fail(call, result, rpc.translate(error))
    return False


def _fail(call: Call, result: pb.RowResult, refusal: Refusal) -> None:
    result.outcome = "failed"
    result.reason = "; ".join(p.message(call.language) for p in refusal.problems) or refusal.message(call.language)
    result.problems.extend(pb.FieldProblem(field=p.path, message=p.message(call.language)) for p in refusal.problems)


def _ids_by_key(call: Call, record: Record, messages: Sequence[Any]) -> dict[str, str]:
    """The stored records of the keys given, whosoever they are: the scope is asked when they are touched."""
    wanted = {str(getattr(m, record.key)).strip() for m in messages} - {""}
    if not wanted or record.key in visibility.blind(call, record):  # which keys there are is not the caller's to know
        return {}
    table = record.table
    column = table.c[record.key]
    query = select(column, table.c.id).where(one_of(column, wanted), table.c.delete_time.is_(None))
    found = {row[0]: row[1] for row in call.connection.execute(query)}
    missing = wanted - found.keys()
    return {**record.find_merged(call, missing), **found} if missing else found


def _locked(call: Call, record: Record, ids: Sequence[str]) -> dict[str, Row]:
    """Those of the rows that lie within the caller's scope, locked in one order, so that imports do not cross."""
    if not ids:
        return {}
    reach = record.reach(call)
    table = record.table
    query = select(table).where(one_of(table.c.id, ids), table.c.delete_time.is_(None)).order_by(table.c.id)
    within = record.within(scope.shape(reach))
    query = query if within is None else query.where(within)
    found = sql.prepare(query.with_for_update(of=table)).run(call.connection, scope.parameters(reach)).fetchall()
    rows = [writing.as_row(call, record, values) for values in found]
    return {row["id"]: row for row in rows}
