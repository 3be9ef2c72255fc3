"""Records that point at one record are made to point at another: what a merge does to everything around its records.

Which ones those are is read from the contract: every stored field that `references` or `mentions` the record type,
custom references, and a pair (record type, id) that a record declares as `about`. So a new kind of record comes
along by itself. Rules against changing a parent do not hold here; nothing else of a rule is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import ColumnElement, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import changes, custom_fields, storing
from crm_records import fields as kinds
from crm_records.record import Record, Row
from crm_records.registry import Registry

BATCH = 200
"""Records that one call of `relink` changes at most."""
RELINKED = "relinked"
"""What is told of a record that points elsewhere since a merge."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A place in a kind of record where an id of the record type stands."""

    record: Record
    name: str
    """The column; `custom.<key>` for a custom field."""
    many: bool = False
    type_column: str = ""
    """The column that says which record type the id is of, where the column takes several."""

    def holds(self, record_type: str, ids: Sequence[str]) -> ColumnElement[bool]:
        """The condition that a row points at one of these."""
        table = self.record.table
        if self.name.startswith("custom."):
            return one_of(table.c.custom[self.name.removeprefix("custom.")].astext, ids)
        column: Any = table.c[self.name]
        if self.many:
            return column.overlap(cast(list(ids), ARRAY(column.type.item_type)))
        found = one_of(column, ids)
        return found & (table.c[self.type_column] == record_type) if self.type_column else found

    def turn(self, row: Row, record_type: str, ids: Sequence[str], to_id: str | None) -> None:
        """Make a row point at `to_id` instead, nowhere where that is None."""
        if self.name.startswith("custom."):
            key = self.name.removeprefix("custom.")
            if row["custom"].get(key) in ids:
                row["custom"] = {**row["custom"], key: to_id}
        elif self.many:
            turned = [to_id if i in ids else i for i in row[self.name]]
            row[self.name] = [i for i in dict.fromkeys(turned) if i is not None]
        elif row[self.name] in ids and (not self.type_column or row[self.type_column] == record_type):
            row[self.name] = to_id


def pointers(call: Call, registry: Registry, record_type: str) -> list[Pointer]:
    """Every place in a service's records where ids of a record type stand."""
    found = []
    defined = custom_fields.KEPT.read(call.connection)
    for record in registry.records.values():
        for field in record.stored.values():
            if field.kind in (kinds.ID, kinds.IDS, kinds.TEXTS) and record_type in (field.references, field.mentions):
                found.append(Pointer(record, field.name, field.kind != kinds.ID))
        if record.about is not None:
            found.append(Pointer(record, record.about[1], type_column=record.about[0]))
        for key, row in defined.get(record.type, {}).items():
            if row.kind == "reference" and row.references == record_type:
                found.append(Pointer(record, f"custom.{key}"))
    return found


def count(call: Call, registry: Registry, record_type: str, ids: Sequence[str], limit: int) -> dict[str, int]:
    """How many records of each type point at one of these, `limit` of each at most; those in the recycle bin too."""
    counts = {}
    for record, condition in _conditions(call, registry, record_type, ids):
        some = select(record.table.c.id).where(condition).limit(limit).subquery()
        n = call.connection.scalar(select(func.count()).select_from(some))
        if n:
            counts[record.type] = int(n)
    return counts


def relink(call: Call, registry: Registry, record_type: str, ids: Sequence[str], to_id: str) -> int:
    """Make the next records point at `to_id`; how many were changed, less than `BATCH` when there are no more.

    Neither the records themselves nor the one that stays are among them.
    """
    changed = 0
    for record, condition in _conditions(call, registry, record_type, ids):
        table = record.table
        query = select(table).where(condition)
        if record.type == record_type:
            query = query.where(table.c.id.not_in([*ids, to_id]))
        query = query.order_by(table.c.id).limit(BATCH - changed).with_for_update(of=table)
        found = [storing.as_row(call, record, values) for values in call.connection.execute(query).all()]
        places = [p for p in pointers(call, registry, record_type) if p.record is record]
        for before in found:
            after = dict(before)
            for place in places:
                place.turn(after, record_type, ids, to_id)
            record.relinks(call, before, after)
            after = _store(call, record, before, after)
            record.written_many(call, [(before, after)])
            changes.tell(call, record, RELINKED, [(before, after)], after["update_time"])
        changed += len(found)
        if changed >= BATCH:
            break
    return changed


def _store(call: Call, record: Record, before: Row, after: Row) -> Row:
    """Store a row that points elsewhere. Where there is such a one already, this one goes into the recycle bin."""
    try:
        with call.connection.begin_nested():
            turned = dict(after)
            storing.store(call, record, before, turned)
            return turned
    except (IntegrityError, psycopg.errors.UniqueViolation) as error:
        cause = error.orig if isinstance(error, IntegrityError) else error
        if not isinstance(cause, psycopg.errors.UniqueViolation) or after["delete_time"] is not None:
            raise
    binned = {**after, "delete_time": datetime.now(UTC), "deleter_id": call.caller.user_id or None}
    storing.store(call, record, before, binned)
    return binned


def _conditions(
    call: Call, registry: Registry, record_type: str, ids: Sequence[str]
) -> list[tuple[Record, ColumnElement[bool]]]:
    by_record: dict[Record, list[ColumnElement[bool]]] = {}
    for place in pointers(call, registry, record_type):
        by_record.setdefault(place.record, []).append(place.holds(record_type, ids))
    return [(record, or_(*conditions)) for record, conditions in by_record.items()]


def told(event: Any) -> tuple[str, list[str]]:
    """(act, ids that went into the record) of a "merged" or "unmerged" event."""
    said = {c.field: c.after for c in event.changes}
    return said["actId"].string_value, [v.string_value for v in said["mergedIds"].list_value.values]
