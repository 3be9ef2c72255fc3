"""What a column of a file can become: the fields of a record type that its importer may give, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_kit.field_access import READ_ONLY
from crm_kit.rpc import Call
from crm_records import custom_fields, visibility
from crm_records import fields as kinds
from crm_records.companion import Companion
from crm_records.fields import Field
from crm_records.imports import values
from crm_records.imports.values import Read
from crm_records.record import Record

CUSTOM = "custom."
ORIGIN = ("create_time", "creator_id")
"""Who made a record where it came from, and when."""
_DAYS = (kinds.DATE, kinds.TIME, "date")
"""Kinds of fields, and of custom ones, in which a number is a day."""
_LEFT_OUT = frozenset({"id", "etag"})


@dataclass(frozen=True, slots=True)
class Target:
    """One field as a column brings it."""

    name: str
    """Of the field; `custom.<key>` for one that an administrator added, `part.field` for one of a part."""
    path: str
    """As JSON calls it."""
    label: tuple[str, str]
    kind: str
    required: bool
    field: Field | None
    definition: Any = None
    key_only: bool = False
    """Finds a record, and is not written."""
    companion: Companion | None = None
    """The part that it is a field of; `field` is then the part's."""

    @property
    def words(self) -> Iterator[str]:
        """What a heading may call it."""
        yield from (self.path, self.name, *self.label)
        yield self.name.replace("_", " ")
        if self.field is not None and self.field.references:
            yield from (w.removesuffix("ID").removesuffix("id").strip() for w in self.label)


def of_record(call: Call, record: Record) -> dict[str, Target]:
    """What the caller may give by a file, by JSON name: the order is that of the contract."""
    view = visibility.of(call, record)
    found: dict[str, Target] = {}
    settable = {*record.writable, *record.importable, *(n for n in ORIGIN if n in record.stored)}
    for name, field in record.stored.items():
        key_only = name in record.import_keys and name not in settable
        if name in _LEFT_OUT or not (name in settable or key_only) or field.kind in (kinds.DATA, kinds.CUSTOM):
            continue
        if view is not None and view.level(name) <= READ_ONLY and not key_only:
            continue
        required = field.required and name in record.writable
        found[field.json_name] = Target(
            name, field.json_name, field.label, field.kind, required, field, key_only=key_only
        )
    if "custom" in record.stored:
        for key, row in custom_fields.KEPT.read(call.connection).get(record.type, {}).items():
            path = CUSTOM + key
            if row.retired or (view is not None and view.level(path) <= READ_ONLY):
                continue
            found[path] = Target(path, path, (row.label_zh, row.label_en), row.kind, row.required, None, row)
    for companion in record.companions:
        found.update(_brought_along(call, companion, companion.of(record)))
    return found


def _brought_along(call: Call, companion: Companion, part: Record) -> Iterator[tuple[str, Target]]:
    view = visibility.of(call, part)
    for field in (part.fields[n] for n in companion.fields):
        if view is not None and view.level(field.name) <= READ_ONLY:
            continue
        name, path = f"{companion.name}.{field.name}", f"{companion.path}.{field.json_name}"
        yield path, Target(name, path, said(companion, field), field.kind, False, field, companion=companion)


def said(companion: Companion, field: Field) -> tuple[str, str]:
    """What people call a field of a part where it stands beside those of the record."""
    before, label = companion.label, field.label
    return f"{before[0]}{label[0]}", f"{before[1]} {label[1][:1].lower()}{label[1][1:]}"


def days_from_1904(found: Any, known: Mapping[str, Target]) -> set[int]:
    """The columns of an import in which a number is a day counted from 1904."""
    days = {path for path, target in known.items() if target.kind in _DAYS}
    return {i for i, column in enumerate(found.columns) if found.since_1904 and column["field"] in days}


def owner(record: Record, path: str) -> tuple[Record, str]:
    """The kind of record that a path of a column is about, and the field's name there."""
    head, _, rest = path.partition(".")
    part = next((c.of(record) for c in record.companions if c.path == head and rest), None)
    return (part, rest) if part is not None else (record, path)


def readers(call: Call, record: Record, targets: Mapping[str, Target], names: Callable[[str], Read]) -> dict[str, Read]:
    """How the cells of each target are read; a target that cannot be read from a cell is left out."""
    found: dict[str, Read] = {}
    for path, target in targets.items():
        if target.field is None:
            found[path] = values.of_custom(target.definition, names)
        else:
            about = target.companion.of(record) if target.companion is not None else record
            read = values.of_field(call, about, target.field, names)
            if read is not None:
                found[path] = read
    return found
