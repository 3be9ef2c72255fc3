"""Clusters of existing duplicates: a job looks through all customers and joins what is very likely the same.

For some hundred customers at a time it finds those entered before them that share a key few share, or a number, and
scores the pair as the check while typing does. A pair that is alike enough is kept and joins the clusters of both:
disjoint sets, one renamed to the other, all in the step's transaction. What a run found is shown when it ends; the run
before it is dropped then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Uuid, any_, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from crm_kit import ids
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import blind, sql
from customer.duplicates import keys, scoring
from customer.duplicates.scoring import Likeness
from customer.duplicates.tables import (
    duplicate_cluster,
    duplicate_dismissal,
    duplicate_member,
    duplicate_pair,
    likeness,
)
from customer.tables import customer

FIND = "duplicates.find_clusters"
ROWS = 200
JOIN, JOIN_WITH_NUMBER = 0.90, 0.85
"""From where a pair is joined. By names alone a place must be the same: one that says none would join those of all."""
PARTNERS = 20
"""Of one customer and key; a key that more share joins nobody that another does not."""
_NONE = "00000000-0000-0000-0000-000000000000"

_COLUMNS = ("record_id", "kind", "full_name", "core", "province", "city", "trade", "form", "branch", "short_core")


def rows_behind(limit: int) -> sql.Prepared:
    """The next customers behind an id, in the order in which they were entered."""
    query = select(*(likeness.c[n] for n in _COLUMNS)).where(
        likeness.c.record_type == "customer", likeness.c.record_id > bindparam("after", type_=Uuid(as_uuid=False))
    )
    return sql.prepare(query.order_by(likeness.c.record_id).limit(limit))


_ROWS = rows_behind(ROWS)
_THOSE = sql.prepare(
    select(*(likeness.c[n] for n in _COLUMNS)).where(
        likeness.c.record_id == any_(bindparam("ids", type_=ARRAY(Uuid(as_uuid=False))))
    )
)
_BY_NAME = sql.Prepared(
    "SELECT l.record_id, o.record_id FROM likeness l CROSS JOIN LATERAL unnest(l.keys) k CROSS JOIN LATERAL"
    " (SELECT o.record_id FROM likeness o WHERE o.keys @> ARRAY[k] AND o.record_type = 'customer'"
    " AND o.record_id < l.record_id LIMIT %(partners)s) o"
    " WHERE l.record_id = ANY(%(ids)s::uuid[]) AND substr(k, 1, 2) = ANY(%(kinds)s)",
    {"kinds": [keys.FULL, keys.PLACED, keys.STEM, keys.NEAR_HERE], "partners": PARTNERS},
)
_BY_NUMBER = sql.Prepared(
    "SELECT c.id, o.id FROM customer c CROSS JOIN LATERAL unnest(c.blind_index) k CROSS JOIN LATERAL"
    " (SELECT o.id FROM customer o WHERE o.blind_index @> ARRAY[k] AND o.delete_time IS NULL AND o.id < c.id"
    " LIMIT %(partners)s) o"
    " WHERE c.id = ANY(%(ids)s::uuid[]) AND NOT k = ANY(%(free)s)",
    {"partners": PARTNERS},
)


def find(call: Call, job: Job) -> Step:
    """The next customers and those before them that are the same."""
    after = job.position or _NONE
    rows = [dict(zip(_COLUMNS, values, strict=True)) for values in _ROWS.run(call.connection, {"after": after})]
    if not rows:
        return _end(call, job)
    here = [r["record_id"] for r in rows]
    with_likely_plans(call)
    named = {tuple(sorted(p)) for p in _BY_NAME.run(call.connection, {"ids": here}).fetchall()}
    free = blind.sought(call.connection, blind.of(customer).domains("email", sorted(keys.FREE_MAIL)))
    numbered = {tuple(sorted(p)) for p in _BY_NUMBER.run(call.connection, {"ids": here, "free": free}).fetchall()}
    pairs = _scored(call, rows, named | numbered, numbered)
    dismissed = _dismissed(call, [p for p, _ in pairs])
    for (one, other), like in pairs:
        if (one, other) not in dismissed:
            _join(call, job.id, one, other, like)
    total = None if job.total else int(call.connection.scalar(select(func.count()).select_from(likeness)) or 0)
    found = job.result.get("pairs", 0) + len(pairs)
    return Step(position=here[-1], done=len(rows), total=total, result={"pairs": found})


def with_likely_plans(call: Call) -> None:
    """A plan that goes by the index, whatever the planner guesses of a key that it does not know."""
    call.connection.execute(text("SET LOCAL enable_seqscan = off"))


def _scored(
    call: Call, rows: Sequence[Mapping[str, Any]], pairs: Iterable[tuple[str, ...]], numbered: set[tuple[str, ...]]
) -> list[tuple[tuple[str, str], Likeness]]:
    known = {r["record_id"]: _Named(r) for r in rows}
    wanted = list(pairs)
    others = list({i for pair in wanted for i in pair} - set(known))
    for values in _THOSE.run(call.connection, {"ids": others}).fetchall() if others else ():
        known[values[0]] = _Named(dict(zip(_COLUMNS, values, strict=True)))
    codes = _codes(call, {i for pair in wanted for i in pair})
    found = []
    for pair in sorted(wanted):
        one, other = known.get(pair[0]), known.get(pair[1])
        if one is None or other is None or one.kind != other.kind:
            continue
        like = _alike(one, other, shares=pair in numbered)
        if codes.get(pair[0]) and codes.get(pair[1]):  # a code is one customer's, so these differ
            continue
        if like.score >= (JOIN_WITH_NUMBER if pair in numbered else JOIN):
            found.append(((pair[0], pair[1]), like))
    return found


class _Named:
    """A row of `likeness` whose fields are attributes."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.kind: str = row["kind"]
        self.full: str = row["full_name"]
        self.core: str = row["core"]
        self.province: str = row["province"]
        self.city: str = row["city"]
        self.trade: str = row["trade"]
        self.form: str = row["form"]
        self.branch: str = row["branch"]
        self.short_core: str = row["short_core"]


def _alike(one: _Named, other: _Named, *, shares: bool) -> Likeness:
    """How alike two are. Persons need a number in common besides their name, a number alone makes nobody the same."""
    if one.kind == "individual":
        like = Likeness(scoring.EQUAL_PERSON, ("same_name",)) if one.full == other.full else scoring.NONE
    else:
        like = scoring.of_names(one, other, one.full, other.full, other.short_core)
    if like.score < scoring.POSSIBLE or not shares or "branch" in like.reasons:
        return like
    return scoring.together([like, Likeness(scoring.PHONE, ("same_number",))])


def _codes(call: Call, customer_ids: Iterable[str]) -> dict[str, str]:
    query = select(customer.c.id, customer.c.credit_code).where(
        customer.c.id == any_(bindparam("ids", list(customer_ids), ARRAY(Uuid(as_uuid=False)))),
        customer.c.credit_code.is_not(None),
    )
    return {r.id: r.credit_code for r in call.connection.execute(query)}


def _dismissed(call: Call, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    if not pairs:
        return set()
    c = duplicate_dismissal.c
    first = bindparam("firsts", [p[0] for p in pairs], ARRAY(Uuid(as_uuid=False)))
    found = call.connection.execute(
        select(c.customer_id, c.other_id).where(c.customer_id == any_(first), c.delete_time.is_(None))
    )
    return {(r.customer_id, r.other_id) for r in found}


def _join(call: Call, run: str, one: str, other: str, like: Likeness) -> None:
    """Keep a pair, and make one cluster of the two that they are in."""
    row: dict[str, Any] = {"run_id": run, "customer_id": one, "other_id": other}
    row |= {"score": round(like.score * 100), "reasons": list(like.reasons)}
    call.connection.execute(pg_insert(duplicate_pair).values(row).on_conflict_do_nothing())
    m = duplicate_member.c
    query = select(m.customer_id, m.cluster_id).where(m.run_id == run, m.customer_id.in_([one, other]))
    where = {r.customer_id: r.cluster_id for r in call.connection.execute(query)}
    clusters = sorted(set(where.values()))
    if not clusters:
        clusters = [ids.uuid7()]
        call.connection.execute(insert(duplicate_cluster).values(id=clusters[0], run_id=run))
    new = [{"run_id": run, "customer_id": i, "cluster_id": clusters[0]} for i in (one, other) if i not in where]
    if new:
        call.connection.execute(insert(duplicate_member), new)
    if len(clusters) == 2:
        call.connection.execute(
            update(duplicate_member).where(m.cluster_id == clusters[1]).values(cluster_id=clusters[0])
        )
        call.connection.execute(delete(duplicate_cluster).where(duplicate_cluster.c.id == clusters[1]))


def _end(call: Call, job: Job) -> Step:
    """The run is whole: what earlier ones found goes, some of it at a time."""
    for table in (duplicate_pair, duplicate_member, duplicate_cluster):
        column = "id" if table is duplicate_cluster else "customer_id"
        old = select(table.c.run_id, table.c[column]).where(table.c.run_id != job.id).limit(5000).subquery()
        gone = delete(table).where(table.c.run_id == old.c.run_id, table.c[column] == old.c[column])
        if call.connection.execute(gone.returning(table.c.run_id)).first():
            return Step(position=job.position or "ffffffff-ffff-ffff-ffff-ffffffffffff")
    n = call.connection.scalar(select(func.count()).select_from(duplicate_cluster))
    return Step(result={"clusters": n})
