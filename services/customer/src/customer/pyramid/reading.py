"""Figures of snapshots, counted over the customers that the caller reaches when it asks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Select, func, select

from crm.customer.v1 import pyramids_pb2 as pb
from crm.records.v1 import records_pb2
from crm_kit import errors, scope
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing, paging, rows, sql, visibility
from crm_records.pooling import NONE
from crm_records.pooling import Narrowing as Spared
from customer.customers import CUSTOMERS
from customer.pyramid import tiers
from customer.pyramid.record import made_of, refuse_unseen
from customer.pyramid.tables import place, snapshot
from customer.pyramid.taking import of
from customer.tables import customer

errors.texts({"other_pyramid": ("两个快照不属于同一金字塔", "The snapshots are of different pyramids")})

_FEN = Decimal("0.01")


def snapshots(call: Call, request: pb.ListPyramidSnapshotsRequest) -> pb.ListPyramidSnapshotsResponse:
    """One page of those that are complete, newest first."""
    of(call, request.id)
    size = paging.page_size(request)
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
    counted = _counted(call, found)
    number, total = sum(n for n, _ in counted.values()), sum((a for _, a in counted.values()), Decimal(0))
    answer = pb.PyramidFigures(snapshot=_message(found), customers=number, amount=_short(total))
    for i, one in enumerate(found.rule["tiers"]):
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


def _counted(call: Call, found: Any) -> dict[int, tuple[int, Decimal]]:
    """Tier → (customers, amount). Who reaches everybody is told what was counted then, without those deleted since."""
    tier = tiers.column(place.c.amount, found.rule)
    query = select(tier, func.count(), func.sum(place.c.amount)).select_from(place)
    query = query.join(customer, customer.c.id == place.c.customer_id)
    query = query.where(place.c.snapshot_id == found.id).group_by(tier)
    reach = CUSTOMERS.reach(call)
    within = CUSTOMERS.within(scope.shape(reach))
    if within is not None:
        spared = _spared(call, found)
        seen = query.where(customer.c.delete_time.is_(None), within, *spared.conditions(CUSTOMERS))
        rows_ = _run(call, seen, reach, spared)
        return {row[0]: (row[1], row[2]) for row in rows_}
    gone = {
        row[0]: (row[1], row[2]) for row in _run(call, query.where(customer.c.delete_time.is_not(None)), reach, NONE)
    }
    counted = {}
    for i, one in enumerate(found.rule["tiers"]):
        count, amount = gone.get(i, (0, Decimal(0)))
        counted[i] = (one["customers"] - count, Decimal(one["amount"]) - amount)
    return counted


def compare(call: Call, from_id: str, to_id: str) -> pb.ComparePyramidSnapshotsResponse:
    """How many customers went from which tier to which."""
    old, new = _seen(call, from_id), _seen(call, to_id)
    if old.pyramid_id != new.pyramid_id:
        raise errors.Invalid(errors.Problem("toSnapshotId", "other_pyramid"))
    reach = CUSTOMERS.reach(call)
    spared = _spared(call, old, new)
    a, b = (_tiers_of(one, reach, spared).subquery(name) for one, name in ((old, "a"), (new, "b")))
    joined = a.join(b, a.c.customer_id == b.c.customer_id, full=True)
    query = select(a.c.tier, b.c.tier.label("to"), func.count()).select_from(joined).group_by(a.c.tier, b.c.tier)
    answer = pb.ComparePyramidSnapshotsResponse()

    def name(of_: Any, tier: int | None) -> str:
        return "" if tier is None else of_.rule["tiers"][tier]["name"]

    for i, j, count in sorted(_run(call, query, reach, spared), key=lambda r: (r[0] is None, r[0], r[1] is None, r[1])):
        answer.moves.add(**{"from": name(old, i), "to": name(new, j), "customers": count})
    return answer


def customers(call: Call, request: pb.ListPyramidCustomersRequest) -> pb.ListPyramidCustomersResponse:
    """One page of the customers of a tier, as a list of customers is."""
    found = _seen(call, request.snapshot_id)
    names = [t["name"] for t in found.rule["tiers"]]
    if request.tier not in names:
        raise errors.NotFound()
    also = tiers.members(request.snapshot_id, found.rule, names.index(request.tier), made_of(call, found.rule))
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
    of(call, found.pyramid_id)
    refuse_unseen(call, found.rule)
    return found


def _spared(call: Call, *snapshots: Any) -> Spared:
    """Customers whose pool closes to the caller what the figures are made of are not counted for them."""
    return visibility.spared(call, CUSTOMERS, [name for one in snapshots for name in made_of(call, one.rule)])


def _tiers_of(found: Any, reach: Reach, spared: Spared) -> Select[Any]:
    """(customer, tier) of the living customers of a snapshot within a reach."""
    within = CUSTOMERS.within(scope.shape(reach))
    c, whose = place.c, select(customer.c.id)
    if within is None:
        seen = c.customer_id.not_in(whose.where(customer.c.delete_time.is_not(None)))
    else:
        living = customer.c.delete_time.is_(None)
        seen = c.customer_id.in_(whose.where(living, within, *spared.conditions(CUSTOMERS)))
    return select(c.customer_id, tiers.column(c.amount, found.rule)).where(c.snapshot_id == found.id, seen)


def _run(call: Call, query: Select[Any], reach: Reach, spared: Spared) -> Sequence[Sequence[Any]]:
    """The rows of a statement that reads much; those of the last time where nothing was committed since."""
    return sql.unchanged(call.connection, sql.prepare(query), {**scope.parameters(reach), **spared.parameters()})


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
