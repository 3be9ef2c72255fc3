"""What a reader sees in full of a customer, or of all that they reach: what is computed tells no more than that."""

from __future__ import annotations

from dataclasses import dataclass

from crm_kit.access import Access, Reach
from crm_kit.rpc import Call
from crm_records import reaching, visibility
from customer.customers import CUSTOMERS
from customer.trade.entries import PAID_BY, TRADE_ENTRIES

TRADE, BEHAVIOUR = TRADE_ENTRIES.type, "behaviour"
"""What is no field of a customer but lies below it, as `Sight.sees` names it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """`hidden` are fields and kinds of parts that are not seen, or masked, by field rules or by the pool."""

    hidden: frozenset[str]
    trade: bool
    behaviour: bool

    def sees(self, name: str) -> bool:
        """Whether a field, by whichever of its names, or a kind of part is seen in full."""
        if name == TRADE:
            return self.trade
        if name == BEHAVIOUR:
            return self.behaviour
        name = visibility.name_of(CUSTOMERS, name)
        return self.hidden.isdisjoint((name, name.partition(".")[0]))


def of(call: Call, customer_id: str) -> Sight:
    """What the caller sees of one customer that they reach."""

    def reached(right: str, reach: Reach) -> bool:
        return call.access.may(right) and reaching.holds(call, CUSTOMERS, customer_id, reach)

    return Sight(
        visibility.unseen(call, CUSTOMERS, customer_id),
        _amounts(call) and reached("trade_entry.read", TRADE_ENTRIES.reach_of(call.access, "trade_entry.read")),
        reached("behaviour.read", behaviour_reach(call.access, "behaviour.read")),
    )


def everywhere(call: Call) -> Sight:
    """What the caller sees of every customer that they reach. Of those in pools less may be seen: lists leave them out
    by what they compare."""
    access, customers = call.access, CUSTOMERS.reach_of(call.access, "customer.read")
    trade = access.may("trade_entry.read") and TRADE_ENTRIES.reach_of(access, "trade_entry.read").holds(customers)
    behaviour = access.may("behaviour.read") and access.reach(
        CUSTOMERS.type, "behaviour.read", CUSTOMERS.team_of
    ).holds(customers)
    return Sight(visibility.blind(call, CUSTOMERS), trade and _amounts(call), behaviour)


def behaviour_reach(access: Access, right: str) -> Reach:
    """On which customers a right on behaviour holds."""
    return access.below(access.reach(CUSTOMERS.type, right, CUSTOMERS.team_of), CUSTOMERS.team_of, (BEHAVIOUR,))


def _amounts(call: Call) -> bool:
    return visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY)
