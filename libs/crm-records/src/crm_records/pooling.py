"""What members do not see of a record as long as it lies in their pool: see `crm_kit.pool`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, and_, any_, bindparam, not_, or_

from crm_kit.pool import Seen
from crm_kit.rpc import Call
from crm_records.record import Record


class Closed:
    """What one pool closes of a record type."""

    def __init__(self, record: Record, seen: Seen) -> None:
        self._record_type, self._fields = record.team_of, record.fields.keys()
        self.hidden = _with_made(record, seen.hidden & record.fields.keys())
        """Not seen before the record leaves the pool."""
        more = record.fields.keys() - {*record.pool_brief, "id", "etag"} if seen.viewed else frozenset[str]()
        self.ever = self.hidden | more
        """Not seen, or only by who opened the record today."""
        self.hidden_parts = seen.hidden - record.fields.keys()
        """Kinds of parts that are not seen before the record leaves the pool."""
        self._viewed = seen.viewed
        self.parts = frozenset(p.type for p in record.searched_parts() if seen.viewed or p.type in seen.hidden)
        """Parts by which a record in the pool is not found."""

    def closes(self, names: Collection[str]) -> bool:
        """Whether something that is compared, a field or a kind of part, is not seen of every record in the pool."""
        parts = {n for n in names if n not in self._fields}
        return (
            not self.ever.isdisjoint(names) or not self.hidden_parts.isdisjoint(parts) or bool(self._viewed and parts)
        )

    def now(self, call: Call, record_id: str) -> frozenset[str]:
        """What the caller does not see of one record at this moment."""
        if self.hidden == self.ever or record_id in call.access.pools(self._record_type).opened:
            return self.hidden
        return self.ever


def _with_made(record: Record, names: frozenset[str]) -> frozenset[str]:
    """The fields, and those that are made of them."""
    return names | {n for n, sources in record.made_of.items() if not names.isdisjoint(sources)}


def inside(record: Record, pool_ids: str) -> ColumnElement[bool]:
    """The condition that a record lies in one of the pools that are bound by this name."""
    column = record.table.c[record.pooled]
    return and_(column.is_not(None), column == any_(bindparam(pool_ids, type_=ARRAY(column.type))))


@dataclass(frozen=True, slots=True)
class Narrowing:
    """How a query spares the pools that close what it compares; false where it need not."""

    left_out: tuple[str, ...] = ()
    """Pools whose records are left out: what is filtered, sorted, counted or added up by is closed there."""
    narrowed: tuple[str, ...] = ()
    """Pools in which the search box finds by fewer fields, `unseen` being the others."""
    unseen: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def shape(self) -> tuple[Any, ...]:
        """What the statement depends on."""
        return bool(self.left_out), bool(self.narrowed), self.unseen

    def parameters(self) -> dict[str, Any]:
        bound = {"left_out_pool_ids": list(self.left_out)} if self.left_out else {}
        return bound | ({"narrowed_pool_ids": list(self.narrowed)} if self.narrowed else {})

    def searched(self, record: Record, everywhere: ColumnElement[bool]) -> ColumnElement[bool]:
        """A search that within the narrowed pools finds only by what they show."""
        if not self.narrowed:
            return everywhere
        there = inside(record, "narrowed_pool_ids")
        return or_(and_(not_(there), everywhere), and_(there, record.pooled_search(dict(self.unseen))))

    def conditions(self, record: Record) -> list[ColumnElement[bool]]:
        return [not_(inside(record, "left_out_pool_ids"))] if self.left_out else []


NONE = Narrowing()


def narrowing(record: Record, pools: Mapping[str, Closed], compared: Collection[str], searching: bool) -> Narrowing:
    """What a query that compares these fields, and searches or not, must spare."""
    names = {n.partition(".")[0] for n in compared}
    left_out = tuple(i for i, closed in pools.items() if closed.closes(names))
    if not searching:
        return Narrowing(left_out)
    some = [(i, c) for i, c in pools.items() if c.parts or not c.ever.isdisjoint(record.search)]
    unseen = frozenset(n for _, c in some for n in c.ever).intersection(record.search)
    return Narrowing(left_out, tuple(i for i, _ in some), ((record.type, unseen),))
