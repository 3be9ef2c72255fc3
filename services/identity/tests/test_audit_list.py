"""Reading the audit trail: who may, what one finds, page by page and as a file; anchors; the check over gRPC."""

from __future__ import annotations

import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from crm.customer.v1.customers_pb2 import Customer
from crm.identity.v1.keys_pb2 import Session
from crm_kit import ids
from crm_kit.testing import Server, event, refused
from identity.audit import anchors, listing
from identity.rpc import audit as audit_rpc

pytestmark = pytest.mark.feature("IDN-09")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the anchors of a test lie."""
    place = tmp_path / "kept" / "anchors.jsonl"
    monkeypatch.setenv("AUDIT_ANCHORS", str(place))
    return place


@pytest.fixture
def happened(server: Server) -> Callable[..., str]:
    """Something that somebody did with a customer becomes an entry; its id."""

    def make(action: str = "updated", *, record_id: str = "", service: str = "customer", **fields: Any) -> str:
        told = event(Customer(id=record_id or ids.uuid7(), name="客户"), action)
        for name, value in fields.items():
            if name == "time":
                told.time.FromJsonString(value)
            else:
                setattr(told, name, value)
        server.deliver(service, told)
        return str(told.id)

    return make


def found(client: Any, **conditions: Any) -> list[str]:
    return [e.id for e in client.ListAuditEntries(page_size=200, **conditions).audit_entries]


def anchor(server: Server, by: anchors.Anchors) -> None:
    server.service.act(by.write)


def test_only_who_has_the_right_reads_exports_and_checks(server, employ):
    clerk, auditor = employ("clerk", ["user.*"]), employ("auditor", ["audit_entry.read"])

    for ask in (clerk.ListAuditEntries, clerk.GetAuditEntry, clerk.VerifyAudit, auditor.ExportAuditEntries):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            ask()

    assert auditor.ListAuditEntries().audit_entries == []


def test_of_the_roles_to_start_with_only_the_administrator_of_the_system_may(server):
    told = server.sql(
        "SELECT code FROM role WHERE 'audit_entry.read' = ANY(rights) OR rights && ARRAY['*', 'audit_entry.*']"
    )

    assert [row.code for row in told] == ["system_admin"]


def test_entries_are_found_by_record_person_action_service_kind_and_time(server, admin, happened):
    record, user, other = ids.uuid7(), ids.uuid7(), ids.uuid7()
    one = happened("created", record_id=record, actor_id=user, time="2026-03-01T08:00:00Z")
    two = happened("won", service="sales", actor_id=other, acting_id=user, time="2026-03-02T08:00:00Z")
    session = event(Session(id=ids.uuid7(), user_id=user), "opened")
    session.time.FromJsonString("2026-03-03T08:00:00Z")
    server.deliver("identity", session)

    assert found(admin) == [session.id, two, one]
    assert found(admin, record_type="customer", record_id=record) == [one]
    assert found(admin, user_id=user) == [two, one]
    assert found(admin, user_id=other) == [two]
    assert found(admin, action="won") == found(admin, service="sales") == [two]
    assert found(admin, kind="session") == found(admin, record_type="session") == [session.id]
    second, third = (datetime(2026, 3, day, 8, tzinfo=UTC) for day in (2, 3))
    assert found(admin, start_time=second, end_time=third) == [two]
    assert found(admin, record_id=record, action="won") == []
    assert admin.GetAuditEntry(id=two).acting_id == user


def test_an_entry_tells_all_that_is_known(server, admin, happened):
    entry_id = happened(
        actor_name="李娜", address="10.0.0.1", session_id="s", request_id="r", trace_parent="00-" + "a" * 50
    )

    entry = admin.GetAuditEntry(id=entry_id)

    assert (entry.seq, entry.actor_name, entry.address, entry.request_id) == (1, "李娜", "10.0.0.1", "r")
    assert (entry.previous_hash, entry.etag, entry.trace_id) == ("0" * 64, entry.hash, "a" * 32)
    with refused("NOT_FOUND"):
        admin.GetAuditEntry(id=ids.uuid7())
    with refused("NOT_FOUND"):
        admin.GetAuditEntry(id="x")


def test_the_scope_says_whose_acts_one_sees(server, admin, employ, happened):
    leader = employ("leader", ["audit_entry.read", "audit_entry.export"], "subordinates")
    below = employ("below", ["user.read"], manager_id=leader.user_id)
    seen, unseen = happened(actor_id=below.user_id), happened(actor_id=admin.user_id)

    assert found(leader) == [seen]
    assert found(leader, user_id=admin.user_id) == []
    with refused("NOT_FOUND"):
        leader.GetAuditEntry(id=unseen)
    assert unseen.encode() not in leader.ExportAuditEntries().data


@pytest.mark.parametrize("conditions", [{}, {"action": "updated"}, {"user_id": "01900000-0000-7000-8000-000000000001"}])
def test_pages_neither_skip_nor_repeat_also_while_entries_come(server, admin, happened, conditions):
    user = "01900000-0000-7000-8000-000000000001"
    made = [happened(actor_id=user, time="2026-03-01T08:00:00Z") for _ in range(25)]
    seen, token = [], ""
    while True:
        page = admin.ListAuditEntries(page_size=4, page_token=token, **conditions)
        seen += [e.id for e in page.audit_entries]
        token = page.next_page_token
        if not token:
            break
        happened(actor_id=user, time="2026-03-02T08:00:00Z")

    assert seen == made[::-1]


def test_a_wrong_condition_is_refused_by_name(admin, happened):
    for _ in range(3):
        happened()
    token = admin.ListAuditEntries(page_size=1).next_page_token

    with refused("INVALID_ARGUMENT", "INVALID", "kind", "userId"):
        admin.ListAuditEntries(kind="other", user_id="me")
    with refused("INVALID_ARGUMENT", "INVALID", "startTime"):
        admin.ListAuditEntries(start_time=Timestamp(seconds=2**60))
    with refused("INVALID_ARGUMENT", "INVALID", "pageSize"):
        admin.ListAuditEntries(page_size=201)
    for wrong in (token[:-4], "x", "W10="):
        with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
            admin.ListAuditEntries(page_token=wrong)
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        admin.ListAuditEntries(page_token=token, action="updated")


def test_the_file_has_every_entry_and_no_formula(server, admin, happened):
    for name in ("=cmd()", "+1", "-1", "@sum", "\tx", "\rx", "李娜", 'a,"b"\nc'):
        happened(actor_name=name)

    body = admin.ExportAuditEntries()

    assert body.content_type == "text/csv; charset=utf-8"
    head, *lines = csv.reader(io.StringIO(body.data.decode("utf-8-sig"), newline=""))
    names = [dict(zip(head, line, strict=True))["actorName"] for line in lines]
    assert names[::-1] == ["'=cmd()", "'+1", "'-1", "'@sum", "'\tx", "'\rx", "李娜", 'a,"b"\nc']
    assert dict(zip(head, lines[-1], strict=True))["hash"] == admin.ListAuditEntries().audit_entries[-1].hash


def test_more_than_fits_into_a_file_is_refused_rather_than_left_out(admin, happened, monkeypatch):
    monkeypatch.setattr(listing, "EXPORTED", 3)
    for _ in range(4):
        happened()

    with refused("FAILED_PRECONDITION", "EXPORT_TOO_LARGE"):
        admin.ExportAuditEntries()
    happened("won")
    assert admin.ExportAuditEntries(action="won").data.count(b"\n") == 2


def test_an_anchor_is_written_at_the_start_and_when_the_newest_entry_moved(server, happened, file):
    mine = anchors.Anchors()
    anchor(server, mine)
    assert not file.exists()
    happened()
    for _ in range(3):
        anchor(server, mine)
    happened()
    anchor(server, mine)
    anchor(server, anchors.Anchors())  # another process begins

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    head = server.sql("SELECT hash FROM audit_entry ORDER BY seq")
    assert [(line["seq"], line["hash"]) for line in lines] == [(1, head[0].hash), (2, head[1].hash), (2, head[1].hash)]
    assert all(line["time"].endswith("+00:00") for line in lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_anchors_lie_in_the_data_folder_unless_told(monkeypatch):
    monkeypatch.setenv("AUDIT_ANCHORS", "")
    monkeypatch.setenv("CRM_DATA", "/srv/crm")

    assert anchors.file() == Path("/srv/crm/audit/anchors.jsonl")


def test_several_processes_append_to_one_file(file):
    writes = (
        "import sys; from identity.audit.anchors import Anchor, append\n"
        "for i in range(200): append(Anchor(i + 1, sys.argv[1] * 64, 'now'))"
    )
    running = [subprocess.Popen([sys.executable, "-c", writes, letter]) for letter in "abc"]
    assert [process.wait(120) for process in running] == [0, 0, 0]

    read = [a for some in anchors.read() for a in some]
    assert len(read) == 600
    assert {a.hash for a in read} == {letter * 64 for letter in "abc"}


def test_a_line_that_was_not_written_whole_is_no_anchor(server, happened, file):
    happened()
    anchor(server, anchors.Anchors())
    with file.open("a") as lines:
        lines.write('{"seq": 1, "ha\n\n[]\n{"seq": "x", "hash": 1}\n')

    assert [a.seq for some in anchors.read() for a in some] == [1]


def test_the_check_says_what_is_checked_and_names_the_first_broken_entry(server, admin, happened, monkeypatch):
    monkeypatch.setattr(audit_rpc, "AT_ONCE", 4)
    for _ in range(10):
        happened()
    anchor(server, anchors.Anchors())

    first = admin.VerifyAudit()
    second = admin.VerifyAudit(start_seq=first.next_seq)
    last = admin.VerifyAudit(start_seq=second.next_seq)

    assert [(p.entries, p.end_seq, p.next_seq, p.anchors) for p in (first, second, last)] == [
        (4, 4, 5, 0),
        (4, 8, 9, 0),
        (2, 10, 0, 1),
    ]
    assert last.head_seq == 10
    assert not any(p.HasField("broken") for p in (first, second, last))
    with refused("INVALID_ARGUMENT", "INVALID", "startSeq"):
        admin.VerifyAudit(start_seq=-1)

    server.sql("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_stays")
    server.sql("UPDATE audit_entry SET actor_name = 'x' WHERE seq = 7")
    server.sql("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_stays")
    broken = admin.VerifyAudit(start_seq=5, metadata={"accept-language": "en"})

    assert (broken.broken.seq, broken.broken.what, broken.next_seq) == (7, "hash", 0)
    assert broken.broken.message == "Entry 7 is not what its hash says"


def test_anchors_that_cannot_be_read_are_told(server, admin, happened, file):
    happened()
    file.mkdir(parents=True)

    with refused("UNAVAILABLE", "ANCHORS_UNREADABLE"):
        admin.VerifyAudit()


def test_an_entry_that_was_tampered_with_is_still_shown(server, admin, happened):
    entry_id = happened()
    server.sql("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_stays")
    server.sql("UPDATE audit_entry SET changes = '{\"x'")
    server.sql("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_stays")

    assert admin.GetAuditEntry(id=entry_id).changes[0].after.string_value == '{"x'
