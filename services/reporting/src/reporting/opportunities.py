"""Opportunities as rows: what each adds to the figures, how its products share it, how long it stayed where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import array_rows
from crm_kit.array_rows import Row
from reporting import credit
from reporting.records import belonging, local, newest, unpack
from reporting.tables import dim_stage, fact_opportunity, fact_opportunity_line, fact_stage_stay

_DAY = 86_400


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep opportunities, their products and their stays."""
    opportunities = {e.record_id: (unpack(Opportunity, e), e.version) for e in newest(events)}
    won = _won_stages(connection) if any(o.state == "archived" for o, _ in opportunities.values()) else set()
    facts = {o.id: fact(o, version, won) for o, version in opportunities.values()}
    stored = array_rows.upsert(connection, fact_opportunity, list(facts.values()))
    handed = credit.note(connection, events)
    changed = [opportunities[i][0] for i in stored]
    array_rows.replace(
        connection, fact_opportunity_line, "opportunity_id", stored, [x for o in changed for x in lines(o, facts[o.id])]
    )
    array_rows.replace(
        connection, fact_stage_stay, "opportunity_id", stored, [x for o in changed for x in stays(o, facts[o.id])]
    )
    credit.settle(connection, stored | handed)


def fact(o: Opportunity, version: int, won_stages: Collection[tuple[str, str]]) -> Row:
    """What one opportunity adds to the figures."""
    what = outcome(o, won_stages)
    day = _date(o.expected_close_date if what == "open" else o.close_date)
    return {
        "id": o.id,
        "version": version,
        **belonging(o),
        "customer_id": o.customer_id or None,
        "stage": o.stage or None,
        "outcome": what,
        "won_amount": _money(o.won_amount if what == "won" else ""),
        "open_amount": _money(o.expected_amount if what == "open" else ""),
        "cycle_days": _cycle(o) if what == "won" else None,
        "report_date": day,
        "stage_time": local(o, "stage_enter_time"),
        "credited_id": None,
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}" if day else None,
    }


def outcome(o: Opportunity, won_stages: Collection[tuple[str, str]]) -> str:
    """Open, won or lost. Of one that was put away the stage still tells; its pipeline was announced before it."""
    if o.state in ("won", "lost"):
        return o.state
    if o.state == "archived":
        return "won" if (o.pipeline_id, o.stage) in won_stages else "lost"
    return "open"


def _won_stages(connection: Connection) -> set[tuple[str, str]]:
    query = select(dim_stage.c.pipeline_id, dim_stage.c.code).where(dim_stage.c.kind == "won")
    return {(row.pipeline_id, row.code) for row in connection.execute(query)}


def lines(o: Opportunity, of: Row) -> Iterable[Row]:
    """The opportunity shared over its products in proportion to the amounts of its lines."""
    weights = [_money(line.amount) for line in o.lines]
    shares = zip(share(of["won_amount"], weights), share(of["open_amount"], weights), strict=True)
    amounts: dict[str | None, tuple[Decimal, Decimal]] = {}
    for line, (won, still_open) in zip(o.lines, shares, strict=True):
        before = amounts.get(line.product_id, (Decimal(0), Decimal(0)))
        amounts[line.product_id] = (before[0] + won, before[1] + still_open)
    whole = {
        n: of[n]
        for n in ("owner_id", "department_id", "deleted", "outcome", "cycle_days", "report_date", "credited_id")
    }
    products = amounts or {None: (of["won_amount"], of["open_amount"])}
    for position, (product_id, (won, still_open)) in enumerate(products.items()):
        yield {
            **whole,
            "opportunity_id": o.id,
            "position": position,
            "product_id": product_id,
            "won_amount": won,
            "open_amount": still_open,
        }


def share(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """An amount in parts that add up to it to the cent: the largest remainders get the cents left over."""
    if not weights:
        return []
    parts = [int(w.scaleb(2)) for w in weights]
    if not sum(parts):
        parts = [1] * len(parts)
    cents, whole = int(amount.scaleb(2)), sum(parts)
    floors = [cents * p // whole for p in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: -(cents * parts[i] % whole))
    for i in by_remainder[: cents - sum(floors)]:
        floors[i] += 1
    return [Decimal(f).scaleb(-2) for f in floors]


def stays(o: Opportunity, of: Row) -> Iterable[Row]:
    """How long it was in each stage it entered, the one it is in among them."""
    days: dict[str, float | None] = {}
    for stay in o.stage_history:
        before = days.setdefault(stay.stage, None)
        if stay.HasField("enter_time") and stay.HasField("leave_time"):
            spent = stay.leave_time.ToNanoseconds() - stay.enter_time.ToNanoseconds()
            days[stay.stage] = (before or 0.0) + spent / 1e9 / _DAY
    if o.stage:
        days.setdefault(o.stage, None)
    entered = f" {' '.join(days)} "
    for stage, in_all in days.items():
        yield {
            "opportunity_id": o.id,
            "stage": stage,
            "pipeline_id": o.pipeline_id or None,
            "days": in_all,
            "current": stage == o.stage,
            "entered": entered,
            "owner_id": of["owner_id"],
            "department_id": of["department_id"],
            "deleted": of["deleted"],
        }


def _cycle(o: Opportunity) -> int | None:
    """Days from the first contact, or from creation, to the day it was won."""
    created = local(o, "create_time")
    start = _date(o.engage_date) or (created.date() if created else None)
    end = _date(o.close_date)
    return (end - start).days if start and end else None


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _money(text: Any) -> Decimal:
    return Decimal(text or 0)
