"""Ties between contacts and customers: what is taken, what is refused, and who sees them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from crm_kit.testing import Client, Server, refused
from crm_records import relinking
from customer.merging import merges
from customer.relationships import circles

pytestmark = pytest.mark.feature("CUS-03")

RIGHTS = ["customer.*", "contact.*", "relationship.*", "relationship_kind.read"]
Make = Callable[..., Any]


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "甲公司"})


@pytest.fixture
def person(boss: Client, customer: Any) -> Make:
    def make(name: str, of: Any = None) -> Any:
        return boss.CreateContact(contact={"customer_id": (of or customer).id, "name": name})

    return make


def tie(client: Client, kind: str, one: Any, other: Any, **more: Any) -> Any:
    """A tie between contacts or customers, whichever are given."""
    ends = {}
    for end, of in (("from", one), ("to", other)):
        is_contact = of.DESCRIPTOR.name == "Contact"
        ends[f"{end}_customer_id"] = of.customer_id if is_contact else of.id
        if is_contact:
            ends[f"{end}_contact_id"] = of.id
    return client.CreateRelationship(relationship={"kind": kind, **ends, **more})


def test_a_tie_is_kept_with_strength_reason_and_validity(boss: Client, person: Make) -> None:
    made = tie(
        boss,
        "influences",
        person("王芳"),
        person("李明"),
        strength=4,
        reason="老同事",
        note="常一起出差",
        valid_from="2026-01-01",
        valid_until="2026-02-01",
    )

    read = boss.GetRelationship(id=made.id)
    assert (read.strength, read.reason, read.note) == (4, "老同事", "常一起出差")
    assert (read.valid_from, read.valid_until, read.current) == ("2026-01-01", "2026-02-01", False)
    longer = boss.UpdateRelationship(
        relationship={"id": made.id, "valid_until": ""}, update_mask={"paths": ["valid_until"]}, etag=made.etag
    )
    assert longer.current


def test_a_line_of_command_never_becomes_a_circle(boss: Client, person: Make) -> None:
    a, b, c = person("甲"), person("乙"), person("丙")
    tie(boss, "reports_to", a, b)
    middle = tie(boss, "reports_to", b, c)

    for one, other in ((c, a), (b, a), (c, b)):
        with refused("FAILED_PRECONDITION", "COMMAND_IN_A_CIRCLE") as refusal:
            tie(boss, "reports_to", one, other)
    assert "循环" in refusal.message

    boss.DeleteRelationship(id=middle.id, etag=middle.etag)
    tie(boss, "reports_to", c, a)
    with refused("FAILED_PRECONDITION", "COMMAND_IN_A_CIRCLE"):
        boss.RestoreRelationship(id=middle.id)


def test_no_merge_of_contacts_closes_a_circle_of_command(server: Server, boss: Client, person: Make) -> None:
    one, two, three = person("甲"), person("乙"), person("丙")
    tie(boss, "reports_to", one, two)
    upper = tie(boss, "reports_to", two, three)
    goes = {"id": three.id, "etag": three.etag}

    with refused("FAILED_PRECONDITION", "MERGE_CLOSES_CIRCLE"):
        boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes])

    assert boss.GetRelationship(id=upper.id).to_contact_id == three.id
    assert boss.GetContact(id=three.id).name == "丙"
    boss.DeleteRelationship(id=upper.id, etag=upper.etag)
    assert boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).contact.id == one.id


def test_a_merge_with_which_much_moves_is_refused_as_soon_as_a_small_one(
    server: Server, boss: Client, person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "AT_ONCE", 0)
    one, two, three = person("甲"), person("乙"), person("丙")
    tie(boss, "reports_to", one, two)
    upper = tie(boss, "reports_to", two, three)
    goes = {"id": three.id, "etag": three.etag}

    for stays, other in ((one, three), (three, one)):
        with refused("FAILED_PRECONDITION", "MERGE_CLOSES_CIRCLE") as refusal:
            boss.MergeContacts(id=stays.id, etag=stays.etag, merged=[{"id": other.id, "etag": other.etag}])
    assert "上下级循环" in refusal.message
    assert list(boss.ListActs(record_type="contact").acts) == []
    assert list(boss.ListJobs(record_type="contact").jobs) == []

    boss.DeleteRelationship(id=upper.id, etag=upper.etag)
    act = boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).act_id
    server.run_jobs()
    assert boss.GetJob(record_type="contact", id=act).state == "done"


def test_superiors_of_other_times_stand_in_the_way_of_no_merge(boss: Client, person: Make) -> None:
    one, two, three = person("甲"), person("乙"), person("丙")
    tie(boss, "reports_to", one, two, valid_until="2025-12-31")
    tie(boss, "reports_to", two, three, valid_from="2026-01-01")

    merged = [{"id": three.id, "etag": three.etag}]
    assert boss.MergeContacts(id=one.id, etag=one.etag, merged=merged).contact.id == one.id


def test_a_circle_that_somebody_ties_while_a_merge_waits_stops_it_before_anything_moves(
    server: Server, boss: Client, person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "AT_ONCE", 0)
    one, two, three = person("甲"), person("乙"), person("丙")
    lower = tie(boss, "reports_to", one, two)
    friends = tie(boss, "friend", three, two)
    goes = {"id": three.id, "etag": three.etag}
    waiting = boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).act_id
    upper = tie(boss, "reports_to", two, three)
    server.run_jobs()

    job = boss.GetJob(record_type="contact", id=waiting)
    assert (job.state, "请先修改或删除其间的上下级关系" in job.reason) == ("failed", True)
    ends = {r.id: (r.from_contact_id, r.to_contact_id) for r in boss.ListRelationships(fields="*").relationships}
    assert ends == {lower.id: (one.id, two.id), friends.id: (three.id, two.id), upper.id: (two.id, three.id)}
    assert boss.GetContact(id=three.id).name == "丙"
    boss.DeleteRelationship(id=upper.id, etag=upper.etag)
    again = boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).act_id
    server.run_jobs()
    assert boss.GetJob(record_type="contact", id=again).state == "done"
    assert boss.GetContact(id=three.id).id == one.id


def test_a_merge_that_a_circle_stops_half_way_comes_apart_or_is_done_again(
    server: Server, boss: Client, person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "AT_ONCE", 0)
    monkeypatch.setattr(circles, "refuse_merge", lambda *_: None)  # as if it were tied between two steps
    monkeypatch.setattr(relinking, "BATCH", 1)
    one, two, three = person("甲"), person("乙"), person("丙")
    lower = tie(boss, "reports_to", one, two)
    friends = tie(boss, "friend", three, two)
    upper = tie(boss, "reports_to", two, three)
    goes = {"id": three.id, "etag": three.etag}
    before = {lower.id: (one.id, two.id), friends.id: (three.id, two.id), upper.id: (two.id, three.id)}

    def ends() -> dict[str, tuple[str, str]]:
        return {r.id: (r.from_contact_id, r.to_contact_id) for r in boss.ListRelationships(fields="*").relationships}

    stopped = boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).act_id
    server.run_jobs()
    assert boss.GetJob(record_type="contact", id=stopped).state == "failed"
    assert ends()[friends.id] == (one.id, two.id)
    boss.UndoAct(record_type="contact", id=stopped)
    server.run_jobs()
    assert ends() == before

    boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes])
    server.run_jobs()
    boss.DeleteRelationship(id=upper.id, etag=upper.etag)
    again = boss.MergeContacts(id=one.id, etag=one.etag, merged=[goes]).act_id
    server.run_jobs()
    assert boss.GetJob(record_type="contact", id=again).state == "done"
    assert ends() == {lower.id: (one.id, two.id), friends.id: (one.id, two.id)}


def test_a_line_of_command_between_the_merged_ends_and_comes_back_with_them(
    server: Server, boss: Client, person: Make
) -> None:
    one, two, three = person("甲"), person("乙"), person("丙")
    lower, upper = tie(boss, "reports_to", one, two), tie(boss, "reports_to", two, three)

    merged = [{"id": two.id, "etag": two.etag}]
    act = boss.MergeContacts(id=one.id, etag=one.etag, merged=merged).act_id

    left = boss.ListRelationships(fields="*").relationships
    assert [(r.id, r.from_contact_id, r.to_contact_id) for r in left] == [(upper.id, one.id, three.id)]
    boss.UndoAct(record_type="contact", id=act)
    server.run_jobs()
    back = {r.id: (r.from_contact_id, r.to_contact_id) for r in boss.ListRelationships(fields="*").relationships}
    assert back == {lower.id: (one.id, two.id), upper.id: (two.id, three.id)}


def test_of_two_ties_at_once_that_would_close_a_circle_one_is_taken(boss: Client, person: Make) -> None:
    for _ in range(5):
        a, b = person("甲"), person("乙")
        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(tie, boss, "reports_to", *ends) for ends in ((a, b), (b, a))]
        errors = [one.exception() for one in both]

        assert [e is None for e in errors].count(True) == 1
        assert "循环" in next(e.details() for e in errors if isinstance(e, grpc.RpcError) and isinstance(e, grpc.Call))


def test_who_was_the_superior_once_may_be_the_subordinate_later(boss: Client, person: Make) -> None:
    a, b = person("甲"), person("乙")
    past = tie(boss, "reports_to", a, b, valid_until="2025-12-31")
    tie(boss, "reports_to", b, a, valid_from="2026-01-01")

    with refused("FAILED_PRECONDITION", "COMMAND_IN_A_CIRCLE"):
        boss.UpdateRelationship(
            relationship={"id": past.id, "valid_until": "2026-01-01"},
            update_mask={"paths": ["valid_until"]},
            etag=past.etag,
        )


def test_influence_may_go_round(boss: Client, person: Make) -> None:
    a, b = person("甲"), person("乙")
    tie(boss, "influences", a, b)

    assert tie(boss, "influences", b, a).id


def test_the_same_tie_comes_once_whichever_way_a_mutual_one_is_told(boss: Client, person: Make) -> None:
    a, b = person("甲"), person("乙")
    tie(boss, "classmate", a, b)
    tie(boss, "influences", a, b)

    for kind, one, other in (("classmate", a, b), ("classmate", b, a), ("influences", a, b)):
        with refused("FAILED_PRECONDITION", "TIE_EXISTS"):
            tie(boss, kind, one, other)
    tie(boss, "friend", b, a)


def test_ends_must_suit_the_kind_and_each_other(boss: Client, customer: Any, person: Make) -> None:
    other = boss.CreateCustomer(customer={"name": "乙公司"})
    a, b = person("甲"), person("乙", of=other)

    with refused("INVALID_ARGUMENT", "INVALID", "toContactId"):
        tie(boss, "reports_to", a, other)
    with refused("INVALID_ARGUMENT", "INVALID", "fromContactId"):
        tie(boss, "related_company", a, other)
    with refused("INVALID_ARGUMENT", "INVALID", "toContactId"):
        tie(boss, "friend", a, a)
    with refused("INVALID_ARGUMENT", "INVALID", "toCustomerId"):
        tie(boss, "partner", other, other)
    with refused("INVALID_ARGUMENT", "INVALID", "kind"):
        tie(boss, "nonsense", a, b)
    with refused("INVALID_ARGUMENT", "INVALID", "strength"):
        tie(boss, "friend", a, b, strength=6)
    with refused("INVALID_ARGUMENT", "INVALID", "validUntil"):
        tie(boss, "friend", a, b, valid_from="2026-02-01", valid_until="2026-01-01")
    with refused("INVALID_ARGUMENT", "INVALID", "toContactId"):
        boss.CreateRelationship(
            relationship={
                "kind": "friend",
                "from_customer_id": customer.id,
                "from_contact_id": a.id,
                "to_customer_id": customer.id,
                "to_contact_id": b.id,
            }
        )
    assert list(boss.ListRelationships().relationships) == []


def test_who_does_not_reach_both_ends_neither_makes_nor_sees_a_tie(
    boss: Client, server: Server, customer: Any, person: Make
) -> None:
    seller = server.person(RIGHTS, "self")
    own = seller.CreateCustomer(customer={"name": "自家"})
    mine = seller.CreateContact(contact={"customer_id": own.id, "name": "李明"})
    theirs = person("王芳")
    made = tie(boss, "friend", mine, theirs)

    for one, other in ((mine, theirs), (theirs, mine), (own, customer)):
        with refused("INVALID_ARGUMENT", "INVALID"):
            tie(seller, "influences", one, other)
    assert list(seller.ListRelationships().relationships) == []
    assert list(seller.ListRelationships(filter=f'to_customer_id = "{customer.id}"').relationships) == []
    for step in (
        lambda: seller.GetRelationship(id=made.id),
        lambda: seller.UpdateRelationship(
            relationship={"id": made.id, "note": "x"}, update_mask={"paths": ["note"]}, etag=made.etag
        ),
        lambda: seller.DeleteRelationship(id=made.id, etag=made.etag),
        lambda: seller.ListChanges(record_type="relationship", id=made.id),
    ):
        with refused("NOT_FOUND"):
            step()


def test_to_read_both_ends_is_not_enough_to_tie_them(server: Server, boss: Client, customer: Any) -> None:
    reads = server.role(["customer.read", "contact.read"], "all")
    seller = server.person(RIGHTS, "self", also=[reads])
    own = seller.CreateCustomer(customer={"name": "自家"})

    with refused("INVALID_ARGUMENT", "INVALID", "toCustomerId"):
        tie(seller, "partner", own, customer)
    with refused("INVALID_ARGUMENT", "INVALID", "fromCustomerId"):
        tie(seller, "partner", customer, own)


def test_what_is_tied_is_not_deleted(boss: Client, customer: Any, person: Make) -> None:
    other = boss.CreateCustomer(customer={"name": "乙公司"})
    a, b = person("甲"), person("乙")
    tie(boss, "friend", a, b)
    tie(boss, "partner", customer, other)

    for contact in (a, b):
        with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
            boss.DeleteContact(id=contact.id, etag=contact.etag)
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeleteCustomer(id=other.id, etag=other.etag)


def test_administrators_add_kinds_and_retire_them(boss: Client, person: Make) -> None:
    made = boss.CreateRelationshipKind(
        relationship_kind={
            "code": "mentors",
            "label_zh": "指导",
            "label_en": "mentors",
            "inverse_zh": "师从",
            "inverse_en": "is mentored by",
            "directed": True,
            "ends": "contacts",
            "influence": "forward",
        }
    )
    used = tie(boss, "mentors", person("甲"), person("乙"))
    with refused("FAILED_PRECONDITION", "CODE_KEPT"):
        boss.DeleteRelationshipKind(id=made.id, etag=made.etag)
    mask = {"paths": ["retired"]}
    boss.UpdateRelationshipKind(relationship_kind={"id": made.id, "retired": True}, update_mask=mask, etag=made.etag)

    with refused("INVALID_ARGUMENT", "INVALID", "kind"):
        tie(boss, "mentors", person("丙"), person("丁"))
    assert boss.GetRelationship(id=used.id).kind == "mentors"
    with refused("ALREADY_EXISTS", "EXISTS", "code"):
        boss.CreateRelationshipKind(relationship_kind={"code": "mentors", "label_zh": "指导", "label_en": "mentors"})
    with refused("INVALID_ARGUMENT", "INVALID", "inverseZh"):
        boss.CreateRelationshipKind(
            relationship_kind={"code": "x", "label_zh": "某", "label_en": "some", "directed": True}
        )
    with refused("INVALID_ARGUMENT", "INVALID", "hierarchy"):
        boss.CreateRelationshipKind(
            relationship_kind={"code": "x", "label_zh": "某", "label_en": "some", "hierarchy": True}
        )
