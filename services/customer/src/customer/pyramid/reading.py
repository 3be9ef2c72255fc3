"""Figures of snapshots, counted over the customers that the caller reaches when it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, func, literal, or_, select, true

from crm.customer.v1 import pyramids_pb2 as pb
from crm.records.v1 import records_pb2
from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing, rows, sql
from crm_records.listing import Narrowing
from customer.customers import CUSTOMERS
from customer.pyramid.record import refuse_unseen
from customer.pyramid.tables import place, snapshot
from customer.pyramid.taking import of
from customer.tables import customer

errors.texts({"other_pyramid": ("两个快照不属于同一金字塔", "The snapshots are of different pyramids")})

_FEN = Decimal("0.01")


def snapshots(call: Call, request: pb.ListPyramidSnapshotsRequest) -> pb.ListPyramidSnapshotsResponse:
    """One page of those that are complete, newest first."""
    of(call, request.id)
    size = listing._page_size(request)
    c = snapshot.c
    query = select(snapshot).where(c.pyramid_id == request.id, c.complete)
    if request.page_token:
        if not kinds.is_id(request.page_token):
            raise errors.Invalid(key="bad_page_token")
        query = query.where(c.id < request.page_token)
    found = call.connection.execute(query.order_by(c.id.desc()).limit(size + 1)).all()
    answer = pb.ListPyramidSnapshotsResponse(snapshots=[_message(row) for row in found[:size]])
    if len(found) > size:
        answer.next_page_token = found[size - 1].id
    return answer


def figures(call: Call, snapshot_id: str) -> pb.PyramidFigures:
    """How many customers and how much each tier has."""
    found = _seen(call, snapshot_id)
    tiers = found.rule["tiers"]
    tier = _tier(place.c.amount, found.rule)
    query = select(tier, func.count(), func.sum(place.c.amount)).select_from(place)
    query = query.join(customer, customer.c.id == place.c.customer_id)
    query = query.where(place.c.snapshot_id == snapshot_id).group_by(tier)
    counted = {row[0]: (row[1], row[2]) for row in _within_reach(call, query)}
    number, total = sum(n for n, _ in counted.values()), sum((a for _, a in counted.values()), Decimal(0))
    answer = pb.PyramidFigures(snapshot=_message(found), customers=number, amount=_short(total))
    for i, one in enumerate(tiers):
        count, amount = counted.get(i, (0, Decimal(0)))
        answer.tiers.add(
            name=one["name"],
            limit=one["limit"],
            customers=count,
            customer_share=_percent(Decimal(count), Decimal(number)) or "0.00",
            amount=_short(amount),
            amount_share=_percent(amount, total),
        )
    return answer


def compare(call: Call, from_id: str, to_id: str) -> pb.ComparePyramidSnapshotsResponse:
    """How many customers went from which tier to which."""
    old, new = _seen(call, from_id), _seen(call, to_id)
    if old.pyramid_id != new.pyramid_id:
        raise errors.Invalid(errors.Problem("toSnapshotId", "other_pyramid"))
    a, b = place.alias("a"), place.alias("b")
    first, second = _tier(a.c.amount, old.rule), _tier(b.c.amount, new.rule)
    query = select(first, second, func.count()).select_from(
        customer.outerjoin(a, and_(a.c.customer_id == customer.c.id, a.c.snapshot_id == from_id)).outerjoin(
            b, and_(b.c.customer_id == customer.c.id, b.c.snapshot_id == to_id)
        )
    )
    query = query.where(or_(a.c.amount.is_not(None), b.c.amount.is_not(None))).group_by(first, second)
    answer = pb.ComparePyramidSnapshotsResponse()

    def name(of_: Any, tier: int | None) -> str:
        return "" if tier is None else of_.rule["tiers"][tier]["name"]

    for i, j, count in sorted(_within_reach(call, query), key=lambda r: (r[0] is None, r[0], r[1] is None, r[1])):
        answer.moves.add(**{"from": name(old, i), "to": name(new, j), "customers": count})
    return answer


def customers(call: Call, request: pb.ListPyramidCustomersRequest) -> pb.ListPyramidCustomersResponse:
    """One page of the customers of a tier, as a list of customers is."""
    found = _seen(call, request.snapshot_id)
    names = [t["name"] for t in found.rule["tiers"]]
    if request.tier not in names:
        raise errors.NotFound()
    also = _of_tier(request.snapshot_id, found.rule, names.index(request.tier))
    asked = records_pb2.ListRequest(page_size=request.page_size, page_token=request.page_token, fields=request.fields)
    page = listing.page(call, CUSTOMERS, asked, also=also)
    return pb.ListPyramidCustomersResponse(customers=page.messages, next_page_token=page.next_page_token)


def _seen(call: Call, snapshot_id: str) -> Any:
    found = None
    if kinds.is_id(snapshot_id):
        query = select(snapshot).where(snapshot.c.id == snapshot_id, snapshot.c.complete)
        found = call.connection.execute(query).one_or_none()
    if found is None:
        raise errors.NotFound()
    refuse_unseen(call, found.rule)
    return found


def _within_reach(call: Call, query: Any) -> Sequence[Sequence[Any]]:
    """The rows of a statement over customers, of living ones that the caller may read."""
    reach = CUSTOMERS.reach(call)
    within = CUSTOMERS.within(scope.shape(reach))
    query = query.where(customer.c.delete_time.is_(None), true() if within is None else within)
    found: Sequence[Sequence[Any]] = sql.unchanged(call.connection, sql.prepare(query), scope.parameters(reach))
    return found


def _in(amount: ColumnElement[Any], rule: Mapping[str, Any], limit: Any) -> ColumnElement[bool]:
    return amount > limit if rule["method"] == "share" else amount >= limit


def _tier(amount: ColumnElement[Any], rule: Mapping[str, Any]) -> ColumnElement[Any]:
    """Which tier a figure lies in, from 0 at the top; null where there is no figure."""
    tiers = rule["tiers"]
    last = len(tiers) - 1
    whens = [(_in(amount, rule, literal(Decimal(t["limit"]))), i) for i, t in enumerate(tiers[:-1]) if t["limit"]]
    inner = [(amount.is_(None), None), *((w, literal(i, Integer)) for w, i in whens)]
    return case(*inner, else_=literal(last, Integer)).label("tier")


def _of_tier(snapshot_id: str, rule: Mapping[str, Any], tier: int) -> Narrowing:
    limits = [Decimal(t["limit"]) if t["limit"] else None for t in rule["tiers"]]
    c = place.c
    low, high = limits[tier], next((x for x in reversed(limits[:tier]) if x is not None), None)
    query = select(c.customer_id).where(c.snapshot_id == bindparam("pyramid_snapshot", type_=c.snapshot_id.type))
    values: dict[str, Any] = {"pyramid_snapshot": snapshot_id}
    if low is not None:
        query = query.where(_in(c.amount, rule, bindparam("pyramid_low", type_=c.amount.type)))
        values["pyramid_low"] = low
    if high is not None:
        query = query.where(~_in(c.amount, rule, bindparam("pyramid_high", type_=c.amount.type)))
        values["pyramid_high"] = high
    shape = ("pyramid", rule["method"], low is None, high is None)
    return Narrowing(customer.c.id.in_(query), shape, values)


def _message(row: Any) -> pb.PyramidSnapshot:
    return pb.PyramidSnapshot(
        id=row.id,
        pyramid_id=row.pyramid_id,
        pyramid_version=row.pyramid_version,
        date=row.date.isoformat(),
        time=row.time,
        base=row.rule["base"],
    )


def _short(amount: Decimal) -> str:
    return rows.decimal_text(amount.quantize(_FEN, ROUND_HALF_UP) if amount == round(amount, 2) else amount)


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{(part * 100 / whole).quantize(_FEN, ROUND_HALF_UP):f}" if whole > 0 else ""
