"""The parts of a customer's overview that the service desk owns: open requests and complaints, satisfaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from crm.records.v1.overview_pb2 import OverviewPart
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit.testing import Client, Server

pytestmark = pytest.mark.feature("CUS-15")
READS = ["service_request.read"]


def parts(client: Client, customer_id: str) -> Mapping[str, OverviewPart]:
    return {part.code: part for part in client.GetOverview(id=customer_id).parts}


def rows(part: OverviewPart) -> list[ServiceRequest]:
    return [ServiceRequest.FromString(row.value) for row in part.rows]


def test_requests_complaints_and_what_the_customer_said_last(
    boss: Client, customer: Callable[..., str], request_of: Callable[..., Any]
) -> None:
    steel = customer("宝山钢铁")
    request_of(boss, customer_id=steel, summary="装不上", kind="fault")
    request_of(boss, customer_id=steel, summary="态度差", kind="complaint")
    request_of(boss, customer_id=customer("乙公司"), summary="别人的", kind="fault")
    done = request_of(boss, customer_id=steel, summary="修好了", kind="fault", owner_id=boss.user_id)
    done = boss.HandleServiceRequest(id=done.id, etag=done.etag, handling="换件")
    boss.FeedBackServiceRequest(id=done.id, etag=done.etag, satisfaction=5, feedback="满意")

    found = parts(boss, steel)

    assert [r.summary for r in rows(found["open_requests"])] == ["装不上"]
    assert [r.summary for r in rows(found["open_complaints"])] == ["态度差"]
    assert [(r.satisfaction, r.feedback) for r in rows(found["satisfaction"])] == [(5, "满意")]


def test_without_the_right_and_out_of_scope_nothing_is_told(
    server: Server, boss: Client, customer: Callable[..., str], request_of: Callable[..., Any]
) -> None:
    steel = customer("宝山钢铁")
    request_of(boss, customer_id=steel, summary="装不上", kind="fault")

    denied, stranger = parts(server.person(["customer.read"]), steel), parts(server.person(READS, "self"), steel)

    assert denied == {code: OverviewPart(code=code, state="no_right") for code in denied}
    assert [(part.state, part.total) for part in stranger.values()] == [("shown", 0)] * 3


def test_feedback_that_one_does_not_see_is_left_out_and_a_hidden_satisfaction_closes_its_part(
    server: Server, boss: Client, customer: Callable[..., str], request_of: Callable[..., Any]
) -> None:
    steel = customer("宝山钢铁")
    done = request_of(boss, customer_id=steel, summary="修好了", kind="fault", owner_id=boss.user_id)
    done = boss.HandleServiceRequest(id=done.id, etag=done.etag, handling="换件")
    boss.FeedBackServiceRequest(id=done.id, etag=done.etag, satisfaction=5, feedback="满意")

    def seen(field: str) -> OverviewPart:
        rules = [{"resource": "service_request", "field": field, "rule": "hidden"}]
        return parts(server.person(READS, fields=rules), steel)["satisfaction"]

    assert [(r.satisfaction, r.feedback) for r in rows(seen("feedback"))] == [(5, "")]
    assert (seen("satisfaction").state, list(seen("satisfaction").rows)) == ("no_right", [])
