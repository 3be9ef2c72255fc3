"""Whether somebody may ask by what is computed of customers: nothing is guessed by what is not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import visibility
from crm_records.record import Record
from customer.customers import CUSTOMERS
from customer.interactions import INTERACTIONS
from customer.trade.entries import TRADE_ENTRIES
from customer.value.models import LEDGER, last_of
from customer.visits.record import VISITS

errors.texts(
    {
        "asks_unseen": (
            "所用的数据有您无权查看的内容",
            "It is made of something that you may not see in full",
        )
    }
)
PAID_BY = ("amount", "base_amount", "kind", "date")
"""What sums of the ledger are made of."""
_FIELDS = {"last_order": "last_order_date", "last_contact": "last_contact_time"}


def trade(call: Call) -> bool:
    """Whether the ledger of every customer that the caller reaches is theirs to read in full."""
    return visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY) and reads(call, TRADE_ENTRIES)


def behaviour(call: Call) -> bool:
    """The same of behaviour."""
    access, read = call.access, "behaviour.read"
    reach = access.below(access.reach(CUSTOMERS.type, read, CUSTOMERS.team_of), CUSTOMERS.team_of, "behaviour")
    return access.may(read) and reach.holds(CUSTOMERS.reach_of(access, "customer.read"))


def details(call: Call) -> bool:
    """Whether more than the brief is told of every customer that the caller reaches: no pool has a view quota."""
    return not any(pool.viewed for pool in call.access.closed(CUSTOMERS.type))


def field(call: Call, name: str) -> bool:
    """Whether a field is seen in full of every customer that the caller reaches, also of those in pools."""
    view = visibility.of(call, CUSTOMERS)
    return view is None or not (view.is_blind(name) or any(name in pool.ever for pool in view.pools.values()))


def score(call: Call, code: str) -> bool:
    """Whether the scores kept by this code are made of nothing hidden."""
    model = last_of(call, code)
    return model is not None and in_full(call, model["criteria"])


def in_full(call: Call, criteria: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the caller sees in full all that the criteria of a value model look at."""
    return all(_criterion(call, c["source"], c.get("field") or "") for c in criteria)


def _criterion(call: Call, source: str, name: str) -> bool:
    if source in LEDGER:
        return trade(call)
    match source:
        case "interactions":
            return reads(call, INTERACTIONS)
        case "visits":
            return reads(call, VISITS)
        case "behaviour":
            return behaviour(call)
    return field(call, _FIELDS.get(source, name))


def reads(call: Call, part: Record) -> bool:
    """Whether the parts of every customer that the caller reaches are theirs to read."""
    access, read = call.access, f"{part.type}.read"
    return access.may(read) and part.reach_of(access, read).holds(CUSTOMERS.reach_of(access, "customer.read"))
