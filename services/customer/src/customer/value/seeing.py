"""Whether somebody may ask by what is computed of customers: nothing is guessed by what is not seen."""

from __future__ import annotations

from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import visibility
from customer.customers import CUSTOMERS
from customer.trade.entries import TRADE_ENTRIES
from customer.value.models import PAID_BY, last_of, seen_in_full

errors.texts(
    {
        "asks_unseen": (
            "所用的数据有您无权查看的内容",
            "It is made of something that you may not see in full",
        )
    }
)


def trade(call: Call) -> bool:
    """Whether the ledger of every customer that the caller reaches is theirs to read in full."""
    if not visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY):
        return False
    access = call.access
    read = "trade_entry.read"
    return access.may(read) and TRADE_ENTRIES.reach_of(access, read).holds(CUSTOMERS.reach_of(access, "customer.read"))


def behaviour(call: Call) -> bool:
    """The same of behaviour."""
    access, read = call.access, "behaviour.read"
    reach = access.reach(CUSTOMERS.type, read, CUSTOMERS.team_of)
    return access.may(read) and reach.holds(CUSTOMERS.reach_of(access, "customer.read"))


def field(call: Call, name: str) -> bool:
    view = visibility.of(call, CUSTOMERS)
    return view is None or not view.is_blind(name)


def score(call: Call, code: str) -> bool:
    """Whether the scores kept by this code are made of nothing hidden."""
    model = last_of(call, code)
    return model is not None and seen_in_full(call, model["criteria"])
