"""What a reader sees in full of a customer, or of all that they reach: what is computed tells no more than that."""

from __future__ import annotations

from collections.abc import Callable

from crm_kit.access import Access
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import reaching, visibility
from crm_records.view import name_of
from customer.customers import CUSTOMERS
from customer.trade.entries import PAID_BY, TRADE_ENTRIES

TRADE, BEHAVIOUR, COMPUTED = TRADE_ENTRIES.type, "behaviour", "standing"
"""What is no field of a customer but lies below it. `COMPUTED` has no rights of its own: it goes with the details that
a pool with a view quota shows only of what was opened."""
PARTS = (TRADE, BEHAVIOUR, "interaction", "visit", "churn_case")
"""What lies below a customer and has rights of its own."""


class Sight:
    """`hidden` are fields and kinds of parts that are not seen, or masked, by field rules or by the pool."""

    def __init__(self, hidden: frozenset[str], reads: Callable[[str], bool]) -> None:
        """`reads` answers whether a kind of part is read."""
        self.hidden, self._reads = hidden, reads
        self._known: dict[str, bool] = {}

    def sees(self, name: str) -> bool:
        """Whether a field, by whichever of its names, or a kind of part is seen in full."""
        if name in PARTS:
            if name not in self._known:
                self._known[name] = self._reads(name)
            return self._known[name]
        name = name_of(CUSTOMERS, name)
        return self.hidden.isdisjoint((name, name.partition(".")[0]))


def of(call: Call, customer_id: str) -> Sight:
    """What the caller sees of one customer.

    NOT_FOUND outside the caller's reach, and for a customer of a pool with a view quota that was not opened today.
    """
    reaching.check_details(call, CUSTOMERS, customer_id)

    def reads(part: str) -> bool:
        right = f"{part}.read"
        held = call.access.may(right) and (part != TRADE or _amounts(call))
        return held and reaching.holds(call, CUSTOMERS, customer_id, _reach(call.access, part, right))

    return Sight(visibility.unseen(call, CUSTOMERS, customer_id), reads)


def everywhere(call: Call) -> Sight:
    """What the caller sees of every customer that they reach. Of those in pools less may be seen: lists leave them out
    by what they compare. PERMISSION_DENIED for who may not read customers."""
    call.need("customer.read")
    customers = CUSTOMERS.reach_of(call.access, "customer.read")

    def reads(part: str) -> bool:
        right = f"{part}.read"
        held = call.access.may(right) and (part != TRADE or _amounts(call))
        return held and call.access.reach(CUSTOMERS.type, right, CUSTOMERS.team_of).holds(customers)

    return Sight(visibility.blind(call, CUSTOMERS), reads)


def behaviour_reach(access: Access, right: str) -> Reach:
    """On which customers a right on behaviour holds."""
    return access.below(access.reach(CUSTOMERS.type, right, CUSTOMERS.team_of), CUSTOMERS.team_of, (BEHAVIOUR,))


def _reach(access: Access, part: str, right: str) -> Reach:
    if part == BEHAVIOUR:
        return behaviour_reach(access, right)
    return CUSTOMERS.registry.records[part].reach_of(access, right)


def _amounts(call: Call) -> bool:
    return visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY)
