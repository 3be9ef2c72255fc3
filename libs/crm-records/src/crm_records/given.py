"""What a caller may give: fields that their roles hide, mask or keep from change are refused, required ones demanded.

A hidden or masked field is refused whatever is given, or its value could be guessed by giving it. One that is read
only may be given as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from crm_kit.errors import Problem
from crm_kit.field_access import HIDDEN, MASKED, READ_ONLY, REQUIRED
from crm_kit.rpc import Call
from crm_records import custom_fields, visibility
from crm_records import fields as kinds
from crm_records.record import Record, Row
from crm_records.view import ALWAYS, CUSTOM, View

_BROUGHT = "fields brought along"
EMPTY: tuple[Any, ...] = (None, "", [], {})


def told_once(problems: Sequence[Problem], others: Iterable[Problem]) -> list[Problem]:
    """The problems, and of the others those about fields that have none of these."""
    paths = {p.path for p in problems}
    return [*problems, *(o for o in others if o.path.partition("[")[0] not in paths and o.path not in paths)]


def new(call: Call, record: Record, message: Any, row: Row, own: Container[str]) -> list[Problem]:
    """What is wrong with the fields that a new record is given; `own` are those that the service itself fills in."""
    view = visibility.of(call, record)
    if view is None:
        return []
    state = _state(record, row)
    names = [f.name for f, _ in message.ListFields() if f.name in record.fields and f.name not in own]
    settable = {*record.writable, *record.importable}
    given = [n for n in names if n in settable or view.level(n, state) == HIDDEN] + _keys(row, names)
    # What only the service sets is not taken from anybody, so it needs no telling unless it is hidden.
    problems = [_refusal(call, record, n, view.level(n, state)) for n in given if view.level(n, state) <= READ_ONLY]
    return [*problems, *_missing(call, record, view, state, row)]


def changed(call: Call, record: Record, names: Iterable[str], before: Row, after: Row) -> list[Problem]:
    """What is wrong with a change that gives these fields, `custom.<key>` for custom ones."""
    view = visibility.of(call, record)
    if view is None:
        return []
    state = _state(record, before)
    settable = {*record.writable, *record.importable}
    problems = []
    for name in names:
        level = view.level(name, state)
        if level > HIDDEN and not (name in settable or name.startswith(CUSTOM)):
            continue
        if level <= MASKED or (level == READ_ONLY and _value(after, name) != _value(before, name)):
            problems.append(_refusal(call, record, name, level))
    return [*problems, *_missing(call, record, view, state, after)]


def kept(call: Call, record: Record, before: Row) -> dict[str, Any]:
    """Values of custom fields that the caller may not change: they stay when all of `custom` is given anew."""
    view = visibility.of(call, record)
    if view is None:
        return {}
    state = _state(record, before)
    return {k: v for k, v in before["custom"].items() if view.level(CUSTOM + k, state) <= READ_ONLY}


def noting(record: Record, verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that remembers which fields of the record its request brings along; `brought` asks for them."""

    @wraps(verb)
    def run(servicer: Any, call: Call, request: Any) -> Any:
        if "id" in request.DESCRIPTOR.fields_by_name:
            note(call, record, request)
        return verb(servicer, call, request)

    return run


def note(call: Call, record: Record, request: Any) -> None:
    """Remember what a verb brings along for the record of the request's `id`."""
    if visibility.of(call, record) is not None:
        call.memo[_BROUGHT] = (record, request)


def brought(call: Call, record: Record, before: Row, after: Row) -> list[Problem]:
    """What is wrong with the fields that the request of a verb brings along for this row.

    An id that is not given but goes away by that counts as given: "nobody" is a value, too.
    """
    about, request = call.memo.get(_BROUGHT, (None, None))
    if about is not record or request.id != before["id"]:
        return []
    view = visibility.of(call, record)
    assert view is not None
    state = _state(record, before)
    given = {f.name for f, _ in request.ListFields()} - ALWAYS
    for field in request.DESCRIPTOR.fields:
        if field.name in record.stored and record.stored[field.name].kind == kinds.ID and not after[field.name]:
            given |= {field.name} if before[field.name] else set()
    names = [n for n in record.fields if n in given]
    return [_refusal(call, record, n, view.level(n, state)) for n in names if view.level(n, state) <= READ_ONLY]


def _missing(call: Call, record: Record, view: View, state: str | None, row: Row) -> Iterator[Problem]:
    for name in view.names:
        if view.level(name, state) != REQUIRED or _value(row, name) not in EMPTY:
            continue
        if name in record.writable or (name.startswith(CUSTOM) and _defined(call, record, name)):
            yield Problem(_path(record, name), "required", {"label": _label(call, record, name)})


def _refusal(call: Call, record: Record, name: str, level: int) -> Problem:
    path = _path(record, name)
    if level == HIDDEN:
        return Problem(path, "unknown_field", {"name": path})
    return Problem(path, "read_only", {"label": _label(call, record, name)})


def _path(record: Record, name: str) -> str:
    return name if name.startswith(CUSTOM) else record.fields[name].json_name


def _label(call: Call, record: Record, name: str) -> tuple[str, str]:
    if not name.startswith(CUSTOM):
        return record.fields[name].label
    found = _definition(call, record, name)
    return (found.label_zh, found.label_en) if found is not None else (name, name)


def _defined(call: Call, record: Record, name: str) -> bool:
    found = _definition(call, record, name)
    return found is not None and not found.retired


def _definition(call: Call, record: Record, name: str) -> Any:
    return custom_fields.KEPT.read(call.connection).get(record.type, {}).get(name.removeprefix(CUSTOM))


def _value(row: Row, name: str) -> Any:
    if name.startswith(CUSTOM):
        return (row.get("custom") or {}).get(name.removeprefix(CUSTOM))
    return row.get(name)


def _keys(row: Mapping[str, Any], names: Container[str]) -> list[str]:
    return [CUSTOM + key for key in row.get("custom") or {}] if "custom" in names else []


def _state(record: Record, row: Row) -> str | None:
    return row.get(record.states.column) if record.states is not None else None
