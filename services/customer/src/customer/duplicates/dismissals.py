"""Pairs that somebody looked at and that are not the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select

from crm.customer.v1 import duplicate_dismissals_pb2 as pb
from crm_kit import errors, ids
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records.record import Record, Row
from customer.customers import CUSTOMERS
from customer.duplicates.tables import duplicate_cluster, duplicate_dismissal, duplicate_member, duplicate_pair
from customer.tables import customer

errors.texts({"same_customer": ("两个客户不能相同", "The two customers must not be the same")})


class DuplicateDismissals(Record):
    """See the contract for the fields. The smaller id stands first, so that a pair is one pair.

    It names two customers, so it lies within a reach if both do, and goes with either.
    """

    message = pb.DuplicateDismissal
    table = duplicate_dismissal
    plural = "duplicate_dismissals"
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        inside = CUSTOMERS.within(shape)
        living = select(customer.c.id).where(customer.c.delete_time.is_(None))
        reached = living if inside is None else living.where(inside)
        d = duplicate_dismissal.c
        return and_(d.customer_id.in_(reached), d.other_id.in_(reached))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["customer_id"] == row["other_id"]:
            raise errors.Invalid(Problem("otherId", "same_customer"))
        row["customer_id"], row["other_id"] = sorted((row["customer_id"], row["other_id"]))

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """Of two that are one now nothing needs to be said."""
        after["customer_id"], after["other_id"] = sorted((after["customer_id"], after["other_id"]))
        if after["customer_id"] == after["other_id"]:
            after["delete_time"] = datetime.now(UTC)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            _split(call, row["customer_id"], row["other_id"])


DISMISSALS = DuplicateDismissals()


def _split(call: Call, one: str, other: str) -> None:
    """Take a pair out of what the runs found; what held together by it alone comes apart."""
    p, m = duplicate_pair.c, duplicate_member.c
    gone = delete(duplicate_pair).where(p.customer_id == one, p.other_id == other).returning(p.run_id)
    for run in call.connection.scalars(gone).all():
        of = select(m.cluster_id).where(m.run_id == run, m.customer_id == one)
        cluster = call.connection.scalar(of)
        members = call.connection.scalars(select(m.customer_id).where(m.cluster_id == cluster)).all()
        left = select(p.customer_id, p.other_id).where(p.run_id == run, p.customer_id.in_(members))
        call.connection.execute(delete(duplicate_member).where(m.cluster_id == cluster))
        call.connection.execute(delete(duplicate_cluster).where(duplicate_cluster.c.id == cluster))
        for together in sets(tuple(r) for r in call.connection.execute(left)):
            new = {"id": ids.uuid7(), "run_id": run}
            call.connection.execute(insert(duplicate_cluster), new)
            rows = [{"run_id": run, "customer_id": i, "cluster_id": new["id"]} for i in together]
            call.connection.execute(insert(duplicate_member), rows)


def sets(pairs: Iterable[tuple[Any, ...]]) -> list[list[str]]:
    """What hangs together by pairs."""
    head: dict[str, str] = {}

    def find(one: str) -> str:
        while head.setdefault(one, one) != one:
            head[one] = one = head[head[one]]
        return one

    for one, other in pairs:
        head[find(one)] = find(other)
    found: dict[str, list[str]] = {}
    for one in sorted(head):
        found.setdefault(find(one), []).append(one)
    return list(found.values())
