"""People, departments and records by the names that stand in a file, as far as whoever imports it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select, true

from crm_kit import organisation, scope
from crm_kit.db import one_of
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import sql, visibility
from crm_records.imports.values import Read, Unread, word
from crm_records.record import Record
from crm_records.registry import Registry

_MEMO = "names in a file"
AMBIGUOUS = ""
"""Several are called that."""
_AMBIGUOUS = {"user": "person_ambiguous", "department": "department_ambiguous"}


class Names:
    """Looks up names of one record type, many at once where they are known beforehand."""

    def __init__(self, call: Call, registry: Registry) -> None:
        self._call, self._registry = call, registry
        self._known: dict[str, dict[str, str | None]] = {}
        self._people: dict[str, str] | None = None

    def reader(self, record_type: str) -> Read:
        """Reads a name of that record type as an id."""

        def read(text: str) -> str:
            plain = text.strip()
            if kinds.is_id(plain):
                return plain
            self.look_up(record_type, [plain])
            found = self._known[record_type].get(word(plain))
            if found is None:
                raise Unread("no_such_name", value=plain[:60])
            if found == AMBIGUOUS:
                raise Unread(_AMBIGUOUS.get(record_type, "name_ambiguous"), value=plain[:60])
            return found

        return read

    def look_up(self, record_type: str, texts: Iterable[str]) -> None:
        """Ask for all of these at once; `reader` then finds them."""
        known = self._known.setdefault(record_type, {})
        new = [t for t in {t.strip() for t in texts} if t and word(t) not in known and not kinds.is_id(t)]
        if not new:
            return
        known.update({word(t): None for t in new})
        for name, record_id in self._find(record_type, new):
            at = word(name)
            if at in known:
                known[at] = record_id if known[at] in (None, record_id) else AMBIGUOUS

    def _find(self, record_type: str, texts: Sequence[str]) -> Iterable[tuple[str, str]]:
        if record_type == "user":
            return self._of_people()
        if record_type == "department":
            table = organisation.department
            query = select(table.c.name, table.c.id).where(~table.c.deleted)
            return [(r[0], r[1]) for r in self._call.connection.execute(query)]
        record = self._registry.records.get(record_type)
        return self._of_records(record, texts) if record is not None else []

    def _of_people(self) -> Iterable[tuple[str, str]]:
        """A user name is one person's, so it comes before names that several have."""
        table = organisation.user
        query = select(table.c.username, table.c.name, table.c.id).where(~table.c.deleted, ~table.c.client)
        rows = self._call.connection.execute(query.where(table.c.active)).all()
        unique = {word(r.username) for r in rows}
        return [(r.username, r.id) for r in rows] + [(r.name, r.id) for r in rows if word(r.name) not in unique]

    def _of_records(self, record: Record, texts: Sequence[str]) -> Iterable[tuple[str, str]]:
        call = self._call
        if not call.access.may(f"{record.type}.read"):
            return []
        blind = visibility.blind(call, record)
        names = [n for n in ("number", "external_id", record.title_field) if n in record.stored and n != "id"]
        found: list[tuple[str, str]] = []
        for name in names:
            if name in blind or record.stored[name].encrypted:
                continue
            found += within(call, record, name, texts)
        return found


def within(call: Call, record: Record, name: str, texts: Sequence[str], limit: int = 5000) -> list[tuple[str, str]]:
    """(value, id) of the living records that the caller reads with one of these values in a field."""
    reach, inside = _readable(call, record)
    query = _living(record, name, texts).where(inside).limit(limit)
    return [(row[0], row[1]) for row in sql.prepare(query).run(call.connection, scope.parameters(reach)).fetchall()]


def told_apart(call: Call, record: Record, name: str, texts: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(value, id, whether the caller reads it) of all living records with one of these values, which one has alone."""
    reach, inside = _readable(call, record)
    query = _living(record, name, texts).add_columns(inside)
    rows: list[Any] = sql.prepare(query).run(call.connection, scope.parameters(reach)).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def _living(record: Record, name: str, texts: Sequence[str]) -> Select[Any]:
    c = record.table.c
    return select(c[name], c.id).where(one_of(c[name], texts), c.delete_time.is_(None))


def _readable(call: Call, record: Record) -> tuple[Reach, ColumnElement[bool]]:
    """What the caller may read of a record type, whatever right the call asks, and the condition that says so."""
    right, call.caller.right = call.caller.right, f"{record.type}.read"
    try:
        reach = record.reach(call)
    finally:
        call.caller.right = right
    inside = record.within(scope.shape(reach))
    return reach, true() if inside is None else inside


def of_call(call: Call, registry: Registry) -> Names:
    """The names looked up during a call."""
    found: Names | None = call.memo.get(_MEMO)
    if found is None:
        found = call.memo[_MEMO] = Names(call, registry)
    return found


def readers(call: Call, registry: Registry) -> Callable[[str], Read]:
    """Makes a reader of names for a record type."""
    return of_call(call, registry).reader
