"""What a service says of one kind of record. Everything else this library does.

A service makes one subclass for a noun, in the noun's file:

    class Customers(Record):
        message = pb.Customer
        table = customer
        search = ("name", "short_name", "phone")
        number = "KH{yyyyMMdd}-{seq:4}"

What it says stands here, and what follows from that: who reaches its rows, how a search finds them. What it does, and
when it is asked to, stands in `hooks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from google.protobuf.message import Message
from sqlalchemy import Column, ColumnElement, Table, and_, false, or_, select

from crm_kit import contract
from crm_kit.access import Access
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_kit.scope import Shape, among, condition
from crm_records import blind, search
from crm_records import fields as kinds
from crm_records.companion import Companion
from crm_records.fields import Field
from crm_records.hooks import Hooks

if TYPE_CHECKING:
    from crm_records.registry import Registry
    from crm_records.states import States

Row = dict[str, Any]
"""The values of a record's columns."""
Unseen = Mapping[str, frozenset[str]]
"""By record type, the searched fields that somebody sees not or not in full."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """A table whose rows point at a record and forbid its deletion."""

    column: Column[Any]
    label: tuple[str, str]
    """What one row is called: that of record types is in the singular, so all of them are."""
    part: Record | None = None
    """The kind of the rows, where they lie in the recycle bin with what they are part of: there they forbid nothing."""

    def living(self) -> ColumnElement[bool]:
        """The condition that a row lies in no recycle bin."""
        alive = self.column.table.c.delete_time.is_(None)
        if self.part is None or self.part.parent is None:
            return alive
        column, parent = self.part.parent
        above = parent.table.c
        return and_(alive, self.column.table.c[column].in_(select(above.id).where(above.delete_time.is_(None))))


class Record(Hooks):
    """A kind of record. Subclasses are declarations with, at most, a few rules."""

    message: ClassVar[type[Message]]
    table: ClassVar[Table]
    number: ClassVar[str] = ""
    """The form of its numbers, or none."""
    search: ClassVar[Sequence[str]] = ()
    """Fields that the search box looks into."""
    search_whole: ClassVar[Sequence[str]] = ()
    """Fields by whose whole value the search box finds a record besides; they have an index."""
    list_fields: ClassVar[Sequence[str]] = ()
    """Columns of a list where the caller names none; all when empty."""
    key: ClassVar[str] = "external_id"
    """The field by which an import finds a record again."""
    importable: ClassVar[Sequence[str]] = ()
    """Fields that only the service sets, but that an import may bring along: history, original author and time."""
    import_aliases: ClassVar[Mapping[str, str]] = {}
    """What headings of files also call a field."""
    import_words: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Field → what people also write → the value that is meant, where the values are fixed by the program."""
    import_example: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Field → what stands in the example row of the template (zh, en); these fields come first in it."""
    companions: ClassVar[Sequence[Companion]] = ()
    """Parts that a row of a file may bring along."""
    parent: ClassVar[tuple[str, Record] | None] = None
    """(column, record): who may see the parent may see this."""
    belongs_to: ClassVar[str] = "owner_id"
    """The column that names the person whose scope decides."""
    also_sees: ClassVar[Sequence[str]] = ()
    """Columns that name people who reach a record besides its owner: whoever made it, for example."""
    also_named: ClassVar[Sequence[str]] = ()
    """Lists of people who reach a record besides: those who go along, for example."""
    owned_by_creator: ClassVar[bool] = True
    """Whose a new record is if nobody says: its creator's, or nobody's in the creator's department. As long as
    it is nobody's, whoever reaches its creator's records reaches it: the creator's manager is to find it."""
    given_within_reach: ClassVar[bool] = True
    """Whether the right to assign ends at the giver's own reach; False where anybody may be given a record."""
    pooled: ClassVar[str] = ""
    """The column that names the pool a record lies in: whoever is a member there reaches it, too."""
    pool_brief: ClassVar[Sequence[str]] = ()
    """What members see of a record in a pool that counts views before they opened it; no pool can hide it."""
    owned_since: ClassVar[str] = ""
    """The column that keeps since when its owner has it."""
    bulk: ClassVar[Sequence[str]] = ()
    """Verbs that are possible on many at once: "update", "assign", "delete", and such as a service adds."""
    part_of_parent: ClassVar[bool] = False
    """Goes with its parent instead of forbidding its deletion: nobody reaches it while the parent is deleted."""
    computes: ClassVar[frozenset[str]] = frozenset()
    """Actions by which the suite itself writes what it computed of a record. Nobody's work is lost by them or behind
    them: neither an etag from before nor an act that is taken back is held up."""
    made_of: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Field → the stored ones it is made of. Where `decorate` makes it they are read with it; who does not see them in
    full does not see it in full."""
    copies: ClassVar[Mapping[str, Sequence[tuple[str, str]]]] = {}
    """Field → the (record type, field) that it shows a copy of, whose rules it obeys. Of several, `decorate` obeys that
    of each row."""
    ruled_by: ClassVar[str] = ""
    """The record type whose field rules hold, where it is not its own."""
    states: ClassVar[States | None] = None
    closed_states: ClassVar[Sequence[str]] = ()
    """States in which nothing is to be done any more."""
    about: ClassVar[tuple[str, str] | None] = None
    """(column of a record type, column of an id): a record of any kind that it is about."""
    kept_together_by: ClassVar[str] = "id"
    """Where what one person has is shared out, records with the same value of this field go to the same taker."""
    plural: ClassVar[str] = ""
    """The name of the field that lists it in answers: "customers"."""

    own_of: ClassVar[str] = ""
    """A column that names whose own a row is, like an entry of an inbox: it goes when that person is erased."""
    told_beside: ClassVar[Sequence[str]] = ()
    """Record types, announced by this service beside its records, whose events tell of a person of this kind."""
    kept_by_law: ClassVar[tuple[str, str] | None] = None
    """Why a record of this kind stays as it is when a person is erased: which law makes one keep it."""

    registry: Registry
    """The service's records, set by the registry itself."""

    def __init__(self) -> None:
        options = contract.record(self.message.DESCRIPTOR)
        self.type: str = options.type
        self.team_of: str = options.type
        """The record type whose teams count: it stays where `type` is another name for the same rows."""
        self.label: tuple[str, str] = (options.zh, options.en)
        self.fields: dict[str, Field] = kinds.of(self.message.DESCRIPTOR)
        self.stored: dict[str, Field] = {n: f for n, f in self.fields.items() if not f.computed}
        if self.key in self.fields and self.fields[self.key].encrypted:
            raise TypeError(f"{self.type}: an import cannot find a record by {self.key}, which is encrypted")
        self.dependents: list[Dependent] = []
        if self.parent is not None and not self.part_of_parent:
            column, parent = self.parent
            parent.dependents.append(Dependent(self.table.c[column], self.label))

    @cached_property
    def writable(self) -> frozenset[str]:
        """Fields that a caller may give."""
        return frozenset(n for n, f in self.stored.items() if not f.output_only)

    @cached_property
    def import_keys(self) -> tuple[str, ...]:
        """Fields by which a row of a file finds its record, the surest first; none where files are not imported."""
        return tuple(contract.record(self.message.DESCRIPTOR).import_keys)

    @cached_property
    def personal(self) -> tuple[str, ...]:
        """Stored fields that tell of a natural person: an erasure empties them."""
        named = {*contract.record(self.message.DESCRIPTOR).personal}
        return tuple(n for n, f in self.stored.items() if f.sensitive or n in named)

    def is_person(self, row: Row) -> bool:
        """Whether a record is a natural person, as the contract says."""
        person = contract.record(self.message.DESCRIPTOR).person
        field, _, value = person.partition("=")
        return person == "*" or bool(field and row[field] == value)

    @property
    def title_field(self) -> str:
        """What people call a record by: the first field that the search box looks into."""
        return self.search[0] if self.search else "id"

    def reach(self, call: Call) -> Reach:
        """On which rows the right of the call holds; where it is one of another record, the right to read.

        Who sees the parent sees its parts: they are not scoped apart.
        """
        return self.reach_of(call.access, call.caller.right)

    def reach_of(self, access: Access, asked: str) -> Reach:
        """The same for anybody, and whatever right is asked."""
        right = asked if asked.partition(".")[0] == self.type else f"{self.type}.read"
        found = access.reach(self.top.type, right, self.top.team_of)
        return access.below(found, self.top.team_of, self.hidden_by) if found.pool_ids and self.parent else found

    @property
    def hidden_by(self) -> frozenset[str]:
        """What a pool closes this part of its records by: its type, and the fields of the record that it copies."""
        copied = {name for sources in self.copies.values() for resource, name in sources if resource == self.top.type}
        return frozenset({self.type, *copied})

    @property
    def top(self) -> Record:
        """The record that this one is a part of; itself where it is none."""
        return self if self.parent is None else self.parent[1].top

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """The condition that a row of this kind lies within a reach; None where there is nothing to ask."""
        if self.parent is not None:
            column, parent = self.parent
            inside = parent.within(shape)
            above = parent.table.c
            if self.part_of_parent:
                inside = above.delete_time.is_(None) if inside is None else and_(above.delete_time.is_(None), inside)
            return None if inside is None else self.table.c[column].in_(select(above.id).where(inside))
        if "owner_id" in self.fields:
            also = [self.table.c[n] for n in self.also_sees]
            stand_in = None if self.owned_by_creator else self.table.c.creator_id
            c = self.table.c
            pool = c[self.pooled] if self.pooled else None
            found = condition(shape, c.owner_id, c.department_id, also, stand_in, c.id, pool)
            return found if found is None else or_(found, *(among(c[n]) for n in self.also_named))
        return None

    def search_texts(self, call: Call, row: Row, before: Row | None) -> Iterable[str]:
        """What the search box finds a row by."""
        for name in self.search:
            value = row.get(name)
            if value and not self.fields[name].encrypted:
                yield search.digits(value) if self.fields[name].format in kinds.PHONES else value

    def search_condition(self) -> ColumnElement[bool]:
        """Rows that a search finds; open parameters as in `search_parameters`."""
        found = self._by_text()
        if any(self.fields[n].encrypted for n in self.search):
            found = or_(found, self._exactly())
        return found

    def search_parameters(self, call: Call, words: str, unseen: Unseen) -> dict[str, Any]:
        """What to bind for a search by somebody who does not see the `unseen` fields."""
        parameters = search.parameters(words)
        if any(self.fields[n].encrypted for n in self.search):
            parameters["search_tokens"] = blind.sought(call.connection, self.search_exactly(words, unseen))
        return parameters

    def search_exactly(self, words: str, unseen: Unseen) -> list[tuple[str, str]]:
        """Which encrypted values the words may be; only a whole one finds its record."""
        return blind.of(self.table).searched([n for n in self.search if n not in unseen.get(self.type, ())], words)

    def searched_parts(self) -> Sequence[Record]:
        """Parts by whose searched fields a row is found as well."""
        return ()

    def narrow_search(self, unseen: Unseen) -> ColumnElement[bool]:
        """Like `search_condition`, for somebody who sees some of the fields not or not in full.

        The searched text holds all of them, so each that is seen is compared by itself.
        """
        seen = [self.fields[n] for n in self.search if n not in unseen.get(self.type, ())]
        plain = [search.holds(self.table.c[f.name]) for f in seen if not f.encrypted]
        found = and_(self._by_text(), or_(false(), *plain))
        if any(f.encrypted for f in seen):
            found = or_(found, self._exactly())
        for part in self.searched_parts():
            assert part.parent is not None
            if unseen.get(part.type, frozenset()).issuperset(part.search):
                continue
            through = select(part.table.c[part.parent[0]]).where(part.table.c.delete_time.is_(None))
            found = or_(found, self.table.c.id.in_(through.where(part.narrow_search(unseen))))
        return found

    def pooled_search(self, unseen: Unseen) -> ColumnElement[bool]:
        """Like `narrow_search` within a pool: by plain fields that it shows, by no part, by nothing encrypted."""
        seen = [self.fields[n] for n in self.search if n not in unseen.get(self.type, ())]
        plain = [search.holds(self.table.c[f.name]) for f in seen if not f.encrypted]
        found = and_(self._by_text(), or_(false(), *plain))
        if self.search_whole:
            found = or_(found, search.exactly(self.table, tokens="", wholes=self.search_whole, pooled=self.pooled))
        return found

    def _exactly(self) -> ColumnElement[bool]:
        return search.exactly(self.table, wholes=self.search_whole, pooled=self.pooled)

    def _by_text(self) -> ColumnElement[bool]:
        """Rows whose searched texts hold the words. Of kinds of which there are few no texts are kept apart."""
        if "search_grams" in self.table.c:
            return search.condition(self.table)
        return or_(false(), *(search.holds(self.table.c[n]) for n in self.search))
