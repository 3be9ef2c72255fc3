"""Computing customers anew. A computation takes a bunch of customers and a day, and says what each of them is.

To add one: make a `Computation` and put it into `COMPUTATIONS` where the service is put together, after those whose
results it looks at. Whatever matters to it calls `marks.mark`; that time alone changes results is the daily sweep's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from crm_kit.rpc import Call
from crm_records import acting
from customer import clock
from customer.sight import Sight
from customer.standing import marks
from customer.standing.bunch import Bunch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What a customer is in one respect, by which rule, and the figures that were looked at."""

    customer_id: str
    value: str
    rule_id: str | None = None
    rule_version: int | None = None
    reasons: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    """Where a computation has several results for a customer: which one. Its topic is then "topic.part"."""


Apply = Callable[[Call, str, str, date], bool]
"""(call, customer, value, day): let the value count. False where that was refused; it is tried again the next time."""


@dataclass(frozen=True, slots=True)
class Computation:
    """One respect in which customers are computed.

    `compute` may also do something of its own (warn, remind) and return nothing. A customer for whom it returns nothing
    stays what it is.
    """

    topic: str
    compute: Callable[[Bunch, date], Sequence[Result]]
    field: str = ""
    """The field of the customer that shows what counts; none where the value is only kept."""
    apply: Apply | None = None
    """What follows when another value counts."""
    may_be: Callable[[Call, str], bool] | None = None
    """Which values a person may say instead; None where nobody may."""
    part_may_be: Callable[[Call, str, str], bool] | None = None
    """The same where there are several results: (call, part, value)."""
    told: Callable[[Call, Sight, str, dict[str, Any]], dict[str, Any]] | None = None
    """What of the reasons the caller may know: (call, what they see of the customer, id of the rule that said so, or
    "", reasons); all where there is none."""

    def allows(self, call: Call, topic: str, value: str) -> bool:
        """Whether a person may say this of a topic."""
        if self.part_may_be is not None:
            return self.part_may_be(call, topic.partition(".")[2], value)
        return self.may_be is not None and self.may_be(call, value)


COMPUTATIONS: list[Computation] = []
"""In the order in which they run."""


def of_topic(topic: str) -> Computation | None:
    """The computation that people may overrule under this name."""
    found = named(topic)
    return found if found is not None and (found.may_be or found.part_may_be) else None


def named(topic: str) -> Computation | None:
    """The computation whose result this is."""
    first = topic.partition(".")[0]
    return next((c for c in COMPUTATIONS if c.topic == first), None)


def recompute(call: Call, customer_ids: Sequence[str], today: date) -> None:
    """Compute these customers anew, as of a day, in the call's transaction."""
    from customer.standing import keeping

    bunch = Bunch.locked(call, customer_ids)
    if bunch.customers:
        for computation in COMPUTATIONS:
            keeping.keep(bunch, computation, computation.compute(bunch, today), today)


def by_the_clock(call: Call) -> None:
    """What the timer does."""
    recompute_marked(call)


def recompute_marked(call: Call, today: date | None = None) -> int:
    """Compute those that were marked; how many customers that were. One that cannot be computed is told in the log and
    left to the daily sweep: it must not hold up the rest for ever."""
    found = marks.waiting(call.connection)
    if not found:
        return 0
    recompute_each(call, list(found), today or clock.today(call))
    marks.done(call.connection, [m for ids in found.values() for m in ids])
    return len(found)


def recompute_each(call: Call, customer_ids: Sequence[str], today: date) -> None:
    """Like `recompute`; where somebody cannot be computed, the others are."""
    if not _attempt(call, customer_ids, today):
        for customer_id in customer_ids:
            _attempt(call, [customer_id], today)


def _attempt(call: Call, customer_ids: Sequence[str], today: date) -> bool:
    announced = len(call.events)
    try:
        with call.connection.begin_nested():
            recompute(call, customer_ids, today)
    except Exception as error:
        if acting.is_elsewhere(error):
            raise
        del call.events[announced:]
        if len(customer_ids) == 1:
            log.exception("customer %s cannot be computed", customer_ids[0])
        return False
    return True
