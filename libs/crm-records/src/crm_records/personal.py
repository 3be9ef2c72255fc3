"""Finding what a service has about one natural person: the record itself, its parts, and what is about it.

Everything is found by what the contract says: which record types are persons, which fields tell of one, which point at
one. What somebody wrote about a person into the text of another record is not found by anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import storing, suite
from crm_records.record import Record, Row
from crm_records.registry import Registry

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


def find(
    call: Call,
    registry: Registry,
    subject_type: str,
    subject_id: str,
    merged_ids: Sequence[str] = (),
    *,
    lock: bool = False,
) -> list[Found]:
    """Everything, the person first. NOT_FOUND or NOT_A_PERSON from the service that owns the record type.

    `merged_ids` are records that are the same person; the service that owns the record type knows them itself.
    """
    found: list[Found] = []
    own, ids = registry.records.get(subject_type), [subject_id, *merged_ids]
    if own is not None:
        subject = _subject(call, own, subject_id, lock)
        ids = [row["id"] for row in subject.rows]
        found = [subject, *_parts(call, registry, subject, lock)]
    seen = {row["id"] for one in found for row in one.rows}
    for record in registry.records.values():
        for relation, where in _ways(record, subject_type, ids):
            rows = [row for row in _rows(call, record, where, lock) if row["id"] not in seen]
            seen |= {row["id"] for row in rows}
            if rows:
                found.append(Found(record, relation, rows))
    return found


def _subject(call: Call, own: Record, subject_id: str, lock: bool) -> Found:
    """The person, the record asked for first, and all that became one with it by merges: those hold the same data.

    What a person went into is left alone where that is no person, and so is what else went into it.
    """
    ids = {subject_id, *own.went_into(call, subject_id)}
    stays = own.stays(call, subject_id)
    if stays not in ids and any(own.is_person(row) for row in _rows(call, own, own.table.c.id == stays, lock)):
        ids |= {stays, *own.went_into(call, stays)}
    rows = _rows(call, own, one_of(own.table.c.id, sorted(ids)), lock)
    rows.sort(key=lambda row: row["id"] != subject_id)
    if not rows or rows[0]["id"] != subject_id:
        raise errors.NotFound()
    if not own.is_person(rows[0]):
        raise errors.Conflict("not_a_person")
    return Found(own, SUBJECT, rows)


def named_in(call: Call, registry: Registry, user_id: str) -> list[tuple[Record, str, int]]:
    """How many records name a user, by the field that does: the company's work, which an erasure leaves alone."""
    found = []
    for record in registry.records.values():
        c = record.table.c
        fields = [f for f in record.stored.values() if f.references == USER and f.name != record.own_of]
        if not fields:
            continue
        numbers = (func.count().filter(_points(c[f.name], f, [user_id])) for f in fields)
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


def _ways(record: Record, subject_type: str, ids: Sequence[str]) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """In which ways a record may have to do with the person of these ids, and which rows do."""
    c = record.table.c
    if record.own_of and subject_type == USER:
        yield OWN, one_of(c[record.own_of], ids)
    if "record_type" in record.stored and "record_id" in record.stored:
        yield ABOUT, and_(c.record_type == subject_type, one_of(c.record_id, ids))
    if subject_type != USER:
        pointing = [f for f in record.stored.values() if subject_type in (f.references, f.mentions)]
        if pointing:
            yield REFERENCE, or_(*(_points(c[f.name], f, ids) for f in pointing))


def _points(column: ColumnElement[Any], f: kinds.Field, ids: Sequence[str]) -> ColumnElement[bool]:
    if f.kind in (kinds.IDS, kinds.TEXTS):
        return or_(*(column.contains([i]) for i in ids))
    return one_of(column, ids)


def _rows(call: Call, record: Record, where: ColumnElement[bool], lock: bool) -> list[Row]:
    query = select(record.table).where(where).order_by(record.table.c.id).limit(MOST + 1)
    if lock:
        query = query.with_for_update(of=record.table)
    found = [storing.as_row(call, record, tuple(row)) for row in call.connection.execute(query)]
    if len(found) > MOST:
        raise errors.Conflict("too_much_data", label=record.label, limit=MOST)
    return found
