"""The parts of a customer's overview that this service owns: with rights and without, in full and in brief."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from crm.records.v1.overview_pb2 import OverviewPart
from crm_kit.testing import Client, Server, refused
from crm_records.overview import PARTS as DECLARED
from crm_records.overview import OverviewServicer
from customer import overview

pytestmark = pytest.mark.feature("CUS-15")

OWN = [part for part in DECLARED if part.service == "customer"]
NEEDS = sorted({part.right for part in OWN if part.right})
READS = ["customer.read", *NEEDS]


def parts(client: Client, customer: Any) -> Mapping[str, OverviewPart]:
    return {part.code: part for part in client.GetOverview(id=customer.id).parts}


def rows(part: OverviewPart) -> list[Any]:
    """The rows as the messages that they are."""
    pool = descriptor_pool.Default()
    return [GetMessageClass(pool.FindMessageTypeByName(r.TypeName())).FromString(r.value) for r in part.rows]


@pytest.fixture
def steel(boss: Client) -> Any:
    """A customer of whom there is something of everything."""
    made = boss.CreateCustomer(customer={"name": "宝山钢铁", "phone": "13812345678", "tags": ["重点"]})
    decider = {"name": "王总", "decision_role": "decider", "primary": True, "mobile": "13900001111"}
    chief = boss.CreateContact(contact={"customer_id": made.id, **decider})
    buyer = boss.CreateContact(contact={"customer_id": made.id, "name": "李芳", "decision_role": "buyer"})
    boss.CreateContact(contact={"customer_id": made.id, "name": "已离职", "invalid": True})
    tie = {"from_customer_id": made.id, "to_customer_id": made.id}
    boss.CreateRelationship(
        relationship={**tie, "kind": "reports_to", "from_contact_id": chief.id, "to_contact_id": buyer.id}
    )
    today = datetime.now(UTC).date()
    for what, until in (("要服务器", today + timedelta(days=30)), ("旧需求", today - timedelta(days=30))):
        wish = {"customer_id": made.id, "kind": "other", "description": what}
        boss.CreateDemand(demand={**wish, "valid_until": until.isoformat()})
    now = datetime.now(UTC)
    boss.CreateInteraction(
        interaction={"customer_id": made.id, "kind": "call", "subject": "回访", "start_time": now - timedelta(days=1)}
    )
    for days in (9, 2):
        plan = {"plan_start": now + timedelta(days=days), "subject": f"{days} 天后"}
        boss.CreateVisit(visit={"customer_id": made.id, **plan})
    past = boss.CreateVisit(visit={"customer_id": made.id, "subject": "走访", "plan_start": now - timedelta(minutes=5)})
    boss.CheckInVisit(id=past.id, etag=past.etag, latitude="31.230400", longitude="121.473700")
    event = boss.CreateCustomerEvent(customer_event={"title": "新品发布", "kind": "seminar", "start_time": now})
    boss.CreateCustomerEventParticipant(customer_event_participant={"event_id": event.id, "customer_id": made.id})
    seen = {"event_id": "e-1", "time": now - timedelta(hours=1), "kind": "view", "customer_id": made.id}
    boss.RecordBehaviour(source="web", events=[seen])
    return made


def test_every_part_is_shown_to_who_may_read_everything(boss: Client, steel: Any, measured: Any) -> None:
    found = parts(boss, steel)

    assert list(found) == [part.code for part in OWN]
    assert {part.state for part in found.values()} == {"shown"}
    told = {code: [r.DESCRIPTOR.name for r in rows(part)] for code, part in found.items()}
    assert told == {
        "profile": ["Customer"],
        "contacts": ["Contact"] * 2,
        "deciders": ["Contact"],
        "relationships": ["Relationship"],
        "timeline": ["TimelineEntry"] * 3,
        "valid_demands": ["Demand"],
        "planned_visits": ["Visit"] * 2,
        "past_visits": ["Visit"],
        "customer_events": ["CustomerEvent"],
        "behaviour": ["BehaviourDay"],
        "behaviour_tags": [],
    }
    assert found["contacts"].total == 2
    measured(f"{len(found)} parts of the customer service")


def test_the_parts_say_what_the_lists_say(boss: Client, steel: Any) -> None:
    found = {code: rows(part) for code, part in parts(boss, steel).items()}

    assert found["profile"] == [boss.GetCustomer(id=steel.id)]
    assert [c.name for c in found["contacts"]] == ["王总", "李芳"]
    assert [c.decision_role for c in found["contacts"]] == ["decider", "buyer"]
    assert [c.name for c in found["deciders"]] == ["王总"]
    assert found["relationships"] == list(boss.ListRelationships().relationships)
    assert found["timeline"] == list(boss.ListTimeline(customer_id=steel.id).entries)
    assert [d.description for d in found["valid_demands"]] == ["要服务器"]
    assert [v.subject for v in found["planned_visits"]] == ["2 天后", "9 天后"]
    assert [v.subject for v in found["past_visits"]] == ["走访"]
    assert found["customer_events"] == list(boss.ListCustomerEvents().customer_events)


def test_kinds_of_behaviour_are_counted_by_their_names(boss: Client, steel: Any) -> None:
    (figure,) = parts(boss, steel)["behaviour"].figures

    assert (figure.code, figure.label_zh, figure.label_en, figure.value) == ("view", "浏览", "View", "1")


def test_kinds_of_relationships_are_counted(boss: Client, steel: Any) -> None:
    figures = parts(boss, steel)["relationships"].figures

    assert [(f.code, f.label_zh, f.value) for f in figures] == [("reports_to", figures[0].label_zh, "1")]
    assert figures[0].label_en


@pytest.mark.parametrize("right", NEEDS)
def test_without_its_right_a_part_tells_nothing_and_the_others_all(server: Server, steel: Any, right: str) -> None:
    found = parts(server.person([r for r in READS if r != right]), steel)

    closed = {part.code for part in OWN if part.right == right}
    assert {code for code, part in found.items() if part.state == "no_right"} == closed
    assert {code for code, part in found.items() if part.state == "shown"} == set(found) - closed
    for code in closed:
        assert found[code] == OverviewPart(code=code, state="no_right")


def test_whose_scope_does_not_reach_the_customer_finds_none(server: Server, steel: Any) -> None:
    stranger = server.person(READS, "self")

    with refused("NOT_FOUND", "NOT_FOUND"):
        stranger.GetOverview(id=steel.id)
    with refused("NOT_FOUND", "NOT_FOUND"):
        stranger.GetOverview(id="not-an-id")
    with refused("NOT_FOUND", "NOT_FOUND"):
        server.person().GetOverview(id="01900000-0000-7000-8000-000000000001")


def test_without_a_right_to_customers_it_is_denied(server: Server, steel: Any) -> None:
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(NEEDS).GetOverview(id=steel.id)


@pytest.mark.parametrize("rights", [["customer_brief.read", *NEEDS], ["customer_brief.read"]])
def test_who_knows_it_in_brief_gets_the_profile_in_brief(server: Server, steel: Any, rights: list[str]) -> None:
    found = parts(server.person(rights), steel)

    brief = rows(found["profile"])[0]
    assert (brief.DESCRIPTOR.name, brief.name, brief.owner_name) == ("CustomerBrief", "宝山钢铁", "总经理")
    assert {part.state for code, part in found.items() if code != "profile"} == {"no_right"}
    assert not any(part.rows for code, part in found.items() if code != "profile")


def test_the_brief_beyond_ones_own_customers(server: Server, steel: Any) -> None:
    seller = server.person(READS, "self", also=[server.role(["customer_brief.read"], "all")])

    assert [r.DESCRIPTOR.name for r in rows(parts(seller, steel)["profile"])] == ["CustomerBrief"]
    with refused("NOT_FOUND", "NOT_FOUND"):
        server.person(READS, "self", also=[server.role(["customer_brief.read"], "self")]).GetOverview(id=steel.id)


def test_hidden_and_masked_fields_are_hidden_and_masked_here_too(server: Server, steel: Any) -> None:
    rules = [
        {"resource": "customer", "field": "phone", "rule": "hidden"},
        {"resource": "contact", "field": "mobile", "rule": "masked"},
    ]
    found = parts(server.person(READS, fields=rules), steel)

    profile, chief = rows(found["profile"])[0], rows(found["contacts"])[0]
    assert (profile.name, profile.phone) == ("宝山钢铁", "")
    assert (chief.name, chief.mobile) == ("王总", "139****1111")


def test_rows_chosen_by_a_field_that_one_does_not_see_are_not_told(server: Server, steel: Any) -> None:
    hidden = server.person(READS, fields=[{"resource": "contact", "field": "decision_role", "rule": "masked"}])
    found = parts(hidden, steel)

    assert (found["deciders"].state, list(found["deciders"].rows)) == ("no_right", [])
    assert [(c.name, c.decision_role) for c in rows(found["contacts"])] == [("王总", ""), ("李芳", "")]


def test_an_order_by_a_field_that_one_does_not_see_is_not_told(server: Server, steel: Any) -> None:
    blind = server.person(READS, fields=[{"resource": "contact", "field": "primary", "rule": "hidden"}])

    assert [(c.name, c.primary) for c in rows(parts(blind, steel)["contacts"])] == [("李芳", False), ("王总", False)]


def test_a_part_has_ten_rows_and_says_how_many_there_are(boss: Client, steel: Any) -> None:
    for n in range(12):
        boss.CreateContact(contact={"customer_id": steel.id, "name": f"第 {n} 位"})

    found = parts(boss, steel)["contacts"]
    assert (len(found.rows), found.total, found.total_capped) == (10, 14, False)


def test_what_goes_wrong_in_one_part_leaves_the_others(boss: Client, steel: Any, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(overview.timelines, "timeline", broken)
    monkeypatch.setattr(overview.reading, "counts", lambda call, _: call.connection.exec_driver_sql("SELECT nothing"))
    found = parts(boss, steel)

    assert {code for code, part in found.items() if part.state == "failed"} == {"timeline", "behaviour"}
    assert {part.state for code, part in found.items() if code not in ("timeline", "behaviour")} == {"shown"}
    assert not found["timeline"].rows


def test_a_deleted_customer_has_no_overview(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    boss.DeleteCustomer(id=made.id, etag=made.etag)

    with refused("NOT_FOUND", "NOT_FOUND"):
        boss.GetOverview(id=made.id)


def test_a_service_answers_the_parts_of_the_contract_and_no_others() -> None:
    missing = {code: show for code, show in overview.PARTS.items() if code != "timeline"}
    with pytest.raises(TypeError, match="customer"):
        OverviewServicer("customer", missing)
    with pytest.raises(TypeError, match="sales"):
        OverviewServicer("sales", overview.PARTS)
