"""Behaviour: events of visitors and customers, stored once, read as the customer's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm.customer.v1.behaviour_pb2 import BehaviourBatch, BehaviourCounts
from crm_kit.testing import Client, Server, refused
from customer.behaviour import partitions, work

pytestmark = pytest.mark.feature("CUS-24")
NOW = datetime.now(UTC)


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "重庆长江轴承有限公司", "external_id": "SHOP-7"})


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "time": NOW - timedelta(minutes=number), "kind": "view", **more}


def send(client: Client, *events: dict[str, Any], source: str = "shop") -> Any:
    return client.RecordBehaviour(source=source, events=events)


def tick(server: Server, now: datetime | None = None) -> None:
    """What the clock does every two seconds."""
    for look in (work.take, work.go_on, work.announce):
        server.service.act(lambda call, look=look: look(call, now or datetime.now(UTC)))


def ids(client: Client, customer_id: str, **more: Any) -> list[str]:
    return [e.event_id for e in client.ListBehaviourEvents(customer_id=customer_id, **more).events]


def test_events_of_a_customer_are_read_newest_first(boss: Client, customer: Any) -> None:
    contact = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})
    told = send(
        boss,
        event(3, customer_id=customer.id, kind="buy", amount="88.50", subject="6204 轴承", properties={"类": "x"}),
        event(1, external_id="SHOP-7", properties={"category": "bearing"}),
        event(2, contact_id=contact.id),
    )

    assert (told.stored, told.duplicates, told.rejected) == (2, 0, 1)
    assert (told.problems[0].index, told.problems[0].reason) == (0, "BAD_PROPERTY")
    send(boss, event(3, customer_id=customer.id, kind="buy", amount="88.50", subject="6204 轴承"))
    first, second, third = boss.ListBehaviourEvents(customer_id=customer.id).events
    assert (first.event_id, first.source, dict(first.properties)) == ("e1", "shop", {"category": "bearing"})
    assert second.contact_id == contact.id
    assert (third.kind, third.amount, third.subject) == ("buy", "88.50", "6204 轴承")


def test_the_same_batch_twice_stores_nothing_new(boss: Client, customer: Any, server: Server) -> None:
    batch = [event(n, customer_id=customer.id) for n in range(50)]

    assert send(boss, *batch).stored == 50
    again = send(boss, *batch)
    assert (again.stored, again.duplicates, again.rejected) == (0, 50, 0)
    both = send(boss, *batch, event(50, customer_id=customer.id), event(50, customer_id=customer.id))
    assert (both.stored, both.duplicates) == (1, 51)
    assert send(boss, *batch, source="app").stored == 50, "another source has its own ids"
    assert server.sql("SELECT count(*) FROM behaviour_event")[0][0] == 101


def test_bad_events_are_told_and_the_good_ones_stored(boss: Client, customer: Any) -> None:
    sent = [
        event(0, customer_id=customer.id),
        event(1),
        event(2, visitor="v", kind="dance"),
        event(3, visitor="v", time=NOW + timedelta(hours=2)),
        event(4, visitor="v", time=NOW - timedelta(days=900)),
        event(5, customer_id="01a200a2-465e-7000-8000-000000000000"),
        event(6, external_id="nobody"),
        event(7, visitor="v" * 201),
        event(8, visitor="v\x00"),
        event(9, visitor="v", amount="-1"),
        event(10, visitor="v", properties={f"k{n}": "x" for n in range(21)}),
        {"event_id": "e11", "kind": "view", "visitor": "v"},
        {**event(12, visitor="v"), "event_id": ""},
        event(13, visitor="v", customer_id="x"),
        event(14, visitor="v"),
    ]
    told = boss.RecordBehaviour(source="shop", events=sent, metadata={"accept-language": "en"})

    assert told.stored + told.duplicates + told.rejected == len(sent)
    assert [(p.index, p.field, p.reason) for p in told.problems] == [
        (1, "visitor", "BEHAVIOUR_OF_NOBODY"),
        (2, "kind", "NOT_AN_ENTRY"),
        (3, "time", "BEHAVIOUR_AHEAD"),
        (4, "time", "BEHAVIOUR_TOO_OLD"),
        (5, "customerId", "UNKNOWN_REFERENCE"),
        (6, "externalId", "UNKNOWN_REFERENCE"),
        (7, "visitor", "TOO_LONG"),
        (8, "visitor", "BAD_CONTROL_CHARACTER"),
        (9, "amount", "TOO_SMALL"),
        (10, "properties", "TOO_MANY"),
        (11, "time", "REQUIRED"),
        (12, "eventId", "REQUIRED"),
        (13, "customerId", "BAD_FORMAT"),
    ]
    assert told.problems[1].message.startswith("Kind has no entry “dance”; choose one of view (View), click (Click), ")


def test_a_batch_that_is_wrong_as_a_whole_is_refused(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "source", "events"):
        boss.RecordBehaviour()
    with refused("INVALID_ARGUMENT", "INVALID", "events"):
        send(boss, *(event(n, visitor="v") for n in range(1001)))


def test_what_a_visitor_did_is_the_customers_once_it_is_known(boss: Client, customer: Any) -> None:
    send(boss, event(1, visitor="cookie-1"), event(2, visitor="cookie-1"), event(3, visitor="cookie-2"))
    assert ids(boss, customer.id) == []

    boss.IdentifyVisitor(source="shop", visitor="cookie-1", external_id="SHOP-7")
    send(boss, event(0, visitor="cookie-1"), event(4, customer_id=customer.id))

    assert ids(boss, customer.id) == ["e0", "e1", "e2", "e4"]
    again = boss.IdentifyVisitor(source="shop", visitor="cookie-1", customer_id=customer.id)
    assert again.etag == "1", "said again, nothing changes"
    send(boss, event(9, visitor="cookie-1"), source="app")
    assert "e9" not in ids(boss, customer.id), "the key of one source says nothing in another"


def test_a_visitor_becomes_somebody_else_from_a_time_on(boss: Client, customer: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})
    boss.IdentifyVisitor(source="shop", visitor="tablet", customer_id=customer.id)
    send(boss, *(event(n * 10, visitor="tablet") for n in range(4)))

    changed = boss.IdentifyVisitor(
        source="shop", visitor="tablet", customer_id=other.id, from_time=NOW - timedelta(minutes=15)
    )

    assert ids(boss, customer.id) == ["e20", "e30"]
    assert ids(boss, other.id) == ["e0", "e10"]
    assert changed.HasField("from_time")
    assert not changed.HasField("until_time")
    with refused("FAILED_PRECONDITION", "IDENTIFIED_LATER"):
        boss.IdentifyVisitor(
            source="shop", visitor="tablet", customer_id=customer.id, from_time=NOW - timedelta(minutes=20)
        )


def test_absurd_identities_are_refused(boss: Client, customer: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})
    elsewhere = boss.CreateContact(contact={"customer_id": other.id, "name": "王芳"})
    named: dict[str, Any] = {"source": "shop", "visitor": "v"}
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        boss.IdentifyVisitor(**named)
    with refused("INVALID_ARGUMENT", "INVALID", "externalId"):
        boss.IdentifyVisitor(**named, external_id="nobody")
    with refused("INVALID_ARGUMENT", "INVALID", "contactId"):
        boss.IdentifyVisitor(**named, customer_id=customer.id, contact_id=elsewhere.id)
    with refused("INVALID_ARGUMENT", "INVALID", "fromTime"):
        boss.IdentifyVisitor(**named, customer_id=customer.id, from_time=NOW + timedelta(days=1))
    with refused("INVALID_ARGUMENT", "INVALID", "visitor"):
        boss.IdentifyVisitor(source="shop", customer_id=customer.id)
    for n in range(20):
        since = NOW - timedelta(days=30 - n)
        boss.IdentifyVisitor(**named, customer_id=(customer, other)[n % 2].id, from_time=since)
    with refused("FAILED_PRECONDITION", "VISITOR_SHARED"):
        boss.IdentifyVisitor(**named, customer_id=customer.id)


def test_a_visitor_is_taken_only_from_a_customer_that_is_reached(server: Server, boss: Client, customer: Any) -> None:
    seller = server.person(["customer.*", "behaviour.*"], "self")
    own = seller.CreateCustomer(customer={"name": "成都精工机械有限公司"})
    boss.IdentifyVisitor(source="shop", visitor="v1", customer_id=customer.id)

    for more in ({}, {"from_time": NOW - timedelta(days=1)}):
        with refused("NOT_FOUND", "NOT_FOUND") as refusal:
            seller.IdentifyVisitor(source="shop", visitor="v1", customer_id=own.id, **more)
        assert (customer.name in refusal.message, refusal.fields) == (False, {})
    send(boss, event(0, visitor="v1"))
    assert ids(boss, customer.id) == ["e0"]
    assert ids(seller, own.id) == []
    boss.PutTeamMember(record_type="customer", id=customer.id, user_id=seller.user_id, access="write")
    server.service.organisation.forget()
    moved = seller.IdentifyVisitor(source="shop", visitor="v1", customer_id=own.id)
    assert moved.customer_id == own.id


def test_pages_neither_skip_nor_repeat(boss: Client, customer: Any) -> None:
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=customer.id)
    same = NOW - timedelta(hours=1)
    send(boss, *({**event(n, visitor="v"), "time": same} for n in range(7)))
    send(boss, *(event(n, customer_id=customer.id) for n in range(10, 16)), source="app")
    send(boss, event(99, visitor="v", time=NOW - timedelta(days=300)))

    found, token = [], ""
    while True:
        page = boss.ListBehaviourEvents(customer_id=customer.id, page_size=3, page_token=token)
        found += [(e.source, e.event_id) for e in page.events]
        token = page.next_page_token
        if not token:
            break
    assert len(found) == len(set(found)) == 14
    assert found[-1] == ("shop", "e99")
    first = boss.ListBehaviourEvents(customer_id=customer.id, page_size=3)
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        boss.ListBehaviourEvents(customer_id=customer.id, kind="buy", page_token=first.next_page_token)
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        boss.ListBehaviourEvents(customer_id=customer.id, page_token="e30")


def test_counts_by_kind_and_day_with_the_last_activity(boss: Client, customer: Any) -> None:
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=customer.id)
    noon = datetime.combine(NOW.date() - timedelta(days=2), datetime.min.time(), UTC) + timedelta(hours=4)
    send(
        boss,
        *({**event(n, visitor="v"), "time": noon} for n in range(3)),
        {**event(3, customer_id=customer.id, kind="buy"), "time": noon},
        {**event(4, customer_id=customer.id), "time": noon - timedelta(days=1)},
        {**event(5, customer_id=customer.id), "time": noon - timedelta(days=100)},
    )
    told = boss.CountBehaviour(customer_id=customer.id)

    days = {d.date: {k.kind: k.count for k in d.kinds} for d in told.days}
    assert days == {
        noon.date().isoformat(): {"view": 3, "buy": 1},
        (noon.date() - timedelta(days=1)).isoformat(): {"view": 1},
    }
    assert ({k.kind: k.count for k in told.kinds}, told.total) == ({"view": 4, "buy": 1}, 5)
    assert told.last_time.ToDatetime(UTC) == noon
    assert (
        boss.CountBehaviour(customer_id=customer.id, from_date=(NOW - timedelta(days=200)).date().isoformat()).total
        == 6
    )
    with refused("INVALID_ARGUMENT", "INVALID", "fromDate"):
        boss.CountBehaviour(customer_id=customer.id, from_date="2001-01-01")


def test_a_customer_in_the_recycle_bin_does_nothing(boss: Client, customer: Any) -> None:
    boss.DeleteCustomer(id=customer.id, etag=boss.GetCustomer(id=customer.id).etag)
    answer = send(boss, event(1, customer_id=customer.id))
    assert [(p.index, p.field) for p in answer.problems] == [(0, "customerId")]


def test_who_does_not_reach_the_customer_neither_reads_nor_posts(server: Server, boss: Client, customer: Any) -> None:
    seller = server.person(["behaviour.*", "customer.*"], scope="self")
    send(boss, event(1, customer_id=customer.id))

    with refused("NOT_FOUND"):
        seller.ListBehaviourEvents(customer_id=customer.id)
    with refused("NOT_FOUND"):
        seller.CountBehaviour(customer_id=customer.id)
    with refused("NOT_FOUND"):
        seller.ListBehaviourTags(customer_id=customer.id)
    told = send(seller, event(2, customer_id=customer.id), event(3, external_id="SHOP-7"))
    assert [p.reason for p in told.problems] == ["UNKNOWN_REFERENCE"] * 2
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        seller.IdentifyVisitor(source="shop", visitor="v", customer_id=customer.id)
    own = seller.CreateCustomer(customer={"name": "自己的客户"})
    assert send(seller, event(4, customer_id=own.id)).stored == 1
    assert ids(seller, own.id) == ["e4"]


@pytest.mark.parametrize("right", ["behaviour.create", "behaviour.read"])
def test_posting_and_reading_take_rights_of_their_own(server: Server, boss: Client, customer: Any, right: str) -> None:
    person = server.person([right, "customer.read"])
    if right == "behaviour.create":
        assert send(person, event(1, customer_id=customer.id)).stored == 1
        with refused("PERMISSION_DENIED"):
            person.ListBehaviourEvents(customer_id=customer.id)
    else:
        assert ids(person, customer.id) == []
        with refused("PERMISSION_DENIED"):
            send(person, event(1, customer_id=customer.id))
    with refused("PERMISSION_DENIED"):
        person.GetBehaviourSettings()


def test_a_batch_is_announced_once_and_its_counts_for_many_customers_together(
    server: Server, boss: Client, customer: Any
) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})
    send(boss, *(event(n, customer_id=customer.id) for n in range(30)), *(event(n, visitor="v") for n in range(30, 40)))
    (batch,) = server.events("behaviour")
    told = BehaviourBatch.FromString(batch.record.value)
    assert (batch.action, told.source, told.stored) == ("recorded", "shop", 40)
    tick(server)
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=other.id)
    assert "v" not in {e.visitor for e in [boss.IdentifyVisitor(source="s", visitor="x", customer_id=other.id)]}
    later = datetime.now(UTC) + timedelta(minutes=2)
    tick(server, later)
    tick(server, later)

    first, second = (BehaviourCounts.FromString(e.record.value) for e in server.events("behaviour_counts"))
    assert [(c.customer_id, sum(k.count for d in c.days for k in d.kinds)) for c in first.customers] == [
        (customer.id, 30)
    ]
    assert [(c.customer_id, sum(k.count for d in c.days for k in d.kinds)) for c in second.customers] == [
        (other.id, 10)
    ]
    assert server.sql("SELECT count(*) FROM behaviour_pending")[0][0] == 0


def test_counts_told_after_a_change_of_identity_are_right_for_both(server: Server, boss: Client, customer: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=customer.id)
    send(boss, *(event(n, visitor="v") for n in range(10)))
    tick(server)
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=other.id, from_time=NOW - timedelta(days=1))
    tick(server, datetime.now(UTC) + timedelta(minutes=2))

    last: dict[str, Any] = {}
    for told in server.events("behaviour_counts"):
        last |= {c.customer_id: c for c in BehaviourCounts.FromString(told.record.value).customers}
    sums = {c: sum(k.count for d in one.days for k in d.kinds) for c, one in last.items()}
    assert sums == {customer.id: 0, other.id: 10}
    assert (last[customer.id].version, last[other.id].version) == (2, 1)


def test_counts_of_many_customers_go_in_several_events(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LARGE", 300)
    monkeypatch.setattr(work, "DAYS", 2)
    made = [boss.CreateCustomer(customer={"name": f"客户{n}"}).id for n in range(10)]
    for n, one in enumerate(made):
        send(boss, *(event(n * 10 + d, customer_id=one, time=NOW - timedelta(days=d)) for d in range(3)))
    tick(server)

    told = [BehaviourCounts.FromString(e.record.value) for e in server.events("behaviour_counts")]
    assert len(told) > 2
    assert all(one.ByteSize() <= 400 for one in told)
    customers = [c for one in told for c in one.customers]
    assert sorted(c.customer_id for c in customers) == sorted(made)
    assert all([d.date for d in c.days][-1] == c.from_date for c in customers), "older days are not spoken of"


def test_months_are_made_ahead_and_dropped_when_their_time_is_over(server: Server, boss: Client, customer: Any) -> None:
    def arrange(today: date) -> tuple[list[date], list[date]]:
        found: list[Any] = []
        server.service.act(lambda call: found.append(partitions.arrange(call.connection, today)))
        partitions.NOW.forget()
        return found[0]

    today = NOW.date()
    assert arrange(today) == ([], []), "the installation made them"
    old = NOW - timedelta(days=13 * 28)
    send(boss, event(1, customer_id=customer.id), {**event(2, customer_id=customer.id), "time": old})
    assert ids(boss, customer.id) == ["e1", "e2"]

    settings = boss.GetBehaviourSettings()
    changed = boss.UpdateBehaviourSettings(
        settings={"keep_months": 2}, update_mask={"paths": ["keep_months"]}, etag=settings.etag
    )
    told = send(boss, {**event(3, customer_id=customer.id), "time": old})
    assert [p.reason for p in told.problems] == ["BEHAVIOUR_TOO_OLD"], "refused at once"
    made, dropped = arrange(today)
    assert made == []
    assert partitions.month(old.date()) in dropped
    assert ids(boss, customer.id) == ["e1"]
    made, dropped = arrange(partitions.month(today, 1))
    assert (made, dropped) == ([partitions.month(today, 4)], [partitions.month(today, -2)])

    with refused("ABORTED", "STALE"):
        boss.UpdateBehaviourSettings(
            settings={"keep_months": 3}, update_mask={"paths": ["keep_months"]}, etag=settings.etag
        )
    with refused("INVALID_ARGUMENT", "INVALID", "settings.keepMonths"):
        boss.UpdateBehaviourSettings(
            settings={"keep_months": 61}, update_mask={"paths": ["keep_months"]}, etag=changed.etag
        )
    boss.UpdateBehaviourSettings(
        settings={"keep_months": 13}, update_mask={"paths": ["keep_months"]}, etag=changed.etag
    )
    assert send(boss, {**event(3, customer_id=customer.id), "time": old}).stored == 1, "a longer time holds at once"
    assert [e.action for e in server.events("behaviour_settings")] == ["updated", "updated"]
