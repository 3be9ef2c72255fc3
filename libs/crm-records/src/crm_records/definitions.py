"""What administrators define for a record type: custom fields, dictionary entries, the form of numbers.

They have versions and are announced like records, under their own names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import Table, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1 import records_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import codec, errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import custom_fields, dictionaries, numbers, validation
from crm_records import fields as kinds
from crm_records.changes import set_value
from crm_records.record import Record

_CUSTOM_FIELD = kinds.of(pb.CustomField.DESCRIPTOR)
_ENTRY = kinds.of(pb.DictionaryEntry.DESCRIPTOR)


def custom_fields_of(call: Call, record: Record) -> list[pb.CustomField]:
    """The custom fields of a record type, retired ones too."""
    return [_field_message(row) for row in custom_fields.KEPT.read(call.connection).get(record.type, {}).values()]


def create_custom_field(call: Call, record: Record, message: pb.CustomField) -> pb.CustomField:
    """Add a custom field to a record type."""
    if "custom" not in record.stored:
        raise errors.NotFound()
    values = _values(message, _CUSTOM_FIELD, None)
    values["record_type"] = record.type
    _check_definition(record, values)
    values = {**values, "position": values["position"] or 0, "version": 1}
    row = _insert(call, custom_fields.custom_field, values, Problem("key", "taken", _taken(values["key"])))
    call.after_commit.append(custom_fields.KEPT.forget)
    return announce(call, "custom_field", "created", _field_message(row), 1)


def update_custom_field(call: Call, record: Record, request: pb.UpdateCustomFieldRequest) -> pb.CustomField:
    """Change a custom field's labels, choices, order, requirement; retire it."""
    table = custom_fields.custom_field
    where = (table.c.record_type == record.type) & (table.c.key == request.key)
    old = _locked(call, table, where, request.etag)
    values = _values(request.custom_field, _CUSTOM_FIELD, request.update_mask)
    for name in ("record_type", "key", "kind"):
        if name in values and values.pop(name) != old[name]:
            raise errors.Invalid(Problem(name, "read_only", {"label": _CUSTOM_FIELD[name].label}))
    _check_definition(record, {**old, **values})
    row = _update(call, table, where, old, values)
    call.after_commit.append(custom_fields.KEPT.forget)
    return announce(call, "custom_field", "updated", _field_message(row), row["version"], _field_message(old))


def create_entry(call: Call, record: Record, dictionary: str, message: pb.DictionaryEntry) -> pb.DictionaryEntry:
    """Add an entry to a dictionary that the record type uses."""
    if dictionary not in dictionaries.of_record(record):
        raise errors.NotFound()
    values = _values(message, _ENTRY, None)
    values = {**values, "dictionary": dictionary, "position": values["position"] or 0, "version": 1}
    row = _insert(call, dictionaries.entry, values, Problem("code", "taken", _taken(values["code"])))
    call.after_commit.append(dictionaries.KEPT.forget)
    return announce(call, "dictionary_entry", "created", entry_message(row), 1)


def update_entry(call: Call, record: Record, request: pb.UpdateDictionaryEntryRequest) -> pb.DictionaryEntry:
    """Rename, order or retire an entry."""
    if request.dictionary not in dictionaries.of_record(record):
        raise errors.NotFound()
    table = dictionaries.entry
    where = (table.c.dictionary == request.dictionary) & (table.c.code == request.code)
    old = _locked(call, table, where, request.etag)
    values = _values(request.entry, _ENTRY, request.update_mask)
    if values.pop("code", old["code"]) != old["code"]:
        raise errors.Invalid(Problem("code", "read_only", {"label": _ENTRY["code"].label}))
    row = _update(call, table, where, old, values)
    call.after_commit.append(dictionaries.KEPT.forget)
    return announce(call, "dictionary_entry", "updated", entry_message(row), row["version"], entry_message(old))


def number_format_of(call: Call, record: Record) -> pb.NumberFormat:
    """The form of numbers in force; the program's own while nobody changed it."""
    table = numbers.number_format
    row = call.connection.execute(select(table).where(table.c.record_type == record.type)).one_or_none()
    pattern, version = (row.pattern, row.version) if row else (record.number, 0)
    return pb.NumberFormat(record_type=record.type, pattern=pattern, etag=str(version))


def update_number_format(call: Call, record: Record, request: pb.UpdateNumberFormatRequest) -> pb.NumberFormat:
    """Change the form of the numbers given from now on."""
    if not request.etag:
        raise errors.Conflict("etag_required")
    now = number_format_of(call, record)
    if request.etag != now.etag:
        raise errors.Stale()
    version = int(now.etag) + 1
    numbers.save(call.connection, record.type, request.number_format.pattern, version)
    call.after_commit.append(numbers.PATTERNS.forget)
    answer = pb.NumberFormat(record_type=record.type, pattern=request.number_format.pattern, etag=str(version))
    return announce(call, "number_format", "updated", answer, version, now)


def entry_message(row: Any) -> pb.DictionaryEntry:
    """An entry as it is answered."""
    found = row if isinstance(row, dict) else row._mapping
    values = {n: found[n] for n in ("dictionary", "code", "label_zh", "label_en", "position", "retired")}
    return pb.DictionaryEntry(**values, etag=str(found["version"]))


def _field_message(row: Any) -> pb.CustomField:
    found = row if isinstance(row, dict) else row._mapping
    values = {n: found[n] for n in _CUSTOM_FIELD if n not in ("etag", "references")}
    return pb.CustomField(**values, references=found["references"] or "", etag=str(found["version"]))


def _values(message: Message, fields: dict[str, kinds.Field], mask: FieldMask | None) -> dict[str, Any]:
    writable = [n for n, f in fields.items() if not f.output_only]
    names: Iterable[str] = writable if mask is None else [n for n in writable if n in mask.paths]
    problems: list[Problem] = []
    if mask is None:
        names = [n for n in writable if n != "record_type"]
    values = validation.row_values(message, names, fields, problems)
    if problems:
        raise errors.Invalid(*problems)
    if not values:
        raise errors.Invalid(key="bad_update_mask")
    return values


def _check_definition(record: Record, values: dict[str, Any]) -> None:
    """Choices for what chooses, a record type for what points."""
    if values["kind"] in ("choice", "multi_choice") and not values["choices"]:
        raise errors.Invalid(Problem("choices", "required", {"label": _CUSTOM_FIELD["choices"].label}))
    if values["kind"] == "reference":
        known = {*record.registry.records, *record.registry.foreign, "user", "department"}
        if values["references"] not in known:
            raise errors.Invalid(
                Problem("references", "unknown_reference", {"label": _CUSTOM_FIELD["references"].label})
            )


def _insert(call: Call, table: Table, values: dict[str, Any], taken: Problem) -> dict[str, Any]:
    statement = insert(table).values(values).on_conflict_do_nothing().returning(table)
    row = call.connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise errors.Exists("exists", taken)
    return dict(row)


def _locked(call: Call, table: Table, where: Any, etag: str) -> dict[str, Any]:
    if not etag:
        raise errors.Conflict("etag_required")
    row = call.connection.execute(select(table).where(where).with_for_update()).mappings().one_or_none()
    if row is None:
        raise errors.NotFound()
    if etag != str(row["version"]):
        raise errors.Stale()
    return dict(row)


def _update(call: Call, table: Table, where: Any, old: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    new = {n: v if v is not None else old[n] if n != "position" else 0 for n, v in values.items()}
    new["version"] = old["version"] + 1
    return dict(call.connection.execute(update(table).where(where).values(new).returning(table)).mappings().one())


def _taken(value: str) -> dict[str, Any]:
    return {"label": ("代码", "Code"), "value": value}


def announce(call: Call, record_type: str, action: str, message: Any, version: int, before: Any = None) -> Any:
    """Definitions have no id of their own: their event is named by what they define. It tells what differs."""
    name = ":".join(
        str(getattr(message, n)) for n in ("record_type", "dictionary", "key", "code") if hasattr(message, n)
    )
    event = Event(record_type=record_type, action=action, record_id=name, version=version, time=datetime.now(UTC))
    event.record.Pack(message)
    old, new = codec.to_dict(before) if before else {}, codec.to_dict(message)
    for field in [name for name in {**old, **new} if name != "etag" and old.get(name) != new.get(name)]:
        change = event.changes.add(field=field)
        set_value(change.before, old.get(field))
        set_value(change.after, new.get(field))
    call.announce(event)
    return message
