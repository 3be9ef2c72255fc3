"""Watching customers: cases are opened when a rule warns, and go on by themselves when its reason is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from crm.customer.v1 import churn_cases_pb2 as pb
from crm_kit.rpc import Call
from crm_records import writing
from customer.churn.cases import CHURN_CASES, CLOSED, CONFIRMED, OPEN, POSTPONED, REGAINED, WARNED, Last, latest
from customer.churn.rules import CHURN_RULES, MANUAL
from customer.churn.warning import Hit, Sight
from customer.standing.bunch import Bunch, Customer
from customer.standing.computing import Computation, Result

NOT_NEEDED = "not_needed"
"""The stage of a customer that nobody is to be warned of."""
ORDERED_AGAIN = "重新订货 / Ordered again"
REASON_GONE = "预警原因已消除 / The reason of the warning is gone"
NOBODY_TO_WARN_OF = "客户被认定为不需要 / The customer is not needed"
"""Whoever reads the case reads these: they tell nothing of its orders, which are for who reads the ledger."""


def compute(bunch: Bunch, today: date) -> Sequence[Result]:
    """Warn, close, regain; a churn case is what comes of it, not a result."""
    rules, cases = CHURN_RULES.active(bunch.call), latest(bunch.call, bunch.ids)
    if not rules and not cases:
        return ()
    sight = Sight(bunch, rules, today)
    for customer in bunch.customers:
        hits = sight.hits(customer) if customer.lifecycle != NOT_NEEDED else []
        case = cases.get(customer.id)
        if case is not None and case.state in OPEN:
            _go_on(bunch.call, case, customer, hits, today)
        elif new := [hit for hit in hits if case is None or hit.basis not in (case.basis or "").split("\n")]:
            _warn(bunch.call, customer, new, hits, today)
    return ()


CHURN = Computation("churn", compute)


def _warn(call: Call, customer: Customer, new: Sequence[Hit], hits: Sequence[Hit], today: date) -> None:
    """Because of what is new; what was warned of before is known with it."""
    first = new[0]
    message = pb.ChurnCase(customer_id=customer.id, warn_note="\n".join(h.text for h in new))
    seen = {"cause": first.rule["kind"], "basis": "\n".join(h.basis for h in hits), "warn_date": today}
    writing.create(call, CHURN_CASES, message, **seen, rule_id=first.rule["id"], rule_version=first.rule["version"])


def _go_on(call: Call, case: Last, customer: Customer, hits: Sequence[Hit], today: date) -> None:
    """What becomes of an open case without anybody doing something."""
    last = customer.last_order_date
    if case.state == CONFIRMED:
        if _ordered_after(case, last):
            _write(call, case, "regained", {"state": REGAINED, "close_date": today, "close_note": ORDERED_AGAIN})
        return
    gone = last is not None and last > case.warn_date if case.cause == MANUAL else not hits
    if gone:
        note = NOBODY_TO_WARN_OF if customer.lifecycle == NOT_NEEDED else REASON_GONE
        # What it went by is no more: should that come back, it is warned of again.
        ended = {"state": CLOSED, "close_date": today, "close_note": note, "postpone_date": None, "basis": None}
        _write(call, case, "closed", ended)
    elif case.state == POSTPONED and case.postpone_date is not None and case.postpone_date <= today:
        _write(call, case, "lapsed", {"state": WARNED, "postpone_date": None})


def _ordered_after(case: Last, last: date | None) -> bool:
    """An order that came after the loss; one that was merely entered late is older than the loss."""
    if last is None or case.confirm_date is None or last < case.confirm_date:
        return False
    return case.lost_order_date is None or last > case.lost_order_date


def _write(call: Call, case: Last, event: str, values: Mapping[str, Any]) -> None:
    writing.write(call, CHURN_CASES, case.id, None, event, lambda _before: values)
