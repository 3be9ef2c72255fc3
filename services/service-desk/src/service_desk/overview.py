"""The parts of a customer's overview that this service owns: a function for each, named in PARTS by its code."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records.overview import ABOUT, Show, Shown, rows_of
from service_desk.requests import REQUESTS, STATES
from service_desk.tables import service_request

_COMPLAINT, _FEW = "complaint", 3
_s = service_request.c
_TO_DO = [state for state in STATES.labels if state not in REQUESTS.closed_states]
_OPEN = and_(_s.customer_id == ABOUT, one_of(_s.state, _TO_DO))
_REQUESTS = and_(_OPEN, _s.kind != _COMPLAINT)
_COMPLAINTS = and_(_OPEN, _s.kind == _COMPLAINT)
_ASKED = and_(_s.customer_id == ABOUT, _s.satisfaction.is_not(None))


def open_requests(call: Call, customer_id: str) -> Shown:
    return rows_of(call, REQUESTS, _REQUESTS, customer_id)


def open_complaints(call: Call, customer_id: str) -> Shown:
    return rows_of(call, REQUESTS, _COMPLAINTS, customer_id)


def satisfaction(call: Call, customer_id: str) -> Shown:
    """What the customer last said of how requests were handled."""
    return rows_of(
        call,
        REQUESTS,
        _ASKED,
        customer_id,
        order_by="feedback_time desc",
        besides=("feedback", "feedback_time"),
        size=_FEW,
    )


PARTS: Mapping[str, Show] = {show.__name__: show for show in (open_requests, open_complaints, satisfaction)}
