"""Who may be the same as what is asked: each source looks in its own way, over the whole base, whoever has it.

A further kind of record (leads, for example) becomes a source by a class with `find`; where it is compared by name, its
rows of `likeness` are made by `keeping.of`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import ARRAY, Table, Text, bindparam, select

from crm_kit.rpc import Call
from crm_records import blind, search, sql
from customer.duplicates import keeping, keys, scoring
from customer.duplicates.scoring import Likeness
from customer.duplicates.tables import likeness
from customer.names import Parts
from customer.tables import contact, customer

MOST_NAMES, MOST_NUMBERS = 300, 50
"""Rows that are compared by name, andthat may share a number."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of somebody; empty is unknown."""

    name: str = ""
    short_name: str = ""
    kind: str = "organization"
    credit_code: str = ""
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()
    website: str = ""
    address: str = ""
    except_ids: frozenset[str] = frozenset()

    @property
    def domains(self) -> list[str]:
        """The company's domains, of its website and its addresses."""
        found = (keys.domain_of(text) for text in (self.website, *self.emails))
        return list(dict.fromkeys(d for d in found if d))


@dataclass(slots=True)
class Signs:
    """What speaks for one candidate."""

    record_type: str
    record_id: str
    customer_id: str
    found: list[Likeness] = field(default_factory=list)
    nameless: bool = False
    """It is told as one that the caller does not reach."""

    def add(self, score: float, reason: str, *by: str) -> None:
        self.found.append(Likeness(score, (reason,), frozenset(by)))

    def without(self, fields: Collection[str]) -> Likeness:
        """What speaks for it where these fields are not seen."""
        return scoring.together([s for s in self.found if not s.by or not s.by.issubset(fields)])


Found = dict[str, Signs]
"""By id of the record."""


class Source(Protocol):
    """A kind of record that may be meant."""

    def find(self, call: Call, asked: Asked, closed: Mapping[str, frozenset[str]], found: Found) -> None:
        """Add to `found`. `closed` are, by record type, fields that the caller may not compare by."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of `likeness`, as far as it is compared."""

    record_id: str
    record_type: str
    kind: str
    full_name: str
    core: str
    province: str
    city: str
    trade: str
    form: str
    branch: str
    short_core: str
    domain: str


_COMPARED = tuple(_Row.__dataclass_fields__)
_wanted, _strong = (bindparam(n, type_=ARRAY(Text)) for n in ("wanted", "strong"))
_LIKE = sql.prepare(
    select(*(likeness.c[n] for n in _COMPARED))
    .where(likeness.c["keys"].op("&&", is_comparison=True)(_wanted))
    .order_by(
        likeness.c["keys"].op("&&", is_comparison=True)(_strong).desc(),
        (likeness.c.core == bindparam("core", type_=Text)).desc(),
    )
    .limit(MOST_NAMES)
)


class ByName:
    """Whoever has a row of `likeness`: by name, in whichever form, and by the domain of the website."""

    def find(self, call: Call, asked: Asked, closed: Mapping[str, frozenset[str]], found: Found) -> None:
        shut = closed.get("customer", frozenset())
        names = [n for n in (asked.name, asked.short_name) if n and "name" not in shut]
        apart = [keeping.apart(n, asked.kind) for n in names]
        wanted = [k for parts in apart for k in (keys.asked(parts) if asked.kind != "individual" else _person(parts))]
        if "website" not in shut:
            wanted += [keys.DOMAIN + d for d in asked.domains]
        if not wanted:
            return
        bound = {"wanted": wanted, "strong": keys.strong(wanted), "core": apart[0].core if apart else ""}
        for values in _LIKE.run(call.connection, bound).fetchall():
            row = _Row(*values)
            signs = [named] if (named := _alike(apart, row, asked.kind)).score else []
            if row.domain and row.domain in asked.domains and "website" not in shut:
                signs.append(Likeness(scoring.DOMAIN, ("same_domain",), frozenset({"website"})))
            if signs:
                of(found, row.record_type, row.record_id, row.record_id).found += signs


def _person(parts: Parts) -> list[str]:
    return [keys.FULL + parts.full] if parts.full else []


def _alike(apart: Iterable[Parts], row: _Row, kind: str) -> Likeness:
    if "individual" in (kind, row.kind):
        same = any(parts.full == row.full_name for parts in apart)
        return Likeness(scoring.EQUAL_PERSON, ("same_name",)) if same else scoring.NONE
    every = [scoring.of_names(p, row, p.full, row.full_name, row.short_core) for p in apart]
    return max(every, key=lambda one: one.score, default=scoring.NONE)


_CODE = sql.prepare(
    select(customer.c.id).where(
        customer.c.credit_code == bindparam("code", type_=Text), customer.c.delete_time.is_(None)
    )
)


class ByCode:
    """The customer with the credit code."""

    def find(self, call: Call, asked: Asked, closed: Mapping[str, frozenset[str]], found: Found) -> None:
        if not asked.credit_code or "credit_code" in closed.get("customer", ()):
            return
        for (customer_id,) in _CODE.run(call.connection, {"code": search.normal(asked.credit_code).upper()}):
            of(found, "customer", customer_id, customer_id).add(scoring.CODE, "same_credit_code", "credit_code")


class ByNumber:
    """Records of a table with one of the phone numbers or addresses, or with an address of the company's domain."""

    def __init__(self, record_type: str, table: Table, owner: str, phones: Sequence[str]) -> None:
        self._type, self._table, self._phones = record_type, table, phones
        query = select(table.c.id, table.c[owner], table.c.blind_index).where(
            table.c.blind_index.op("&&", is_comparison=True)(bindparam("tokens", type_=ARRAY(Text))),
            table.c.delete_time.is_(None),
        )
        self._query = sql.prepare(query.limit(MOST_NUMBERS))

    def find(self, call: Call, asked: Asked, closed: Mapping[str, frozenset[str]], found: Found) -> None:
        shut = closed.get(self._type, frozenset())
        index = blind.of(self._table)
        phones = [n for n in self._phones if n not in shut]
        meaning = {(scoring.PHONE, "same_phone", n): index.values(n, asked.phones) for n in phones}
        if "email" not in shut:
            meaning[scoring.EMAIL, "same_email", "email"] = index.values("email", asked.emails)
            meaning[scoring.DOMAIN, "same_domain", "email"] = index.domains("email", asked.domains)
        tokens = {t: sign for sign, values in meaning.items() for t in blind.sought(call.connection, values)}
        if not tokens:
            return
        for record_id, customer_id, held in self._query.run(call.connection, {"tokens": list(tokens)}).fetchall():
            by: dict[tuple[float, str], list[str]] = {}
            for score, reason, name in (tokens[t] for t in held if t in tokens):
                by.setdefault((score, reason), []).append(name)
            signs = of(found, self._type, record_id, customer_id)
            for (score, reason), names in by.items():
                signs.add(score, reason, *names)


SOURCES: list[Source] = [
    ByName(),
    ByCode(),
    ByNumber("customer", customer, "id", ("phone", "mobile", "fax")),
    ByNumber("contact", contact, "customer_id", ("phone", "office_phone", "mobile", "home_phone")),
]


def of(found: Found, record_type: str, record_id: str, customer_id: str) -> Signs:
    """The signs of one candidate so far."""
    return found.setdefault(record_id, Signs(record_type, record_id, customer_id))


def ask(call: Call, asked: Asked, closed: Mapping[str, frozenset[str]]) -> list[tuple[Signs, Likeness]]:
    """Everybody who may be meant, best first."""
    found: Found = {}
    for source in SOURCES:
        source.find(call, asked, closed, found)
    scored = [(s, scoring.together(s.found)) for s in found.values() if s.customer_id not in asked.except_ids]
    return sorted(scored, key=lambda one: (-one[1].score, one[0].record_id))
