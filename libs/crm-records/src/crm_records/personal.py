"""Finding what a service has about one natural person: the record itself, its parts, and what is about it.

Everything is found by what the contract says: which record types are persons, which fields tell of one, which point at
one. What somebody wrote about a person into the text of another record is not found by anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import ColumnElement, and_, func, or_, select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import suite, writing
from crm_records.record import Record, Registry, Row

SUBJECT, PART, OWN, ABOUT, REFERENCE = "subject", "part", "own", "about", "reference"
"""How a record has to do with the person."""
ERASED = (SUBJECT, PART, ABOUT)
"""Relations in which the fields that tell of the person are emptied."""
MOST = 5000
"""Records of one type and relation that are looked at; who is named by more cannot be told whole in one answer."""
USER = "user"

errors.texts(
    {
        "not_a_person": ("该记录不是自然人", "This record is no natural person"),
        "too_much_data": (
            "{label}超过 {limit} 条，无法一次处理",
            "There are more than {limit} records ({label}): that is too much at once",
        ),
    }
)


@dataclass(slots=True)
class Found:
    """Records of one type that have to do with the person in one way."""

    record: Record
    relation: str
    rows: list[Row] = field(default_factory=list)


@cache
def person_types() -> frozenset[str]:
    """Record types of the whole suite that are natural persons: every service says the same of one that is none."""
    return frozenset(record.type for record in suite.record_types() if record.person)


def find(call: Call, registry: Registry, subject_type: str, subject_id: str, *, lock: bool = False) -> list[Found]:
    """Everything, the person first. NOT_FOUND or NOT_A_PERSON from the service that owns the record type."""
    found: list[Found] = []
    own = registry.records.get(subject_type)
    if own is not None:
        subject = Found(own, SUBJECT, _rows(call, own, own.table.c.id == subject_id, lock))
        if not subject.rows:
            raise errors.NotFound()
        if not own.is_person(subject.rows[0]):
            raise errors.Conflict("not_a_person")
        found = [subject, *_parts(call, registry, subject, lock)]
    seen = {row["id"] for one in found for row in one.rows}
    for record in registry.records.values():
        for relation, where in _ways(record, subject_type, subject_id):
            rows = [row for row in _rows(call, record, where, lock) if row["id"] not in seen]
            seen |= {row["id"] for row in rows}
            if rows:
                found.append(Found(record, relation, rows))
    return found


def named_in(call: Call, registry: Registry, user_id: str) -> list[tuple[Record, str, int]]:
    """How many records name a user, by the field that does: the company's work, which an erasure leaves alone."""
    found = []
    for record in registry.records.values():
        c = record.table.c
        fields = [f for f in record.stored.values() if f.references == USER and f.name != record.own_of]
        if not fields:
            continue
        numbers = (func.count().filter(_points(c[f.name], f, user_id)) for f in fields)
        row = call.connection.execute(select(*numbers)).one()
        found += [(record, f.name, n) for f, n in zip(fields, row, strict=True) if n]
    return found


def _parts(call: Call, registry: Registry, above: Found, lock: bool) -> list[Found]:
    """Records below, level by level: they are of the person, too."""
    found: list[Found] = []
    for record in registry.records.values():
        if record.parent is not None and record.parent[1] is above.record:
            column = record.table.c[record.parent[0]]
            rows = _rows(call, record, one_of(column, [row["id"] for row in above.rows]), lock)
            if rows:
                part = Found(record, PART, rows)
                found += [part, *_parts(call, registry, part, lock)]
    return found


def _ways(record: Record, subject_type: str, subject_id: str) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """In which ways a record may have to do with the person, and which rows do."""
    c = record.table.c
    if record.own_of and subject_type == USER:
        yield OWN, c[record.own_of] == subject_id
    if "record_type" in record.stored and "record_id" in record.stored:
        yield ABOUT, and_(c.record_type == subject_type, c.record_id == subject_id)
    if subject_type != USER:
        pointing = [f for f in record.stored.values() if subject_type in (f.references, f.mentions)]
        if pointing:
            yield REFERENCE, or_(*(_points(c[f.name], f, subject_id) for f in pointing))


def _points(column: ColumnElement[bool], f: kinds.Field, record_id: str) -> ColumnElement[bool]:
    if f.kind in (kinds.IDS, kinds.TEXTS):
        return column.contains([record_id])
    return column == record_id


def _rows(call: Call, record: Record, where: ColumnElement[bool], lock: bool) -> list[Row]:
    query = select(record.table).where(where).order_by(record.table.c.id).limit(MOST + 1)
    if lock:
        query = query.with_for_update(of=record.table)
    found = [writing.as_row(call, record, tuple(row)) for row in call.connection.execute(query)]
    if len(found) > MOST:
        raise errors.Conflict("too_much_data", label=record.label, limit=MOST)
    return found
