"""Interactions with all that is told of them, and the timeline over everything that this service knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, Server, event, refused

pytestmark = pytest.mark.feature("CUS-12")


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "甲公司"})


def test_every_field_of_an_interaction_is_kept(boss: Client, customer: Any) -> None:
    contact = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})
    said = {
        "kind": "meeting",
        "subject": "技术交流",
        "place": "一号会议室",
        "participants": "设计院两人",
        "content": "讲了方案",
        "result": "认可",
        "next_step": "报价",
        "next_step_due_date": "2026-06-01",
    }
    start, following = datetime(2026, 5, 1, 9, tzinfo=UTC), datetime(2026, 5, 20, 9, tzinfo=UTC)
    made = boss.CreateInteraction(
        interaction={
            **said,
            "customer_id": customer.id,
            "contact_ids": [contact.id],
            "user_ids": [boss.user_id],
            "start_time": start,
            "duration_minutes": 45,
            "next_time": following,
        }
    )

    read = boss.GetInteraction(id=made.id)
    assert {n: getattr(read, n) for n in said} == said
    assert (list(read.contact_ids), list(read.user_ids)) == ([contact.id], [boss.user_id])
    assert (read.start_time.ToDatetime(UTC), read.next_time.ToDatetime(UTC)) == (start, following)
    due = boss.ListInteractions(filter='next_step_due_date <= "2026-06-01"').interactions
    assert [i.id for i in due] == [made.id]


def test_kinds_of_interactions_are_the_administrators(boss: Client, customer: Any) -> None:
    said = {"customer_id": customer.id, "kind": "video", "subject": "视频会议"}
    with refused("INVALID_ARGUMENT", "INVALID", "kind"):
        boss.CreateInteraction(interaction=said)
    boss.CreateDictionaryEntry(
        record_type="interaction",
        dictionary="interaction_kind",
        entry={"code": "video", "label_zh": "视频", "label_en": "Video"},
    )

    assert boss.CreateInteraction(interaction=said).kind == "video"


def test_a_timeline_is_one_over_interactions_visits_events_and_other_services(
    boss: Client, customer: Any, server: Server
) -> None:
    now = datetime.now(UTC)
    for days in (40, 20):
        boss.CreateInteraction(
            interaction={
                "customer_id": customer.id,
                "kind": "call",
                "subject": f"{days} 天前",
                "start_time": now - timedelta(days=days),
            }
        )
    arranged = boss.CreateCustomerEvent(
        customer_event={"title": "答谢宴", "kind": "banquet", "start_time": now - timedelta(days=30)}
    )
    boss.CreateCustomerEventParticipant(
        customer_event_participant={"event_id": arranged.id, "customer_id": customer.id}
    )
    plans = [
        boss.CreateVisit(visit={"customer_id": customer.id, "subject": subject, "plan_start": now})
        for subject in ("去过", "还没去")
    ]
    boss.CheckInVisit(id=plans[0].id, etag="1", latitude="1", longitude="1")
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", customer_id=customer.id, title="年单")
    won = event(deal, "won")
    won.time.FromDatetime(now - timedelta(days=10))
    server.deliver("sales", won)

    seen, token = [], ""
    while True:
        page = boss.ListTimeline(customer_id=customer.id, page_size=2, page_token=token)
        seen += [(e.record_type, e.action, e.title, e.actor_name) for e in page.entries]
        token = page.next_page_token
        if not token:
            break

    assert seen == [
        ("visit", "checked_in", "去过", "总经理"),
        ("opportunity", "won", "年单", ""),
        ("interaction", "created", "20 天前", "总经理"),
        ("customer_event", "invited", "答谢宴", "总经理"),
        ("interaction", "created", "40 天前", "总经理"),
    ]


def test_who_may_not_read_visits_reads_none_on_a_timeline(boss: Client, customer: Any, server: Server) -> None:
    made = boss.CreateVisit(visit={"customer_id": customer.id, "subject": "密访", "plan_start": datetime.now(UTC)})
    boss.CheckInVisit(id=made.id, etag=made.etag, latitude="1", longitude="1")
    rights = ["customer.read", "interaction.read"]
    reader = server.person(rights, "all")
    hidden = [{"resource": "visit", "field": "subject", "rule": "hidden"}]
    half = server.person([*rights, "visit.read"], "all", fields=hidden)

    assert list(reader.ListTimeline(customer_id=customer.id).entries) == []
    assert [e.title for e in half.ListTimeline(customer_id=customer.id).entries] == [""]


def test_the_timeline_tells_no_time_and_no_state_that_is_hidden(server: Server, boss: Client, customer: Any) -> None:
    boss.CreateInteraction(interaction={"customer_id": customer.id, "kind": "call", "subject": "电话"})
    start = datetime.now(UTC) - timedelta(hours=1)
    visit = boss.CreateVisit(visit={"customer_id": customer.id, "subject": "拜访", "plan_start": start})
    boss.CheckInVisit(id=visit.id, etag=visit.etag, latitude="31", longitude="121")
    banquet = boss.CreateCustomerEvent(customer_event={"title": "宴请", "kind": "banquet", "start_time": start})
    boss.CreateCustomerEventParticipant(customer_event_participant={"event_id": banquet.id, "customer_id": customer.id})

    def seen(resource: str, field: str) -> dict[str, str]:
        hidden = [{"resource": resource, "field": field, "rule": "hidden"}]
        entries = server.person(fields=hidden).ListTimeline(customer_id=customer.id).entries
        return {e.title: e.action for e in entries}

    whole = {"电话": "created", "拜访": "checked_in", "宴请": "invited"}
    assert seen("customer", "remarks") == whole
    times = {("interaction", "start_time"): "电话", ("visit", "check_in_time"): "拜访"}
    times |= {("customer_event", "start_time"): "宴请"}
    for field, title in times.items():
        assert seen(*field) == {t: action for t, action in whole.items() if t != title}
    assert seen("visit", "state") == {**whole, "拜访": ""}
    assert seen("customer_event_participant", "status") == {**whole, "宴请": ""}
