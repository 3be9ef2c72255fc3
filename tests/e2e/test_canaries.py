"""What is personal goes in through the front door and is looked for in everything that the suite writes."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from stdnum.cn import ric

from crm_kit.settings import SERVICES
from crm_kit.testing.suite import Suite, eventually
from crm_records.testing import everywhere_in

pytestmark = pytest.mark.slow


class Canaries:
    """Values that stand nowhere else: each holds the mark, or is an identity number of its own."""

    def __init__(self) -> None:
        self.mark = f"{secrets.randbelow(10**8):08}"
        self.identities: list[str] = []
        self.made = 0

    def phone(self) -> str:
        self.made += 1
        return f"1{'3578'[self.made // 10 % 4]}{self.made % 10}{self.mark}"

    def text(self, form: str) -> str:
        self.made += 1
        return form.format(f"{self.mark}{self.made:02}")

    def identity(self) -> str:
        self.made += 1
        number = f"110105{1930 + secrets.randbelow(70)}{1 + secrets.randbelow(9):02}{secrets.randbelow(18) + 10}"
        number += f"{secrets.randbelow(1000):03}"
        self.identities.append(number + ric.calc_check_digit(number + "0"))
        return self.identities[-1]

    def customer(self) -> dict[str, Any]:
        phones = {name: self.phone() for name in ("phone", "fax", "mobile")}
        account, identity = self.text("6222{}00007"), self.identity()
        email, wechat = self.text("bird{}@example.com"), self.text("wx{}")
        return phones | {"bankAccount": account, "identityNumber": identity, "email": email, "wechat": wechat}

    def contact(self) -> dict[str, Any]:
        phones = {name: self.phone() for name in ("phone", "officePhone", "mobile", "homePhone", "fax")}
        family = [{"name": "王小丫", "relation": "女儿", "phone": self.phone()}]
        address, identity = self.text("临江路{}号"), self.identity()
        rest = {"email": self.text("bird{}@example.com"), "wechat": self.text("wx{}"), "homeAddress": address}
        return phones | rest | {"identityNumber": identity, "family": family}

    def user(self) -> dict[str, Any]:
        return {"phone": self.phone(), "email": self.text("bird{}@example.com")}

    @property
    def words(self) -> list[str]:
        return [self.mark, *self.identities]

    def forms(self) -> Iterator[bytes]:
        """Each as it could be stored: as text of several kinds, in hexadecimal, in base64 at any offset."""
        for word in self.words:
            plain = word.encode()
            yield from (plain, word.encode("utf-16-le"), word.encode("utf-16-be"), plain.hex().encode())
            for offset in range(3):
                encoded = base64.b64encode(b"\0" * offset + plain)
                yield encoded[4 if offset else 0 : (offset + len(plain)) // 3 * 4]


@pytest.fixture(scope="module")
def admin(suite: Suite) -> str:
    return suite.login()


@pytest.mark.figure("R51")
@pytest.mark.feature("IDN-10")
def test_what_is_personal_stands_in_no_file_no_event_no_log_and_no_error(
    suite: Suite, admin: str, databases: dict[str, Callable[..., list[Any]]], measured: Callable[[str], None]
) -> None:
    birds = Canaries()
    name = f"金丝雀{secrets.token_hex(6)}"
    bodies = write(suite, admin, birds, name)
    drained = "SELECT count(*) FROM outbox WHERE sent_time IS NULL"
    for service in ("identity", "customer"):
        with connected(suite, service) as connection:
            assert eventually(lambda c=connection: c.execute(drained).fetchone() == (0,), 30)  # type: ignore[misc]
            connection.execute("CHECKPOINT")

    forms = list(birds.forms())
    read, control, seen = 0, set(), set()
    hits = [f"an error body: {body}" for body in bodies if any(form in body for form in forms)]
    for file in files(suite.data):
        data = file.read_bytes()
        read += len(data)
        control |= {file.relative_to(suite.data).parts[0]} if name.encode() in data else set()
        if (same := hashlib.sha256(data).digest()) not in seen:  # new databases are copies of one another
            seen.add(same)
            text = data.rstrip(b"\0")
            hits += [f"{file}: {form!r}" for form in forms if form in text]
    assert control >= {"postgres", "nats"}  # what is not encrypted is found there, so the search finds
    for service, ask in databases.items():  # by their values: a long one may lie compressed in its file
        hits += [f"{service}: {place}" for place in everywhere_in(ask, *birds.words)]

    assert not hits
    measured(f"{birds.made} canaries, 0 plain hits in {read:,} bytes of files and {len(bodies)} error bodies")


def write(suite: Suite, token: str, birds: Canaries, name: str) -> list[bytes]:
    """Create, change, import, search, filter; then everything that is refused or fails: the bodies of those answers."""
    root = ok(suite, "GET", "/v1/departments", None, token)["departments"][0]["id"]
    made = {}
    for kind, values in (
        ("customers", {"name": name} | birds.customer()),
        ("contacts", {"name": "王芳"} | birds.contact()),
        ("users", {"username": f"u{birds.mark[:4]}", "name": "李雷", "departmentId": root} | birds.user()),
    ):
        if kind == "contacts":
            values["customerId"] = made["customers"]["id"]
        body = {"user": values} if kind == "users" else values
        made[kind] = ok(suite, "POST", f"/v1/{kind}", body, token, {"Idempotency-Key": f"canary-{kind}-1"})
        again = {"customers": birds.customer, "contacts": birds.contact, "users": birds.user}[kind]()
        where = f"/v1/{kind}/{made[kind]['id']}"
        changed = ok(
            suite, "PATCH", where, again | {"etag": made[kind]["etag"]}, token, {"Idempotency-Key": f"c-{kind}-2"}
        )
        assert changed["phone"] == again["phone"]
        assert ok(suite, "GET", where, None, token)["phone"] == again["phone"]
        for value in (again["phone"], again["email"]):
            listed = ok(suite, "GET", f"/v1/{kind}?search={quote(value)}", None, token)
            assert [r["id"] for r in listed[kind]] == [made[kind]["id"]]
        listed = ok(suite, "GET", f"/v1/{kind}?filter=phone%3D{quote(again['phone'])}", None, token)
        assert [r["id"] for r in listed[kind]] == [made[kind]["id"]]
    rows = [{"externalId": f"erp:{i}", "name": f"{name}{i}"} | birds.customer() for i in range(3)]
    for round_ in (1, 2):
        headers = {"Idempotency-Key": f"canary-import-{round_}"}
        answer = ok(suite, "POST", "/v1/customers:import", {"customers": rows}, token, headers)
        assert not answer.get("failed"), answer
        rows[0] |= birds.customer()
    return refusals(suite, token, birds, made)


def refusals(suite: Suite, token: str, birds: Canaries, made: dict[str, Any]) -> list[bytes]:
    """The bodies of what is wrong: with the values, with the question, with what is stored."""
    here = f"/v1/customers/{made['customers']['id']}"
    wrong: list[tuple[str, str, Any, int]] = [
        ("POST", "/v1/customers", {"name": ""} | birds.customer(), 400),
        ("POST", "/v1/customers", {"name": "甲", "phone": f"call {birds.phone()} now"}, 400),
        ("POST", "/v1/customers", {"name": "甲", "phone": int(birds.phone())}, 400),
        ("POST", "/v1/customers", {"name": "甲", "email": birds.text("no at sign {}")}, 400),
        ("POST", "/v1/customers", {"name": "甲", "identityNumber": birds.phone() + "0000000"}, 400),
        ("POST", "/v1/contacts", {"name": "甲"} | birds.contact(), 400),
        ("PATCH", here, birds.customer() | {"etag": "77"}, 412),
        ("GET", f"/v1/customers?filter=phone:{birds.phone()}", None, 400),
        ("GET", f"/v1/customers?filter=phone%20{birds.phone()}", None, 400),
        ("GET", f"/v1/customers?orderBy=phone&search={birds.phone()}", None, 400),
        ("POST", "/v1/users", {"user": {"name": "甲"} | birds.user()}, 400),
    ]
    bodies = []
    for method, path, body, status in wrong:
        answer = suite.ask(method, path, body, token=token)
        assert answer.status == status, answer.body
        bodies.append(json.dumps(answer.body, ensure_ascii=False).encode())
    with connected(suite, "customer") as connection:
        connection.execute("UPDATE customer SET fax = phone WHERE id = %s", [made["customers"]["id"]])
        connection.execute("ALTER TABLE contact ADD CONSTRAINT canary CHECK (name <> '赵强')")
    answer = suite.ask("GET", here, token=token)
    bodies.append(json.dumps(answer.body).encode())
    values = {"name": "赵强", "customerId": made["customers"]["id"]} | birds.contact()
    failed = suite.ask("POST", "/v1/contacts", values, token=token)
    bodies.append(json.dumps(failed.body).encode())
    assert (answer.status, failed.status) == (500, 500), failed.body
    with connected(suite, "customer") as connection:
        connection.execute("ALTER TABLE contact DROP CONSTRAINT canary")
        connection.execute("UPDATE customer SET fax = NULL WHERE id = %s", [made["customers"]["id"]])
    assert any("赵强" not in line and "CheckViolation" in line for line in suite.log("customer"))
    return bodies


def ok(suite: Suite, method: str, path: str, body: Any, token: str, headers: dict[str, str] | None = None) -> Any:
    answer = suite.ask(method, path, body, token=token, headers=headers)
    assert answer.status in (200, 201), answer.body
    return answer.body


def files(folder: Path) -> Iterator[Path]:
    """Everything the suite keeps: databases with their write-ahead log, the events, the logs."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def connected(suite: Suite, service: str) -> psycopg.Connection[Any]:
    """A service's database as its superuser sees it."""
    password = json.loads((suite.data / "secrets.json").read_text())["postgres"]
    place = f"127.0.0.1:{suite.environment['POSTGRES_PORT']}/{service.replace('-', '_')}"
    return psycopg.connect(f"postgresql://postgres:{quote(password)}@{place}", autocommit=True)


@pytest.mark.long
@pytest.mark.feature("IDN-10")
def test_an_operator_changes_every_key_while_the_suite_runs(suite: Suite, admin: str) -> None:
    birds = Canaries()
    values = {"name": "换钥匙"} | birds.customer()
    made = ok(suite, "POST", "/v1/customers", values, admin, {"Idempotency-Key": "keys-1-create"})

    for words in (("keys", "rotate"), ("keys", "rotate", "--master"), ("keys", "status")):
        assert suite.run(*words).wait(300) == 0, suite.said("keys")

    lines = [line.split() for line in suite.said("keys").splitlines()]
    states = {(line[0], line[1]): line[6] for line in lines if line and line[0] in SERVICES}
    assert {states[name, key] for name in SERVICES for key in ("1", "2")} == {"retired"}
    assert {states[name, key] for name in SERVICES for key in ("3", "4")} == {"in"}
    here = f"/v1/customers/{made['id']}"
    assert ok(suite, "GET", here, None, admin)["bankAccount"] == values["bankAccount"]
    found = ok(suite, "GET", f"/v1/customers?search={values['mobile']}", None, admin)["customers"]
    assert [one["id"] for one in found] == [made["id"]]
    again = ok(suite, "POST", "/v1/customers", values, admin, {"Idempotency-Key": "keys-1-create"})
    assert again["id"] == made["id"]
    ok(suite, "PATCH", here, {"phone": birds.phone(), "etag": made["etag"]}, admin)
