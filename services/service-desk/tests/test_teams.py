"""Teams of service requests, and why somebody sees one that is nobody's yet."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crm_kit.testing import Client, Server, gets_through, refused
from crm_kit.testing.company import Company

pytestmark = pytest.mark.feature("IDN-07")

RIGHTS = ["service_request.*", "customer.read"]


def test_a_member_handles_a_request_and_does_not_give_it_away(server: Server, boss: Client, in_state: Any) -> None:
    expert = server.person(RIGHTS, "self", name="专家")
    made = in_state("assigned")
    with refused("NOT_FOUND"):
        expert.GetServiceRequest(id=made.id)

    boss.PutTeamMember(record_type="service_request", id=made.id, user_id=expert.user_id, access="write")
    server.service.organisation.forget()

    assert [r.id for r in expert.ListServiceRequests(search="轧机").service_requests] == [made.id]
    with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
        expert.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=expert.user_id)
    assert expert.HandleServiceRequest(id=made.id, etag=made.etag, handling="更换了轴承").state == "handled"


def test_an_explanation_of_a_request_that_is_nobodys_says_what_really_happens(
    server: Server, boss: Client, request_of: Any
) -> None:
    company = Company(server, random.Random(4), ["service_request.read"], people=12)
    head = server.person(["service_request.read"], "subordinates", name="主管")
    agent = server.person(RIGHTS, "all", name="坐席", manager=head, department_id=company.departments[2])
    made = [request_of(agent), request_of(boss)]
    places = set()

    for who in (*company.people, head, agent):
        for one in made:
            said = boss.ExplainAccess(record_type="service_request", id=one.id, user_id=who.user_id)
            assert said.allowed == gets_through(who.GetServiceRequest, id=one.id), said
            held = {kind: [s.held for s in said.steps if s.kind == kind] for kind in ("scope", "department", "creator")}
            assert not any(held["department"]) or any(held["scope"]), said
            places |= {s.kind for s in said.steps if s.held}

    assert places >= {"scope", "department", "reporting_line", "creator"}
    line = [
        s.text
        for s in boss.ExplainAccess(record_type="service_request", id=made[0].id, user_id=head.user_id).steps
        if s.kind == "reporting_line"
    ]
    assert line == ["汇报线：坐席 → 主管"]
