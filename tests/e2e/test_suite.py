"""A working day through the front door: every service, its rights, its events, and what a wrong request gets."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory

from crm.customer.v1 import customers_pb2
from crm.identity.v1 import users_pb2
from crm.reporting.v1 import reports_pb2
from crm.sales.v1 import opportunities_pb2
from crm.service_desk.v1 import requests_pb2
from crm.workspace.v1 import tasks_pb2
from crm_kit.testing.suite import ADMIN_PASSWORD, Suite, eventually

pytestmark = pytest.mark.slow

FIRST, OWN = "first-password-1", "own-password-2"


@pytest.fixture(scope="module")
def admin(suite: Suite) -> str:
    return suite.login()


@pytest.fixture(scope="module")
def people(suite: Suite, admin: str) -> dict[str, str]:
    """A manager, two sales people below him, and somebody of another team: name → access token."""
    roles = {r["code"]: r["id"] for r in get(suite, admin, "/v1/roles?pageSize=100")["roles"]}
    root = get(suite, admin, "/v1/departments")["departments"][0]["id"]
    ids: dict[str, str] = {}
    for name, role, manager in (
        ("zhang", "sales_manager", ""),
        ("li", "account_manager", "zhang"),
        ("wang", "account_manager", "zhang"),
        ("zhao", "account_manager", ""),
    ):
        user = {"username": name, "name": name.title(), "departmentId": root, "roleIds": [roles[role]]}
        if manager:
            user["managerId"] = ids[manager]
        made = suite.ask("POST", "/v1/users", {"user": user, "initialPassword": FIRST}, token=admin)
        assert made.status == 201, made.body
        ids[name] = made.body["id"]
    tokens = {name: suite.first_login(name, FIRST, OWN) for name in ids}
    return tokens | {f"{name}_id": user_id for name, user_id in ids.items()}


def get(suite: Suite, token: str, path: str) -> Any:
    answer = suite.ask("GET", path, token=token)
    assert answer.status == 200, answer.body
    return answer.body


def post(suite: Suite, token: str, path: str, body: Any) -> Any:
    answer = suite.ask("POST", path, body, token=token)
    assert answer.status in (200, 201), answer.body
    return answer.body


@pytest.mark.feature("RPT-01")
@pytest.mark.feature("SAL-10")
def test_what_a_sales_person_wins_stands_in_the_report_of_the_manager_and_of_nobody_else(
    suite: Suite, people: dict[str, str]
) -> None:
    customer = post(suite, people["li"], "/v1/customers", {"name": "苏州工业园机械有限公司"})
    deal = {"title": "数控机床", "customerId": customer["id"], "expectedAmount": "88000"}
    opened = post(suite, people["li"], "/v1/opportunities", deal)
    post(suite, people["li"], f"/v1/opportunities/{opened['id']}:win", {"etag": opened["etag"], "wonAmount": "80000"})

    def total(name: str) -> Any:
        return get(suite, people[name], "/v1/reports/opportunity-summary?groupBy=owner")["total"]

    assert eventually(lambda: total("zhang")["wonAmount"] == "80000.00")
    assert total("li")["count"] == total("zhang")["count"] == 1
    assert total("wang")["count"] == total("zhao")["count"] == 0
    assert get(suite, people["zhang"], "/v1/customers?count=exact")["total"] == 1
    assert get(suite, people["wang"], "/v1/customers?count=exact")["total"] == 0
    assert suite.ask("GET", f"/v1/customers/{customer['id']}", token=people["zhao"]).status == 404
    line = get(suite, people["li"], f"/v1/customers/{customer['id']}/timeline")["entries"]
    assert {"created", "won"} <= {entry["action"] for entry in line if entry["recordType"] == "opportunity"}


@pytest.mark.feature("WSP-04")
def test_an_assignment_appears_in_the_inbox_of_whom_it_concerns(suite: Suite, people: dict[str, str]) -> None:
    request = {"title": "华东区报价", "ownerId": people["wang_id"]}
    post(suite, people["zhang"], "/v1/opportunities", request)
    post(suite, people["zhang"], "/v1/tasks", {"title": "给客户回电", "ownerId": people["wang_id"]})

    def inbox(name: str) -> list[str]:
        return [n["recordTitle"] for n in get(suite, people[name], "/v1/notifications")["notifications"]]

    assert eventually(lambda: set(inbox("wang")) == {"华东区报价", "给客户回电"})
    assert inbox("zhang") == []
    assert inbox("li") == []


@pytest.mark.feature("SRV-01")
def test_a_dissatisfied_customer_sends_a_request_back_to_handling(suite: Suite, people: dict[str, str]) -> None:
    customer = post(suite, people["li"], "/v1/customers", {"name": "无锡纺织有限公司"})
    fields = {"kind": "fault", "customerId": customer["id"], "summary": "织机停机"}
    now = post(suite, people["li"], "/v1/service-requests", fields)
    here = f"/v1/service-requests/{now['id']}"
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("assign", {"ownerId": people["wang_id"]}, "assigned"),
        ("handle", {"handling": "更换主轴"}, "handled"),
        ("feedBack", {"satisfaction": 2, "feedback": "还有异响"}, "assigned"),
        ("handle", {"handling": "更换轴承"}, "handled"),
        ("feedBack", {"satisfaction": 4}, "feedback"),
        ("archive", {}, "archived"),
    ]
    for verb, body, state in steps:
        now = post(suite, people["zhang"], f"{here}:{verb}", {**body, "etag": now["etag"]})
        assert now["state"] == state


@pytest.mark.feature("IDN-06")
def test_a_person_who_moves_takes_the_sight_of_the_work_along(suite: Suite, admin: str, people: dict[str, str]) -> None:
    made = post(suite, people["zhao"], "/v1/customers", {"name": "南通造船有限公司"})
    here = f"/v1/customers/{made['id']}"
    assert suite.ask("GET", here, token=people["zhang"]).status == 404

    zhao = get(suite, admin, f"/v1/users/{people['zhao_id']}")
    change = {"managerId": people["zhang_id"], "etag": zhao["etag"]}
    moved = suite.ask("PATCH", f"/v1/users/{zhao['id']}", change, token=admin)

    assert moved.status == 200, moved.body
    assert eventually(lambda: suite.ask("GET", here, token=people["zhang"]).status == 200, 2)


@pytest.mark.feature("EDG-03")
def test_each_wrong_request_gets_its_own_answer_changes_nothing_and_logs_one_line(suite: Suite, admin: str) -> None:
    customer = post(suite, admin, "/v1/customers", {"name": "常州电机有限公司"})
    here = f"/v1/customers/{customer['id']}"
    won = post(suite, admin, "/v1/opportunities", {"title": "一次"})
    won = post(suite, admin, f"/v1/opportunities/{won['id']}:win", {"etag": won["etag"], "wonAmount": "1"})
    nobody = "01890000-0000-7000-8000-000000000000"
    reader = reader_token(suite, admin)
    before = counts(suite, admin)
    wrong: list[tuple[str, str, Any, dict[str, Any], int, str]] = [
        ("POST", "/v1/customers", {"name": "甲", "colour": "red"}, {}, 400, "INVALID"),
        ("POST", "/v1/customers", {"name": 5}, {}, 400, "INVALID"),
        ("POST", "/v1/customers", ["name"], {}, 400, "NOT_AN_OBJECT"),
        ("POST", "/v1/customers", None, {"raw": b'{"name": "\xff'}, 400, "BAD_JSON"),
        ("POST", "/v1/customers", None, {"raw": b"{" + b" " * 10_000_000 + b"}"}, 413, "TOO_LARGE_BODY"),
        ("GET", f"/v1/customers/{nobody}", None, {}, 404, "NOT_FOUND"),
        ("GET", "/v1/customers/12", None, {}, 404, "NOT_FOUND"),
        ("GET", "/v1/customers?colour=red", None, {}, 400, "INVALID"),
        ("GET", "/v1/nowhere", None, {}, 404, "NO_SUCH_ROUTE"),
        ("PUT", "/v1/customers", {}, {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", f"/v1/opportunities/{won['id']}:win", {"etag": won["etag"]}, {}, 409, "ACTION_NOT_ALLOWED"),
        ("PATCH", here, {"city": "苏州"}, {}, 428, "ETAG_REQUIRED"),
        ("PATCH", here, {"city": "苏州"}, {"headers": {"If-Match": '"77"'}}, 412, "STALE"),
        ("DELETE", here, None, {"headers": {"If-Match": '"77"'}}, 412, "STALE"),
        ("POST", "/v1/customers", {"name": "甲"}, {"token": reader}, 403, "RIGHT_MISSING"),
        ("POST", "/v1/customers", {"name": "甲"}, {"token": "no.real.token"}, 401, "BAD_TOKEN"),
        ("POST", "/v1/customers", {"name": "甲"}, {"token": ""}, 401, "UNAUTHENTICATED"),
    ]

    said = {name: len(suite.log(name)) for name in ("customer", "sales")}
    for method, path, body, how, status, reason in wrong:
        lines = len(suite.log("gateway"))
        answer = suite.ask(method, path, body, **({"token": admin} | how))
        assert (answer.status, answer.body["reason"]) == (status, reason), answer.body
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.body["requestId"] == answer.headers["X-Request-Id"]
        assert eventually(lambda n=lines: len(suite.log("gateway")) > n, 5)  # type: ignore[misc]
        (line,) = suite.log("gateway")[lines:]
        assert json.loads(line)["requestId"] == answer.body["requestId"]
    assert counts(suite, admin) == before
    services = [line for name, lines in said.items() for line in suite.log(name)[lines:]]
    assert [line for line in services if '"level":"ERROR"' in line or "Traceback" in line] == []


def reader_token(suite: Suite, admin: str) -> str:
    scopes = [{"resource": "*", "scope": "all"}]
    role = {"code": "reader", "name": "只读", "rights": ["customer.read"], "scopes": scopes}
    role_id = post(suite, admin, "/v1/roles", role)["id"]
    root = get(suite, admin, "/v1/departments")["departments"][0]["id"]
    user = {"username": "reader", "name": "读者", "departmentId": root, "roleIds": [role_id]}
    post(suite, admin, "/v1/users", {"user": user, "initialPassword": FIRST})
    return suite.first_login("reader", FIRST, OWN)


def counts(suite: Suite, token: str) -> list[int]:
    return [get(suite, token, f"/v1/{what}?count=exact&pageSize=1")["total"] for what in ("customers", "opportunities")]


CLAIMS = [
    "X-User-Id",
    "X-User",
    "X-Username",
    "X-User-Name",
    "X-User-Email",
    "X-Roles",
    "X-User-Roles",
    "X-Rights",
    "X-Scope",
    "X-Admin",
    "X-Actor-Id",
    "X-Acting-Id",
    "X-Session-Id",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "X-Remote-User",
    "Remote-User",
    "X-Authenticated-User",
    "X-Authenticated-Userid",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-WebAuth-User",
    "X-Original-User",
    "X-Consumer-Username",
    "X-Tenant-Id",
    "X-Client-Cert",
    "X-SSL-Client-S-DN",
    "X-Access-Token",
    "X-Authorization",
    "Proxy-Authorization",
    "Grpc-Metadata-User",
    "Grpc-Metadata-Authorization",
]
"""Headers by which other systems say who calls."""
DOORS = {
    "identity": ("/v1/users", users_pb2, "UserService", "ListUsers"),
    "customer": ("/v1/customers", customers_pb2, "CustomerService", "ListCustomers"),
    "sales": ("/v1/opportunities", opportunities_pb2, "OpportunityService", "ListOpportunities"),
    "service-desk": ("/v1/service-requests", requests_pb2, "ServiceRequestService", "ListServiceRequests"),
    "workspace": ("/v1/tasks", tasks_pb2, "TaskService", "ListTasks"),
    "reporting": ("/v1/reports/funnel", reports_pb2, "ReportService", "GetFunnel"),
}
"""A read of each service that asks for a right: over HTTP, and on the service's own port."""


@pytest.fixture(scope="module")
def visitor(suite: Suite, admin: str) -> str:
    """The token of somebody who may nothing."""
    root = get(suite, admin, "/v1/departments")["departments"][0]["id"]
    user = {"username": "visitor", "name": "访客", "departmentId": root}
    post(suite, admin, "/v1/users", {"user": user, "initialPassword": FIRST})
    return suite.first_login("visitor", FIRST, OWN)


@pytest.mark.figure("R47")
def test_no_header_from_outside_says_who_calls(
    suite: Suite, admin: str, visitor: str, measured: Callable[[str], None]
) -> None:
    who = get(suite, admin, "/v1/auth/me")["id"]
    tried = 0

    for path, *_ in DOORS.values():
        for name in CLAIMS:
            for claim in (who, "admin", f"Bearer {admin}"):
                assert suite.ask("GET", path, headers={name: claim}).status == 401, name
                assert suite.ask("GET", path, token=visitor, headers={name: claim}).status == 403, name
                tried += 2

    me = suite.ask("GET", "/v1/auth/me", token=visitor, headers=dict.fromkeys(CLAIMS, who))
    assert me.body["username"] == "visitor"
    measured(f"{len(CLAIMS)} headers x {len(DOORS)} services: {tried} requests, none honoured")


@pytest.mark.figure("R47")
@pytest.mark.parametrize("service", DOORS)
def test_a_services_own_port_answers_nobody_without_a_token(
    suite: Suite, admin: str, visitor: str, service: str
) -> None:
    _, module, servicer, rpc = DOORS[service]
    method = module.DESCRIPTOR.services_by_name[servicer].methods_by_name[rpc]
    request, answer = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    who = get(suite, admin, "/v1/auth/me")["id"]
    names = [name.lower() for name in CLAIMS if not name.startswith("Grpc-")]
    claims = [tuple((name, claim) for name in names) for claim in (who, "admin", f"Bearer {admin}")]

    with grpc.insecure_channel(suite.addresses[service]) as channel:
        ask = channel.unary_unary(
            f"/{method.containing_service.full_name}/{rpc}", request.SerializeToString, answer.FromString
        )
        for metadata in ((), *claims, (("authorization", "Basic YWRtaW46YWRtaW4="),)):
            for signed_in, code in (((), "UNAUTHENTICATED"), ((("authorization", f"Bearer {visitor}"),), "PERMISSION")):
                if signed_in and metadata and metadata[0][0] == "authorization":
                    continue
                with pytest.raises(grpc.RpcError) as refusal:
                    ask(request(), metadata=(*signed_in, *metadata), timeout=5)
                assert refusal.value.code().name.startswith(code)


@pytest.mark.feature("IDN-01")
def test_no_secret_stands_in_any_log(suite: Suite, admin: str, people: dict[str, str]) -> None:
    logs = "\n".join(path.read_text() for path in Path(suite.data / "logs").glob("*.log")) + suite.said("up")

    for secret in (ADMIN_PASSWORD, FIRST, OWN, admin, people["li"]):
        assert secret not in logs


@pytest.mark.feature("EDG-10")
def test_a_service_that_is_killed_answers_again_and_readers_do_not_notice(suite: Suite, admin: str) -> None:
    customer = post(suite, admin, "/v1/customers", {"name": "连云港港务有限公司"})
    os.kill(suite.pids()["customer"], signal.SIGKILL)

    answer = suite.ask("GET", f"/v1/customers/{customer['id']}", token=admin)

    assert answer.status == 200, answer.body
