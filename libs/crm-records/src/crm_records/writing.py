"""Writing: create, change, act; `recycling` deletes and restores. One form for every record and every verb.

A write finds its row within the caller's scope and locks it, refuses a stale version, checks everything the
contract says and everything the record adds, stores, logs what changed and announces it: all in the call's
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import (
    changes,
    custom_fields,
    dictionaries,
    owning,
    references,
    rows,
    states,
    validation,
    visibility,
)
from crm_records import fields as kinds
from crm_records import given as giving
from crm_records.new_rows import new_row
from crm_records.record import Record, Row
from crm_records.storing import insert_rows, locked, record_changed, store

_GIVEN = "fields given"


def create(call: Call, record: Record, message: Message, *, taken_over: Container[str] = (), **derived: Any) -> Any:
    """Store a new record and announce "created". `derived` are values that the caller may not give; `taken_over` are
    fields of the message that the service filled in itself."""
    problems: list[Problem] = []
    row = new_row(call, record, message, problems, own=taken_over)
    row.update(derived)
    check(call, record, row, None, problems)
    if record.number:
        assert record.registry.numbers is not None
        row["number"] = record.registry.numbers.take(call.connection, record)[0]
    insert_rows(call, record, [row])
    record.written_many(call, [(None, row)])
    changes.tell(call, record, "created", [(None, row)], row["create_time"])
    record.created(call, [row], many=False)
    return answer(call, record, row)


def change(call: Call, record: Record, message: Any, mask: FieldMask, etag: str | None) -> Any:
    """Change the fields that the mask names and announce "updated"; whatever the version where `etag` is None."""
    names = _masked(record, mask)
    problems: list[Problem] = []
    values = validation.row_values(message, names, record.fields, problems)

    def merge(before: Row) -> Row:
        validation.keep_what_stands(message, values, before, record.fields, problems)
        wanted = dict(values)
        keys = [p.removeprefix("custom.") for p in mask.paths if p.startswith("custom.")]
        if "custom" in wanted and not _whole_custom(mask):
            wanted["custom"] = {**before["custom"], **{k: values["custom"].get(k) for k in keys}}
        elif "custom" in wanted:
            keys = [*wanted["custom"]]
            wanted["custom"] = {**giving.kept(call, record, before), **wanted["custom"]}
        touched = [n for n in _named(record, mask) if n != "custom"] + [f"custom.{k}" for k in keys]
        closed = giving.changed(call, record, touched, before, {**before, **wanted})
        refuse(giving.told_once(closed, problems) if closed else ())
        immutable = [
            Problem(f.json_name, "read_only", {"label": f.label})
            for n in wanted
            if (f := record.fields[n]).immutable and wanted[n] != before[n]
        ]
        refuse(immutable)
        name_fields(call, values)
        return wanted

    return answer(call, record, write(call, record, message.id, etag, "updated", merge, problems))


def act(
    call: Call,
    record: Record,
    record_id: str,
    etag: str | None,
    action: str,
    values: Mapping[str, Any] | Callable[[Row], Mapping[str, Any]] | None = None,
    *,
    to: str = "",
) -> Any:
    """Take a transition of the record's state table, with the values that come along or are made of the row."""
    assert record.states is not None
    table = record.states

    def move(before: Row) -> Row:
        transition = table.allow(before, action, to)
        brought = values(before) if callable(values) else values
        wanted = {**(brought or {}), table.column: transition.to}
        refuse(states.missing(record, transition, {**before, **wanted}))
        return wanted

    event = table.transition(action, to).event
    return answer(call, record, write(call, record, record_id, etag, event, move))


def write(
    call: Call,
    record: Record,
    record_id: str,
    etag: str | None,
    event: str,
    merge: Callable[[Row], Mapping[str, Any]],
    wrong: Sequence[Problem] = (),
) -> Row:
    """Lock a row, let `merge` say its new values, store them, log and announce `event`. Returns the row after.

    `wrong` are fields that are known to be wrong already: they are told together with what else is.
    """
    before = locked(call, record, record_id, etag)
    after = {**before, **merge(before)}
    refuse(giving.brought(call, record, before, after))
    if not wrong and not record_changed(record, before, after):
        return before
    check(call, record, after, before, wrong)
    store(call, record, before, after)
    record.written_many(call, [(before, after)])
    changes.tell(call, record, event, [(before, after)], after["update_time"])
    return after


def given(request: Message) -> Row:
    """What the request of a verb brings along besides id and etag, checked as its contract says."""
    described = _described(request.DESCRIPTOR)
    problems: list[Problem] = []
    values = validation.row_values(request, described, described, problems)
    refuse(problems)
    return values


@cache
def _described(request: Any) -> dict[str, kinds.Field]:
    return {n: f for n, f in kinds.of(request).items() if n not in ("id", "etag")}


def named(call: Call) -> frozenset[str]:
    """The fields that the caller named in the change under way, even where the value is the one it had."""
    return call.memo.get(_GIVEN, frozenset())


def name_fields(call: Call, names: Iterable[str]) -> None:
    """A change begins that gives these fields; `prepare` may ask by `named`."""
    call.memo[_GIVEN] = frozenset(names)


def check(call: Call, record: Record, row: Row, before: Row | None, wrong: Iterable[Problem] = ()) -> None:
    """Everything about a row that needs more than one value: dictionary, references, ownership, the record's rules."""
    examine(call, record, row, before, wrong)
    record.prepare(call, row, before)


def examine(call: Call, record: Record, row: Row, before: Row | None, wrong: Iterable[Problem] = ()) -> None:
    """What holds for every kind of record: a refusal leaves nothing behind, for nothing is written yet."""
    problems = [*wrong]
    dictionaries.check(call, record, row, before, problems)
    custom_fields.check(call, record, row, before, problems)
    references.check(call, record, row, before, problems)
    refuse(problems)
    if "owner_id" in row:
        owning.may_give(call, record, row, before)


def answer(call: Call, record: Record, row: Row) -> Any:
    """The message of a row, with its computed fields, as far as the caller sees them."""
    message = rows.to_message(record, row)
    view = visibility.of(call, record)
    record.decorate_wanted(call, [message], record.fields)
    if view is not None and view.whole is not None:
        view.whole(call, message)
    return message


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all problems together, if there are any."""
    found = tuple(problems)
    if found:
        raise errors.Invalid(*found)


def _masked(record: Record, mask: FieldMask) -> list[str]:
    unknown = [p[:60] for p in mask.paths if p not in record.fields and not _is_custom(record, p)]
    refuse(Problem(path, "unknown_field", {"name": path}) for path in unknown)
    named = [n for n in _named(record, mask) if n in record.writable]
    if not named:
        raise errors.Invalid(key="bad_update_mask")
    return named


def _is_custom(record: Record, path: str) -> bool:
    return path.startswith("custom.") and "custom" in record.fields


def _named(record: Record, mask: FieldMask) -> list[str]:
    names = dict.fromkeys(p.split(".")[0] for p in mask.paths)
    return [n for n in names if n in record.fields]


def _whole_custom(mask: FieldMask) -> bool:
    return "custom" in mask.paths
