"""Somebody leaves, and somebody asks to be forgotten: through the front door, over every service."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from crm_kit.testing.suite import Suite, eventually
from crm_records.testing import everywhere_in

pytestmark = pytest.mark.slow

FIRST, OWN = "first-password-1", "own-password-2"
PATIENCE = 90
BY_LAW = ("audit",)
"""Tables of this name keep what the law asks."""


class Person:
    """Somebody signed in over HTTP."""

    def __init__(self, suite: Suite, token: str, user_id: str = "") -> None:
        self.suite, self.token, self.id = suite, token, user_id

    def get(self, path: str) -> Any:
        answer = self.suite.ask("GET", path, token=self.token)
        assert answer.status == 200, answer.body
        return answer.body

    def post(self, path: str, body: Any) -> Any:
        answer = self.suite.ask("POST", path, body, token=self.token)
        assert answer.status in (200, 201), answer.body
        return answer.body

    def act(self, path: str, of: Any, **body: Any) -> Any:
        return self.post(path, {"etag": of["etag"], **body})

    def all(self, path: str, name: str) -> list[Any]:
        return list(self.get(f"{path}{'&' if '?' in path else '?'}pageSize=200").get(name, []))


@pytest.fixture(scope="module")
def admin(suite: Suite) -> Person:
    return Person(suite, suite.login())


@pytest.fixture(scope="module")
def hire(suite: Suite, admin: Person) -> Callable[..., Person]:
    roles = {r["code"]: r["id"] for r in admin.get("/v1/roles?pageSize=100")["roles"]}
    root = admin.get("/v1/departments")["departments"][0]["id"]

    def make(username: str, name: str, role: str = "account_manager") -> Person:
        user = {"username": username, "name": name, "departmentId": root, "roleIds": [roles[role]]}
        made = admin.post("/v1/users", {"user": user, "initialPassword": FIRST})
        return Person(suite, suite.first_login(username, FIRST, OWN), made["id"])

    return make


def won(reader: Person) -> dict[str, Decimal]:
    rows = reader.get("/v1/reports/opportunity-summary?groupBy=owner").get("rows", [])
    return {row["key"]: Decimal(row["wonAmount"]) for row in rows if row.get("wonCount")}


@pytest.mark.feature("IDN-05")
def test_a_handover_over_all_services_and_back(admin: Person, hire: Any, measured: Any) -> None:
    leaver, one, two = hire("leaver", "离职者"), hire("taker.one", "接收甲"), hire("taker.two", "接收乙")
    customers = [leaver.post("/v1/customers", {"name": f"交接客户{n}有限公司"}) for n in range(8)]
    deals = [
        leaver.post("/v1/opportunities", {"title": f"交接商机{n}", "customerId": c["id"], "expectedAmount": "1000"})
        for n, c in enumerate(customers)
    ]
    leaver.act(f"/v1/opportunities/{deals[0]['id']}:win", deals[0], wonAmount="700")
    leaver.act(f"/v1/opportunities/{deals[1]['id']}:win", deals[1], wonAmount="300")
    asked = {"kind": "fault", "customerId": customers[0]["id"], "summary": "停机", "ownerId": leaver.id}
    admin.post("/v1/service-requests", asked)
    for n in range(3):
        leaver.post("/v1/tasks", {"title": f"回访{n}", "recordType": "customer", "recordId": customers[n]["id"]})
    assert eventually(lambda: won(admin).get(leaver.id) == 1000, PATIENCE)
    total = sum(won(admin).values())

    has = admin.get(f"/v1/users/{leaver.id}/belongings")
    assert not has.get("missing")
    owned = {b["recordType"]: b.get("owned", 0) for b in has["belongings"]}
    assert {t: n for t, n in owned.items() if n} == {"customer": 8, "opportunity": 8, "service_request": 1, "task": 3}
    takers = [{"toUserId": one.id}, {"toUserId": two.id}]
    plan = admin.post("/v1/handovers", {"fromUserId": leaver.id, "assignments": takers, "reason": "离职"})
    here = f"/v1/handovers/{plan['id']}"
    assert eventually(lambda: not admin.get(here).get("waitingFor"), PATIENCE)
    preview = admin.get(here)
    assert {p["recordType"]: p.get("counted", 0) for p in preview["parts"] if p["service"] != "identity"} == owned
    assert len(leaver.all("/v1/customers", "customers")) == 8

    admin.act(f"{here}:start", preview)

    assert eventually(lambda: admin.get(here)["state"] == "done", PATIENCE), admin.get(here)
    done = admin.get(here)
    moved = {p["recordType"]: p.get("moved", 0) for p in done["parts"] if p["service"] != "identity"}
    assert moved == owned
    assert leaver.all("/v1/customers", "customers") == leaver.all("/v1/opportunities", "opportunities") == []
    for taker in (one, two):
        mine = {c["id"] for c in taker.all("/v1/customers", "customers")}
        assert {d["customerId"] for d in taker.all("/v1/opportunities", "opportunities")} == mine
        got = sum(t["moved"] for p in done["parts"] for t in p.get("taken", []) if t["userId"] == taker.id)
        items = [taker.all(f"{here}/items/{kind}", "items") for kind in owned if owned[kind]]
        assert sum(map(len, items)) == got
        told = [("handover_taken", got)] if got else []  # which customers go to whom is a matter of their ids
        assert hears(taker, told), inbox(taker)
    assert hears(leaver, [("handover_given", sum(owned.values()))]), inbox(leaver)

    now = next(
        t for t in (one, two) if any(d["id"] == deals[2]["id"] for d in t.all("/v1/opportunities", "opportunities"))
    )
    opened = now.get(f"/v1/opportunities/{deals[2]['id']}")
    assert (opened["stage"], opened["stageEnterTime"]) == (deals[2]["stage"], deals[2]["stageEnterTime"])
    now.act(f"/v1/opportunities/{opened['id']}:win", opened, wonAmount="500")
    assert eventually(lambda: won(admin).get(now.id) == 500, PATIENCE), won(admin)
    assert won(admin)[leaver.id] == 1000
    assert sum(won(admin).values()) == total + 500

    admin.act(f"{here}:undo", done)

    assert eventually(lambda: admin.get(here)["state"] == "undone", PATIENCE), admin.get(here)
    undone = {p["recordType"]: (p.get("undone", 0), p.get("kept", 0)) for p in admin.get(here)["parts"]}
    assert undone["opportunity"] == (7, 1)
    assert undone["customer"] == (8, 0)
    assert len(leaver.all("/v1/customers", "customers")) == 8
    kept = admin.all(f"{here}/items/opportunity?outcome=kept", "items")
    assert [i["recordId"] for i in kept] == [opened["id"]]
    assert eventually(lambda: won(admin).get(leaver.id) == 1000 and won(admin).get(now.id) == 500, PATIENCE), won(admin)
    measured(f"{sum(moved.values())} records moved over 4 services; 1,000 stayed credited, 500 to the taker; 1 kept")


def hears(who: Person, told: list[tuple[str, int]]) -> bool:
    return eventually(lambda: inbox(who) == told, PATIENCE)


def inbox(who: Person) -> list[tuple[str, int]]:
    told = who.get("/v1/notifications").get("notifications", [])
    return [(n["kind"], n["records"]) for n in told if n["kind"].startswith("handover")]


@pytest.mark.feature("IDN-13")
def test_what_was_erased_stands_in_no_database(
    admin: Person, hire: Any, databases: dict[str, Callable[..., list[Any]]], measured: Any
) -> None:
    customer = admin.post("/v1/customers", {"name": "绍兴黄酒有限公司"})
    words = {"name": "东方未明月", "mobile": "13700001111", "remarks": "左撇子爱下棋", "birthplace": "乌镇西栅"}
    contact = admin.post("/v1/contacts", {"customerId": customer["id"], **words})
    deal = admin.post(
        "/v1/opportunities", {"title": "黄酒", "customerId": customer["id"], "contactIds": [contact["id"]]}
    )
    about = {"recordType": "contact", "recordId": contact["id"], "recordTitle": words["name"]}
    admin.post("/v1/tasks", {"title": "寄样品", **about})

    def places(*words: str) -> dict[str, list[str]]:
        found = {name: everywhere_in(ask, *words) for name, ask in databases.items()}
        return {n: kept for n, where in found.items() if (kept := [w for w in where if not w.startswith(BY_LAW)])}

    assert set(places(words["name"])) >= {"customer", "workspace"}
    export = admin.get(f"/v1/persons/contact/{contact['id']}/data")
    assert {(r["service"], r["recordType"], r["relation"]) for r in export["records"]} == {
        ("customer", "contact", "subject"),
        ("sales", "opportunity", "reference"),
        ("workspace", "task", "about"),
    }
    body = {"kind": "erasure", "subjectType": "contact", "subjectId": contact["id"]}
    made = admin.post("/v1/privacy-requests", {**body, "reason": "个人信息保护法第四十七条", "requestedBy": "本人来信"})
    here = f"/v1/privacy-requests/{made['id']}"
    assert eventually(lambda: not admin.get(here).get("waitingFor"), PATIENCE)
    preview = {p["service"]: p.get("found", []) for p in admin.get(here)["parts"]}
    assert eventually(
        lambda: not any(ask("SELECT 1 FROM outbox WHERE sent_time IS NULL") for ask in databases.values())
    )

    admin.act(f"{here}:start", admin.get(here))

    assert eventually(lambda: admin.get(here)["state"] == "done", PATIENCE), admin.get(here)
    done = admin.get(here)
    assert {p["service"]: p.get("found", []) for p in done["parts"]} == preview
    assert len(done["reportHash"]) == 64
    assert places(*words.values()) == {}
    assert admin.get(f"/v1/contacts/{contact['id']}")["name"] == "已抹除 (erased)"
    assert admin.get(f"/v1/opportunities/{deal['id']}")["contactIds"] == [contact["id"]]
    assert not any(word in str(done) for word in words.values())
    erased = sum(f.get("erased", 0) for p in done["parts"] for f in p.get("found", []))
    measured(f"{erased} records emptied; {len(words)} values in 0 places of {len(databases)} databases")
