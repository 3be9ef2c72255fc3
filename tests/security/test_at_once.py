"""What an administrator changes acts at once and everywhere: through the gateway of a running suite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from crm_kit.testing.suite import Answer, Suite

pytestmark = pytest.mark.slow

FIRST, OWN = "first-password-1", "own-password-2"
PATIENCE = 20.0
"""Seconds that a change is waited for, so that a busy machine fails no test; how long it took is what is measured."""
LISTS = {
    "customer": "/v1/customers?count=exact",
    "sales": "/v1/opportunities?count=exact",
    "service-desk": "/v1/service-requests?count=exact",
    "workspace": "/v1/tasks?count=exact",
    "reporting": "/v1/reports/customer-summary?groupBy=owner",
}
"""One list of each service that has a scope."""
RIGHTS = [f"{r}.{a}" for r in ("customer", "opportunity", "service_request", "task") for a in ("read", "create")]
ALL, MINE, HOME = ([{"resource": "*", "scope": kind}] for kind in ("all", "self", "department"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    suite = Suite(tmp_path_factory.mktemp("suite"))
    suite.start()
    yield suite
    suite.stop()


@dataclass
class House:
    """A suite with its administrator, two departments, and a record in each service."""

    suite: Suite
    admin: str
    home: str
    away: str
    roles: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        return self.ask("GET", path, 200)

    def ask(self, method: str, path: str, status: int, body: Any = None) -> Any:
        answer = self.suite.ask(method, path, body, token=self.admin)
        assert answer.status == status, answer.body
        return answer.body

    def change(self, path: str, **fields: Any) -> Any:
        """Change a record in whichever version it is."""
        return self.ask("PATCH", path, 200, {**fields, "etag": self.get(path)["etag"]})

    def role(self, code: str, scopes: Any, rights: Any = (*RIGHTS, "report.read")) -> str:
        role = {"code": code, "name": code, "rights": list(rights), "scopes": scopes}
        return str(self.ask("POST", "/v1/roles", 201, role)["id"])

    def person(self, name: str, role: str) -> tuple[str, str]:
        """(path of the account, access token) of a new person at home."""
        user = {"username": name, "name": name, "departmentId": self.home, "roleIds": [role]}
        made = self.ask("POST", "/v1/users", 201, {"user": user, "initialPassword": FIRST})
        return f"/v1/users/{made['id']}", self.suite.first_login(name, FIRST, OWN)

    def fill(self, owner: str) -> None:
        """A record of somebody in each service."""
        made = self.ask("POST", "/v1/customers", 201, {"name": "苏州机械有限公司", "ownerId": owner})
        self.ask("POST", "/v1/opportunities", 201, {"title": "机床", "ownerId": owner})
        request = {"kind": "fault", "customerId": made["id"], "summary": "停机", "ownerId": owner}
        self.ask("POST", "/v1/service-requests", 201, request)
        self.ask("POST", "/v1/tasks", 201, {"title": "回电", "ownerId": owner})

    def until(self, token: str, holds: Callable[[Answer], bool], *more: str) -> dict[str, int]:
        """Milliseconds until it holds of every service's list, and of the paths named besides."""
        began, took = time.monotonic(), dict[str, int]()
        waiting = {**LISTS, **{path: path for path in more}}
        while waiting and time.monotonic() - began < PATIENCE:
            for name, path in list(waiting.items()):
                if holds(self.suite.ask("GET", path, token=token)):
                    took[name] = round((time.monotonic() - began) * 1000)
                    del waiting[name]
        assert not waiting, f"{sorted(waiting)} did not follow within {PATIENCE:.0f} s"
        return took


@pytest.fixture(scope="module")
def house(suite: Suite) -> House:
    admin = suite.login()
    root = suite.ask("GET", "/v1/departments", token=admin).body["departments"][0]["id"]
    house = House(suite, admin, root, "")
    house.home, house.away = (
        house.ask("POST", "/v1/departments", 201, {"name": name, "parentId": root})["id"] for name in ("东区", "西区")
    )
    owner, _ = house.person("owner", house.role("none", MINE))
    house.fill(owner.rpartition("/")[2])
    return house


def total(answer: Answer) -> int:
    """How many records a list or a report counts."""
    assert answer.status == 200, answer.body
    counted = answer.body.get("total", 0)
    return int(counted if isinstance(counted, int) else counted["count"])


def sees(answer: Answer) -> bool:
    return answer.status == 200 and total(answer) > 0


def sees_nothing(answer: Answer) -> bool:
    return answer.status == 200 and total(answer) == 0


def is_refused(answer: Answer) -> bool:
    return answer.status == 403


def is_out(answer: Answer) -> bool:
    return answer.status == 401


def slowest(took: dict[str, int]) -> str:
    return ", ".join(f"{name} {ms} ms" for name, ms in took.items())


@pytest.mark.figure("R45")
def test_a_right_taken_from_a_role_is_gone_everywhere_and_back_when_it_is_given_back(
    house: House, measured: Callable[[str], None]
) -> None:
    role = house.role("reader", ALL)
    _, token = house.person("reader", role)
    house.until(token, sees)

    house.change(f"/v1/roles/{role}", rights=["product.read"])
    measured(f"right taken: {slowest(house.until(token, is_refused))}")

    house.change(f"/v1/roles/{role}", rights=[*RIGHTS, "report.read"])
    measured(f"right given: {slowest(house.until(token, sees))}")


@pytest.mark.figure("R45")
def test_a_narrower_scope_shows_less_everywhere(house: House, measured: Callable[[str], None]) -> None:
    role = house.role("scoped", ALL)
    _, token = house.person("scoped", role)
    house.until(token, sees)

    house.change(f"/v1/roles/{role}", scopes=MINE)
    measured(f"scope narrowed: {slowest(house.until(token, sees_nothing))}")


@pytest.mark.figure("R45")
def test_a_person_without_the_role_may_nothing_everywhere(house: House, measured: Callable[[str], None]) -> None:
    account, token = house.person("roled", house.role("worker", ALL))
    house.until(token, sees)

    house.change(account, roleIds=[house.role("nothing", MINE, ["product.read"])])
    measured(f"role taken: {slowest(house.until(token, is_refused))}")


@pytest.mark.figure("R45")
def test_a_denial_in_person_wins_everywhere(house: House, measured: Callable[[str], None]) -> None:
    account, token = house.person("denied", house.role("denied", ALL))
    house.until(token, sees)

    house.change(account, grants=[{"right": right, "denied": True} for right in RIGHTS])
    measured(f"denied: {slowest(house.until(token, is_refused))}")


@pytest.mark.figure("R45")
@pytest.mark.feature("IDN-06")
def test_who_moves_to_another_department_leaves_its_records_behind(
    house: House, measured: Callable[[str], None]
) -> None:
    account, token = house.person("mover", house.role("local", HOME))
    house.until(token, sees)

    house.change(account, departmentId=house.away)
    measured(f"moved: {slowest(house.until(token, sees_nothing))}")


@pytest.mark.figure("R45")
@pytest.mark.feature("IDN-02")
def test_an_ended_session_is_over_everywhere(house: House, measured: Callable[[str], None]) -> None:
    _, token = house.person("leaver", house.role("leaver", ALL))
    house.until(token, sees)

    assert house.suite.ask("POST", "/v1/auth/logout", {}, token=token).status == 200
    measured(f"session ended: {slowest(house.until(token, is_out, '/v1/auth/me'))}")


@pytest.mark.figure("R45")
@pytest.mark.feature("IDN-05")
def test_a_disabled_user_is_out_everywhere(house: House, measured: Callable[[str], None]) -> None:
    account, token = house.person("disabled", house.role("disabled", ALL))
    house.until(token, sees)

    house.ask("POST", f"{account}:deactivate", 200, {"etag": house.get(account)["etag"]})
    measured(f"disabled: {slowest(house.until(token, is_out, '/v1/auth/me', '/v1/people'))}")
