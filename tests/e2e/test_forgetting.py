"""What was erased is looked for in everything that the suite keeps, the event stream among it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm_cli.folder import Folder
from crm_cli.settings import SERVICES, Settings
from crm_cli.topology import Topology
from crm_kit.testing.suite import Suite, eventually
from crm_records.testing import everywhere_in

Databases = dict[str, Callable[..., list[Any]]]

PATIENCE = 120
OTHERS = "旁观者有限公司"


class Api:
    """The administrator over HTTP."""

    def __init__(self, suite: Suite) -> None:
        self.suite, self.token = suite, suite.login()

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.suite.ask(method, path, body, token=self.token)
        assert answer.status in (200, 201), answer.body
        return answer.body


class Canary:
    """A word that stands nowhere else, and how often it was given."""

    def __init__(self) -> None:
        self.mark, self.made = f"jsq{secrets.token_hex(6)}", 0

    def __call__(self) -> str:
        self.made += 1
        return f"{self.mark}{self.made:02}"


@pytest.fixture(scope="module")
def api(suite: Suite) -> Api:
    return Api(suite)


def in_stream(suite: Suite, word: str) -> list[str]:
    """Files of NATS that hold a word."""
    files = (f for f in (suite.data / "nats").rglob("*") if f.is_file())
    return [f.name for f in files if word.encode() in f.read_bytes()]


def in_tables(databases: Databases, word: str) -> set[str]:
    return {f"{service}: {place}" for service, ask in databases.items() for place in everywhere_in(ask, word)}


def personal(api: Api, canary: Canary, kind: str) -> list[tuple[str, str]]:
    """One of each kind of record that tells of a person, changed and changed again; the persons, as (type, id)."""
    root = api("GET", "/v1/departments")["departments"][0]["id"]
    firm = api("POST", "/v1/customers", {"name": OTHERS})
    person = api("POST", "/v1/customers", {"name": canary(), "kind": "individual", "address": canary()})
    contact = api("POST", "/v1/contacts", {"customerId": firm["id"], "name": canary(), "profile": canary()})
    part = api("POST", "/v1/contacts", {"customerId": person["id"], "name": canary(), "remarks": canary()})
    demand = api("POST", "/v1/demands", {"customerId": person["id"], "kind": kind, "description": canary()})
    talk = {"customerId": person["id"], "kind": "call", "subject": canary(), "content": canary()}
    interaction = api("POST", "/v1/interactions", talk)
    about = {"recordType": "contact", "recordId": contact["id"], "recordTitle": canary()}
    task = api("POST", "/v1/tasks", {"title": "回访", **about})
    deal = api("POST", "/v1/opportunities", {"title": "茶具", "customerId": person["id"], "expectedAmount": "1000"})
    api("POST", f"/v1/opportunities/{deal['id']}:win", {"etag": deal["etag"], "wonAmount": "700"})
    user = {"username": canary(), "name": canary(), "position": canary(), "departmentId": root}
    user = api("POST", "/v1/users", {"user": user, "initialPassword": "first-password-1"})
    api.suite.login(user["username"], "first-password-1")
    for path, made, field in (
        ("customers", person, "address"),
        ("contacts", contact, "profile"),
        ("contacts", part, "remarks"),
        ("demands", demand, "description"),
        ("interactions", interaction, "content"),
        ("tasks", task, "recordTitle"),
        ("users", user, "position"),
    ):
        made |= api("PATCH", f"/v1/{path}/{made['id']}", {field: canary(), "etag": made["etag"]})
    api("POST", f"/v1/users/{user['id']}:deactivate", {"etag": user["etag"]})
    for path, stays, more in (
        ("contacts", contact, {"customerId": firm["id"]}),
        ("customers", person, {"kind": "individual"}),
    ):
        double = api("POST", f"/v1/{path}", {"name": canary(), "remarks": canary(), **more})
        about = {"recordType": path.removesuffix("s"), "recordId": double["id"], "recordTitle": canary()}
        api("POST", "/v1/tasks", {"title": "核对", **about})
        merged = [{"id": double["id"], "etag": double["etag"]}]
        api("POST", f"/v1/{path}/{stays['id']}:merge", {"etag": stays["etag"], "merged": merged})
    return [("customer", person["id"]), ("contact", contact["id"]), ("user", user["id"])]


def erase(api: Api, subject_type: str, subject_id: str) -> Any:
    body = {"kind": "erasure", "subjectType": subject_type, "subjectId": subject_id, "reason": "PIPL 47"}
    made = api("POST", "/v1/privacy-requests", {**body, "requestedBy": "本人来信"})
    here = f"/v1/privacy-requests/{made['id']}"
    assert eventually(lambda: not api("GET", here).get("waitingFor"), PATIENCE)
    api("POST", f"{here}:start", {"etag": api("GET", here)["etag"]})
    assert eventually(lambda: api("GET", here)["state"] == "done", PATIENCE), api("GET", here)
    return api("GET", here)


def figures(api: Api) -> str:
    """The lines of reports that count customers and what they bought, without the names."""
    found = []
    for report, group in (
        ("customer-summary", "type"),
        ("customer-summary", "owner"),
        ("opportunity-summary", "customer"),
        ("opportunity-summary", "owner"),
    ):
        rows = api("GET", f"/v1/reports/{report}?groupBy={group}").get("rows", [])
        found.append(sorted(json.dumps({n: v for n, v in row.items() if n != "label"}) for row in rows))
    return json.dumps(found)


@pytest.mark.feature("IDN-13")
def test_what_was_erased_stands_in_no_file_of_the_stream_and_in_no_table(
    suite: Suite, api: Api, databases: Databases, measured: Callable[[str], None]
) -> None:
    canary = Canary()
    kinds = databases["customer"]("SELECT code FROM dictionary_entry WHERE dictionary = 'demand_kind' LIMIT 1")
    persons = personal(api, canary, kinds[0][0])

    def waiting() -> bool:
        return any(ask("SELECT 1 FROM outbox WHERE sent_time IS NULL LIMIT 1") for ask in databases.values())

    assert eventually(lambda: not waiting(), PATIENCE)
    assert in_stream(suite, canary.mark)
    assert "customer: outbox.payload" in in_tables(databases, canary.mark)
    assert eventually(lambda: "700.00" in figures(api), PATIENCE), figures(api)
    before = figures(api)

    done = [erase(api, *person) for person in persons]

    assert in_stream(suite, canary.mark) == []
    assert in_tables(databases, canary.mark) <= {"identity: audit_entry.actor_name"}
    assert in_stream(suite, OTHERS)  # what was not erased is found there, so the search finds
    assert suite.run("audit", "verify").wait(PATIENCE) == 0, suite.said("audit")
    removed = sum(p.get("streamMessages", 0) for d in done for p in d["parts"])
    assert removed >= canary.made // 2
    rebuild(suite)
    assert figures(api) == before
    restored(suite, api, databases, persons, canary)
    measured(f"{canary.made} canaries, {removed} events taken out: 0 hits in NATS files and outboxes; reports equal")


def rebuild(suite: Suite) -> None:
    """Reports made again from what the stream holds now."""
    topology = Topology(Settings.read(suite.environment), Folder(Path(suite.data)))
    reporting = next(s for s in SERVICES if s.name == "reporting")
    command = [sys.executable, "-m", "reporting", "rebuild"]
    done = subprocess.run(
        command, env=topology.environment(reporting), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr


def restored(suite: Suite, api: Api, databases: Databases, persons: list[tuple[str, str]], canary: Canary) -> None:
    """Rows come back as from a backup; the list of erasures is carried out again, also where identity lost it."""
    assert suite.run("erasures", "list").wait(PATIENCE) == 0, suite.said("erasures")
    kept = suite.said("erasures")
    assert {json.loads(line)["subjectId"] for line in kept.splitlines()} >= {person_id for _, person_id in persons}
    (suite.place / "kept.jsonl").write_text(kept)
    contact_id = persons[1][1]
    databases["customer"]("UPDATE contact SET name = :name WHERE id = :id", name=canary(), id=contact_id)
    databases["identity"]("DELETE FROM privacy_request WHERE subject_id = :id", id=contact_id)
    assert in_tables(databases, canary.mark) - {"identity: audit_entry.actor_name"}

    command = suite.run("erasures", "again", "--file", str(suite.place / "kept.jsonl"))

    assert command.wait(PATIENCE * 2) == 0, suite.said("erasures")
    assert f"{len(kept.splitlines())} carried out, 0 not." in suite.said("erasures")
    assert in_tables(databases, canary.mark) <= {"identity: audit_entry.actor_name"}
    assert in_stream(suite, canary.mark) == []
