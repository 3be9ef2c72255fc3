"""Privacy requests as identity decides them, the proof of them, and what becomes of an erased user."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1.privacy_pb2 import PrivacyFound, PrivacyPart
from crm_kit import ids
from crm_kit.codec import to_dict
from crm_kit.testing import Client, Server, event, refused
from crm_records.testing import everywhere_in
from identity.contract import services_with_records
from identity.privacy_requests import report_hash

pytestmark = pytest.mark.feature("IDN-13")

BODY = {"kind": "erasure", "reason": "个人信息保护法第四十七条", "requested_by": "本人来信"}


@pytest.fixture
def others(server: Server) -> Callable[..., None]:
    """Every other service says its part."""

    def say(request: Any, state: str, version: int, **fields: Any) -> None:
        for name in services_with_records():
            if name != "identity":
                part = PrivacyPart(id=ids.uuid7(), request_id=request.id, service=name, state=state, **fields)
                server.deliver(name, event(part, state, version))

    return say


@pytest.fixture
def own(server: Server) -> Callable[[], None]:
    """Identity hears what it announced itself."""
    heard = {"privacy_request": 0, "privacy_part": 0}

    def hear() -> None:
        for record_type in heard:
            told = server.events(record_type)
            server.deliver("identity", *told[heard[record_type] :]) if told[heard[record_type] :] else None
            heard[record_type] = len(told)

    return hear


def test_a_request_is_counted_carried_out_and_proven(
    admin: Client, server: Server, hire: Any, others: Any, own: Any, measured: Any
) -> None:
    made = admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "contact", "subject_id": ids.uuid7()})
    assert (made.state, made.number[:2], set(made.waiting_for)) == ("preview", "YS", set(services_with_records()))
    with refused("FAILED_PRECONDITION", "NOT_COUNTED"):
        admin.StartPrivacyRequest(id=made.id, etag=made.etag)
    own()
    others(made, "counted", 1, found=[PrivacyFound(record_type="contact", relation="subject", records=1, erased=1)])

    running = admin.StartPrivacyRequest(id=made.id, etag=made.etag)
    assert running.state == "running"
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        admin.StartPrivacyRequest(id=made.id, etag=running.etag)
    own()
    others(running, "done", 2, found=[PrivacyFound(record_type="contact", relation="subject", records=1, erased=1)])

    done = admin.GetPrivacyRequest(id=made.id)
    assert done.state == "done"
    assert {p.service for p in done.parts} == set(services_with_records())
    proven = ("id", "number", "kind", "subjectType", "subjectId", "reason", "requestedBy", "creatorId")
    shown = json.loads(json.dumps(to_dict(done)))
    row = server.sql("SELECT start_time, finish_time FROM privacy_request")[0]
    report = {
        **{snake: shown[camel] for camel, snake in zip(proven, map(_snake, proven), strict=True)},
        "start_time": _stamp(row.start_time),
        "finish_time": _stamp(row.finish_time),
        "parts": server.sql("SELECT parts FROM privacy_request")[0][0],
    }
    assert done.report_hash == report_hash(report)
    assert done.report_hash != report_hash({**report, "reason": "别的"})
    assert server.events("privacy_request")[-1].action == "done"
    measured(f"{len(done.parts)} services, proof {done.report_hash[:12]}…")


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _stamp(moment: Any) -> str:
    from crm_records.rows import plain

    return str(plain(moment))


def test_an_erasure_can_be_repeated_after_a_restore_and_an_export_cannot(
    admin: Client, server: Server, hire: Any, others: Any, own: Any
) -> None:
    person = hire("simaqs", "account_manager", name="司马青衫")
    made = admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "user", "subject_id": person.id})
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        admin.RepeatPrivacyRequest(id=made.id, etag=made.etag)
    own()
    others(made, "counted", 1)
    admin.DeactivateUser(id=person.id, etag=admin.GetUser(id=person.id).etag)
    backup = server.sql("SELECT name, username, version FROM user_account WHERE id = :id", id=person.id)[0]
    running = admin.StartPrivacyRequest(id=made.id, etag=made.etag)

    def through(version: int) -> Any:
        own()
        others(running, "done", version)
        own()
        server.sweep()
        own()
        return admin.GetPrivacyRequest(id=made.id)

    done = through(2)
    assert (done.state, admin.GetUser(id=person.id).name) == ("done", "已抹除 (erased)")
    back = "UPDATE user_account SET name = :n, username = :u, version = :v, active = :a WHERE id = :id"
    values = {"n": backup.name, "u": backup.username, "v": backup.version, "id": person.id}
    server.sql(back, **values, a=True)
    with refused("FAILED_PRECONDITION", "ACCOUNT_STILL_ACTIVE"):
        admin.RepeatPrivacyRequest(id=made.id, etag=done.etag)
    server.sql(back, **values, a=False)

    again = admin.RepeatPrivacyRequest(id=made.id, etag=done.etag)

    assert (again.state, again.report_hash, set(again.waiting_for)) == ("running", "", set(services_with_records()))
    done = through(int(again.etag))
    assert (done.state, admin.GetUser(id=person.id).name) == ("done", "已抹除 (erased)")
    assert len(done.report_hash) == 64
    assert everywhere_in(server.sql, "司马") == []
    export = {**BODY, "kind": "export", "subject_type": "user", "subject_id": person.id}
    made = admin.CreatePrivacyRequest(privacy_request=export)
    own()
    others(made, "counted", 1)
    running = admin.StartPrivacyRequest(id=made.id, etag=made.etag)
    with refused("FAILED_PRECONDITION", "NO_ERASURE"):
        admin.RepeatPrivacyRequest(id=made.id, etag=running.etag)


def test_what_is_no_person_or_unknown_is_refused(admin: Client, others: Any, own: Any) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "subjectType"):
        admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "department", "subject_id": ids.uuid7()})
    made = admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "customer", "subject_id": ids.uuid7()})
    own()
    others(made, "counted", 1, problem="NOT_A_PERSON")
    with refused("FAILED_PRECONDITION", "SUBJECT_UNKNOWN"):
        admin.StartPrivacyRequest(id=made.id, etag=made.etag)


def test_only_who_has_the_right_on_everything_sees_or_makes_one(server: Server, admin: Client, employ: Any) -> None:
    body = {**BODY, "subject_type": "contact", "subject_id": ids.uuid7()}
    made = admin.CreatePrivacyRequest(privacy_request=body)
    plain, narrow = employ("plain", ["user.read"]), employ("narrow", ["privacy_request.*"], "self")

    for act in (
        lambda c: c.CreatePrivacyRequest(privacy_request=body),
        lambda c: c.GetPrivacyRequest(id=made.id),
        lambda c: c.ListPrivacyRequests(),
        lambda c: c.StartPrivacyRequest(id=made.id, etag=made.etag),
        lambda c: c.RepeatPrivacyRequest(id=made.id, etag=made.etag),
    ):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            act(plain)
        with refused("PERMISSION_DENIED", "EVERYWHERE_NEEDED"):
            act(narrow)


def test_a_user_is_erased_after_being_kept_out_and_nothing_of_them_is_left(
    admin: Client, server: Server, hire: Any, sign_in: Any, others: Any, own: Any, measured: Any
) -> None:
    person = hire("simaqs", "account_manager", name="司马青衫", phone="13912345678", email="sima@example.com")
    sign_in("simaqs", device="司马的手机")
    export = admin.ExportPersonData(subject_type="user", subject_id=person.id)
    assert {(r.record_type, r.relation) for r in export.records} == {("user", "subject"), ("session", "own")}
    assert export.records[0].data["phone"] == "13912345678"
    made = admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "user", "subject_id": person.id})
    own()
    others(made, "counted", 1)
    with refused("FAILED_PRECONDITION", "ACCOUNT_STILL_ACTIVE"):
        admin.StartPrivacyRequest(id=made.id, etag=made.etag)
    admin.DeactivateUser(id=person.id, etag=admin.GetUser(id=person.id).etag)
    server.sql("UPDATE outbox SET sent_time = now()")

    running = admin.StartPrivacyRequest(id=made.id, etag=made.etag)
    own()
    others(running, "emptied", 2)
    assert [p.state for p in admin.GetPrivacyRequest(id=made.id).parts].count("done") == 0
    own()
    others(running, "done", 3)
    assert server.sweep() == 1
    own()

    left = admin.GetUser(id=person.id)
    assert (left.name, left.username, left.active) == ("已抹除 (erased)", f"erased-{person.id}", False)
    words = ["司马", "simaqs", "13912345678", "sima@example.com"]
    places = set(everywhere_in(server.sql, *words))
    assert places == set()
    with refused("UNAUTHENTICATED", "LOGIN_REFUSED"):
        sign_in("simaqs")
    with refused("UNAUTHENTICATED", "LOGIN_REFUSED"):
        sign_in(f"erased-{person.id}")
    assert admin.GetPerson(id=person.id).name == "已抹除 (erased)"
    done = admin.GetPrivacyRequest(id=made.id)
    assert done.state == "done"
    assert "司马" not in str(done)
    measured(f"{len(words)} erased values left in {sorted(places)}")


def test_every_service_is_told_what_became_one_with_the_person_by_merges(
    admin: Client, server: Server, others: Any, own: Any
) -> None:
    made = admin.CreatePrivacyRequest(privacy_request={**BODY, "subject_type": "contact", "subject_id": ids.uuid7()})
    own()
    double, later = ids.uuid7(), ids.uuid7()
    others(made, "counted", 1, merged_ids=[double])

    running = admin.StartPrivacyRequest(id=made.id, etag=made.etag)

    assert list(running.merged_ids) == [double]
    told = PrivacyRequest.FromString(server.events("privacy_request")[-1].record.value)
    assert (told.state, list(told.merged_ids)) == ("running", [double])
    own()
    others(made, "done", 2, merged_ids=[later])
    done = admin.GetPrivacyRequest(id=made.id)
    assert set(admin.RepeatPrivacyRequest(id=made.id, etag=done.etag).merged_ids) == {double, later}
