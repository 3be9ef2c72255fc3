"""The overview of a customer in a running suite: every part and its address, and a service that is killed or hangs."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from crm_kit.testing.suite import Suite, eventually

pytestmark = [pytest.mark.slow, pytest.mark.feature("CUS-15")]
SALES = {"open_opportunities", "won_opportunities"}


@pytest.fixture(scope="module")
def token(suite: Suite) -> str:
    return suite.login()


@pytest.fixture(scope="module")
def customer(suite: Suite, token: str) -> str:
    """A customer of whom there is something in every service."""

    def make(path: str, **fields: Any) -> Any:
        answer = suite.ask("POST", path, fields, token=token)
        assert answer.status == 201, answer.body
        return answer.body

    id_: str = make("/v1/customers", name="宝山钢铁")["id"]
    make("/v1/contacts", customerId=id_, name="王总", decisionRole="decider")
    make("/v1/demands", customerId=id_, kind="other", description="要服务器")
    make("/v1/visits", customerId=id_, subject="拜访", planStart="2099-01-01T09:00:00Z")
    make("/v1/opportunities", customerId=id_, title="一期", expectedAmount="100")
    won = make("/v1/opportunities", customerId=id_, title="零期")
    assert suite.ask("POST", f"/v1/opportunities/{won['id']}:win", {"etag": won["etag"]}, token=token).status == 200
    for kind in ("fault", "complaint"):
        make("/v1/service-requests", customerId=id_, kind=kind, summary="装不上")
    make("/v1/tasks", title="打电话", recordType="customer", recordId=id_)
    return id_


def overview(suite: Suite, token: str, customer: str) -> dict[str, Any]:
    answer = suite.ask("GET", f"/v1/customers/{customer}/overview", token=token)
    assert answer.status == 200, answer.body
    return {part["code"]: part for part in answer.body["parts"]}


def whole(parts: dict[str, Any]) -> bool:
    return {part["state"] for part in parts.values()} == {"shown"}


def away(parts: dict[str, Any]) -> set[str]:
    return {code for code, part in parts.items() if part["state"] != "shown"}


def test_every_part_is_there_and_its_address_leads_to_as_many(
    suite: Suite, token: str, customer: str, measured: Any
) -> None:
    parts = overview(suite, token, customer)

    assert whole(parts), away(parts)
    counted = 0
    for part in parts.values():
        more = "&count=exact" if "?" in part["address"] else ""
        answer = suite.ask("GET", part["address"] + more, token=token)
        assert answer.status == 200, (part["address"], answer.body)
        if more:
            assert answer.body["total"] == part["total"] == len(part["rows"]), part["code"]
            counted += 1
    assert {code for code, part in parts.items() if part["rows"]} >= {
        *("profile", "contacts", "deciders", "valid_demands", "planned_visits", "open_opportunities"),
        *("won_opportunities", "open_requests", "open_complaints", "open_tasks"),
    }
    measured(f"{len(parts)} parts, {counted} of them counted as their lists count")


def test_of_a_service_that_is_killed_the_parts_are_marked_until_it_is_back(
    suite: Suite, token: str, customer: str
) -> None:
    assert eventually(lambda: whole(overview(suite, token, customer)), 60)

    os.kill(suite.pids()["sales"], signal.SIGKILL)
    seen: list[set[str]] = []

    def marked() -> bool:
        seen.append(away(overview(suite, token, customer)))
        return seen[-1] == SALES

    assert eventually(marked, 20), seen
    assert all(missing in (set(), SALES) for missing in seen)
    assert eventually(lambda: whole(overview(suite, token, customer)), 120)


def test_one_that_hangs_is_not_waited_for_longer_than_the_deadline(
    suite: Suite, token: str, customer: str, measured: Any
) -> None:
    assert eventually(lambda: whole(overview(suite, token, customer)), 60)
    pid = suite.pids()["sales"]

    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        parts = overview(suite, token, customer)
        took = time.monotonic() - began
    finally:
        os.kill(pid, signal.SIGCONT)

    assert away(parts) == SALES
    assert {part["state"] for code, part in parts.items() if code in SALES} == {"away"}
    measured(f"{took:.1f} s with a service that hangs, deadline 3 s")
    assert eventually(lambda: whole(overview(suite, token, customer)), 60)


def test_a_colleague_gets_the_brief_and_what_is_theirs(suite: Suite, token: str, customer: str) -> None:
    department = suite.ask("GET", "/v1/auth/me", token=token).body["departmentId"]
    role = suite.ask("GET", "/v1/roles?filter=code=account_manager", token=token).body["roles"][0]["id"]
    user = {"username": "overview.li", "name": "李娜", "departmentId": department, "roleIds": [role]}
    made = suite.ask("POST", "/v1/users", {"user": user, "initialPassword": "Spring-2026-start"}, token=token)
    assert made.status == 201, made.body
    hers = suite.first_login("overview.li", "Spring-2026-start", "Autumn-2027-river")

    def brief() -> bool:
        answer = suite.ask("GET", f"/v1/customers/{customer}/overview", token=hers)
        return bool(answer.status == 200)

    assert eventually(brief, 30)
    parts = overview(suite, hers, customer)
    profile = parts["profile"]["rows"][0]
    assert profile["@type"] == "type.googleapis.com/crm.customer.v1.CustomerBrief"
    assert [code for code, part in parts.items() if part["rows"]] == ["profile"]
    assert suite.ask("GET", f"/v1/customers/{customer}", token=hers).status == 404
