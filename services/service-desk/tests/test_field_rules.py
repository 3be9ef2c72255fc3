"""Field rules of service requests: what a split takes over, whose customer is shown, what a verb brings along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("IDN-07")


def rule(field: str, level: str, *states: str, resource: str = "service_request") -> dict[str, Any]:
    return {"resource": resource, "field": field, "rule": level, "states": list(states)}


def test_a_split_takes_over_even_what_the_caller_does_not_see(server: Server, boss: Client, request_of: Make) -> None:
    whole = request_of(boss, priority="high", channel="phone")
    clerk = server.person(fields=[rule("priority", "hidden"), rule("customer_id", "read_only")])

    part = clerk.SplitServiceRequest(id=whole.id, etag=whole.etag, summary="还要发票", request="补开发票")

    assert part.priority == ""
    kept = boss.GetServiceRequest(id=part.id)
    assert (kept.priority, kept.customer_id) == ("high", whole.customer_id)


def test_a_request_shows_the_customers_name_as_the_customer_would(
    server: Server, boss: Client, request_of: Make
) -> None:
    made = request_of(boss)

    for level, shown in (("masked", "上***"), ("hidden", "")):
        clerk = server.person(fields=[rule("name", level, resource="customer")])
        assert clerk.GetServiceRequest(id=made.id).customer_name == shown
        assert [r.customer_name for r in clerk.ListServiceRequests().service_requests] == [shown]


def test_handling_is_given_while_its_state_allows_it(server: Server, in_state: Make) -> None:
    clerk = server.person(fields=[rule("handling", "hidden", "assigned")])
    made = in_state("assigned")

    with refused("INVALID_ARGUMENT", "INVALID", "handling"):
        clerk.HandleServiceRequest(id=made.id, etag=made.etag, handling="更换了轴承")
    assert clerk.GetServiceRequest(id=in_state("handled").id).handling == "更换了轴承"
