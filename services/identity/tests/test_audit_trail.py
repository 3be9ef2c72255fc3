"""The audit trail: everything announced becomes an entry, once, in the order of the stream, and stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from crm.customer.v1.customers_pb2 import Customer
from crm.identity.v1.keys_pb2 import Session
from crm.records.v1.event_pb2 import Event
from crm.records.v1.team_pb2 import TeamMember
from crm_kit import ids
from crm_kit.testing import Server, event, refused
from identity.app import SERVICE
from identity.audit import trail
from identity.audit.verify import BATCH, Stored, check

pytestmark = pytest.mark.feature("IDN-09")


@pytest.fixture
def entries(server: Server) -> Callable[..., list[Any]]:
    """The trail, oldest first, after all that identity announced so far has come back over the stream."""

    def read(condition: str = "true") -> list[Any]:
        server.deliver("identity", *server.events())
        return server.sql(f"SELECT * FROM audit_entry WHERE {condition} ORDER BY seq")

    return read


def changed(entry: Any) -> dict[str, tuple[Any, Any]]:
    return {c["field"]: (c.get("before"), c.get("after")) for c in json.loads(entry.changes)}


def whole(server: Server) -> bool:
    """Whether the chain holds, whatever anchors there are."""
    with server.service.reader.connect() as connection:
        found = check(Stored(connection), lambda: [[]])
    return found.broken is None and found.entries == server.sql("SELECT count(*) FROM audit_entry")[0][0]


def events(count: int, **fields: Any) -> list[Event]:
    """Customers made, in an order that their names tell."""
    made = [event(Customer(id=ids.uuid7(), name=f"客户{i}"), "created") for i in range(count)]
    for i, one in enumerate(made):
        one.actor_name = str(i)
        for name, value in fields.items():
            setattr(one, name, value)
    return made


def test_a_write_is_an_entry_with_who_where_and_before_and_after(server, admin, entries):
    made = admin.CreateDepartment(department={"name": "华东"})
    where = {"x-forwarded-for": "10.1.2.3", "x-request-id": "request-7"}
    admin.UpdateDepartment(
        department={"id": made.id, "name": "华南"}, update_mask={"paths": ["name"]}, etag="1", metadata=where
    )

    created, updated = entries(f"record_id = '{made.id}'")

    assert changed(created)["name"] == (None, "华东")
    assert changed(updated) == {"name": ("华东", "华南")}
    assert (updated.service, updated.kind, updated.record_type) == ("identity", "change", "department")
    assert (updated.action, updated.actor_id, updated.actor_name) == ("updated", admin.user_id, "系统管理员")
    assert (updated.address, updated.request_id) == ("10.1.2.3", "request-7")
    assert updated.session_id
    assert len(updated.trace_id) == 32


def test_a_sensitive_value_is_masked(server, admin, hire, change, entries):
    user = hire("li.na", phone="13800138000")
    change(admin, user.id, phone="13900139000")

    told = [changed(e) for e in entries(f"record_id = '{user.id}'")]

    assert told[0]["phone"] == (None, "***")
    assert told[-1]["phone"] == ("***", "***")
    assert "139001" not in str(server.sql("SELECT * FROM audit_entry"))


def test_logins_failed_logins_and_logouts_are_entries(server, sign_in, entries):
    me = sign_in("admin", device="desk")
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="admin", password="wrong", metadata={"x-forwarded-for": "10.9.9.9"})
    me.Logout()

    opened, failed, closed = entries("kind = 'session'")

    assert [e.action for e in (opened, failed, closed)] == ["opened", "refused", "closed"]
    assert (opened.actor_id, changed(opened)["device"]) == (me.user_id, (None, "desk"))
    assert (failed.actor_id, failed.record_id, failed.address) == ("", me.user_id, "10.9.9.9")
    assert changed(failed)["userId"] == (None, me.user_id)


def test_what_is_defined_for_a_record_type_is_an_entry_with_before_and_after(server, admin, entries):
    admin.CreateCustomField(
        record_type="user",
        custom_field={"key": "shirt", "kind": "text", "label_zh": "衬衫", "label_en": "Shirt"},
    )
    admin.UpdateCustomField(
        record_type="user",
        key="shirt",
        custom_field={"label_en": "T-shirt"},
        update_mask={"paths": ["label_en"]},
        etag="1",
    )

    created, updated = entries("record_type = 'custom_field'")

    assert (created.record_id, changed(created)["key"]) == ("user:shirt", (None, "shirt"))
    assert changed(updated) == {"labelEn": ("Shirt", "T-shirt")}


def test_an_export_is_an_entry_that_says_what_and_how_many(server, admin, entries):
    entries()
    admin.ExportAuditEntries(service="identity", record_type="role")

    (told,) = entries("action = 'export'")

    assert (told.kind, told.record_type, told.actor_id) == ("access", "audit_entry", admin.user_id)
    assert changed(told) == {
        "method": (None, "crm.identity.v1.AuditService.ExportAuditEntries"),
        "right": (None, "audit_entry.export"),
        "filter": (None, 'record_type = "role" AND service = "identity"'),
        "format": (None, "csv"),
        "rows": (None, str(server.sql("SELECT count(*) FROM audit_entry WHERE record_type = 'role'")[0][0])),
    }


@pytest.mark.parametrize("says_changes", [True, False], ids=["its event says what changed", "it does not"])
def test_who_joins_or_leaves_a_team_is_found_under_the_record(server, admin, says_changes):
    customer, user = ids.uuid7(), ids.uuid7()
    member = TeamMember(id=f"customer:{customer}:{user}", record_type="customer", record_id=customer, user_id=user)
    member.access, member.user_name = "write", "慕容雪"
    told = [event(member, "added"), event(member, "removed", 2)]
    if says_changes:
        told[0].changes.add(field="userId").after.string_value = user
        told[1].changes.add(field="userId").before.string_value = user
    server.deliver("customer", *told)

    left, joined = admin.ListAuditEntries(record_type="customer", record_id=customer).audit_entries

    assert (joined.action, left.action) == ("team_added", "team_removed")
    assert ("userId", user) in [(c.field, c.after.string_value) for c in joined.changes]
    assert ("userId", user) in [(c.field, c.before.string_value) for c in left.changes]
    assert says_changes or [c.field for c in joined.changes] == ["userId", "access"]
    assert "慕容雪" not in str(server.sql("SELECT * FROM audit_entry"))


def test_no_file_without_an_entry(server, admin):
    server.sql("ALTER TABLE outbox RENAME TO outbox_away")
    try:
        with refused("INTERNAL"):
            admin.ExportAuditEntries()
    finally:
        server.sql("ALTER TABLE outbox_away RENAME TO outbox")


def test_events_of_every_service_arrive_in_the_order_of_the_stream_without_a_gap(server):
    told = events(3)
    session = event(Session(id=ids.uuid7(), user_id=ids.uuid7()), "opened")
    inbox = server.service.inbox()
    assert inbox.subjects == ["crm.>"]

    server.deliver("customer", told[0])
    server.deliver("identity", session)
    server.deliver("customer", told[1], told[2])

    rows = server.sql("SELECT seq, id, service, previous_hash, hash FROM audit_entry ORDER BY seq")
    assert [(r.seq, r.id, r.service) for r in rows] == [
        (1, told[0].id, "customer"),
        (2, session.id, "identity"),
        (3, told[1].id, "customer"),
        (4, told[2].id, "customer"),
    ]
    assert [r.previous_hash for r in rows] == [trail.GENESIS, *(r.hash for r in rows[:-1])]
    assert whole(server)


def test_an_event_that_comes_again_is_no_second_entry(server):
    told = events(300)
    server.deliver("customer", *told[:200])

    server.deliver("customer", *told)
    server.sql("DELETE FROM inbox")  # long ago: the ids are forgotten, and the stream is read anew
    server.deliver("customer", *told)

    assert [r.id for r in server.sql("SELECT id FROM audit_entry ORDER BY seq")] == [e.id for e in told]
    assert whole(server)


def test_a_process_that_dies_before_its_commit_leaves_nothing_and_the_next_one_goes_on(server, monkeypatch):
    told = events(30)
    server.deliver("customer", *told[:10])

    def append_and_die(connection: Any, batch: Any) -> None:
        trail.append(connection, batch)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with monkeypatch.context() as patch:
        patch.setattr(SERVICE, "every", append_and_die)
        with pytest.raises(Exception, match="terminat"):
            server.deliver("customer", *told[10:])
    assert server.sql("SELECT count(*) FROM audit_entry")[0][0] == 10
    assert server.sql("SELECT count(*) FROM dead_letter")[0][0] == 0

    server.deliver("customer", *told[10:])

    assert [r.id for r in server.sql("SELECT id FROM audit_entry ORDER BY seq")] == [e.id for e in told]
    assert whole(server)


def test_the_same_stream_makes_the_same_chain_again(server):
    told = events(500)
    server.deliver("customer", *told)
    first = server.sql("SELECT hash FROM audit_entry ORDER BY seq")
    server.reset()

    for i in range(0, 500, 7):
        server.deliver("customer", *told[i : i + 7])

    assert server.sql("SELECT hash FROM audit_entry ORDER BY seq") == first


def test_texts_of_any_kind_keep_their_hash(server):
    told = events(1, address="\0 '\"\\\n\u2028 😀", request_id="x" * 900, acting_id=ids.uuid7())
    told[0].changes.add(field="name").after.string_value = "a\0b 中文 \\u0000"
    told[0].time.FromJsonString("0999-01-01T00:00:00.000001Z")

    server.deliver("customer", *told)

    assert whole(server)
    assert server.sql("SELECT length(request_id) FROM audit_entry")[0][0] == 500


def test_what_is_not_whole_goes_to_the_dead_letters_and_into_the_trail_when_it_is_mended(server, monkeypatch):
    told = events(3)

    def refuse_one(connection: Any, batch: Any) -> None:
        if any(e.id == told[1].id for _, e in batch):
            raise ValueError("not this one")
        trail.append(connection, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SERVICE, "every", refuse_one)
        server.deliver("customer", *told)

    assert server.service.inbox().retry_dead_letters() == (1, 0)
    assert [r.id for r in server.sql("SELECT id FROM audit_entry ORDER BY seq")] == [told[i].id for i in (0, 2, 1)]
    assert whole(server)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"],
    ids=["update", "delete", "truncate"],
)
def test_the_table_takes_nothing_but_new_entries(server, statement):
    server.deliver("customer", *events(BATCH // 100))

    with pytest.raises(Exception, match="only appended") as caught:
        server.sql(statement)

    assert isinstance(caught.value.__cause__, psycopg.errors.InsufficientPrivilege)
    assert whole(server)
