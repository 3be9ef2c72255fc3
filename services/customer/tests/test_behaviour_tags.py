"""Tags that rules put because of behaviour, and that people take off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from customer.behaviour import work

pytestmark = pytest.mark.feature("CUS-24")
NOW = datetime.now(UTC)


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "重庆长江轴承有限公司", "tags": ["手工"]})


@pytest.fixture
def rule(boss: Client) -> Any:
    return make(boss)


def make(boss: Client, **more: Any) -> Any:
    return boss.CreateBehaviourTagRule(
        behaviour_tag_rule={
            "name": "常看轴承",
            "tag": "轴承意向",
            "kind": "view",
            "at_least": 3,
            "within_days": 30,
            **more,
        }
    )


def views(boss: Client, *days: float, first: int = 0, source: str = "shop", **more: Any) -> None:
    events = [
        {"event_id": f"e{first + n}", "time": NOW - timedelta(days=d), "kind": "view", **more}
        for n, d in enumerate(days)
    ]
    assert boss.RecordBehaviour(source=source, events=events).stored == len(days)


def tick(server: Server, now: datetime | None = None) -> None:
    for look in (work.take, work.go_on):
        server.service.act(lambda call, look=look: look(call, now or datetime.now(UTC)))


def shown(boss: Client, customer: Any) -> list[str]:
    return list(boss.GetCustomer(id=customer.id).behaviour_tags)


def test_who_does_it_often_enough_gets_the_tag_with_its_reason(
    boss: Client, customer: Any, rule: Any, server: Server
) -> None:
    views(boss, 5, 2, customer_id=customer.id)
    tick(server)
    assert shown(boss, customer) == []

    views(boss, 1, first=2, customer_id=customer.id)
    tick(server)

    (tag,) = boss.ListBehaviourTags(customer_id=customer.id).tags
    assert (tag.tag, tag.rule_id, tag.rule_version, tag.count) == ("轴承意向", rule.id, 1, 3)
    assert abs(tag.valid_until.ToDatetime(UTC) - (NOW + timedelta(days=25))) < timedelta(seconds=1)
    now = boss.GetCustomer(id=customer.id)
    assert (list(now.behaviour_tags), list(now.tags), now.etag) == (["轴承意向"], ["手工"], "1")
    assert [c.id for c in boss.ListCustomers(filter='behaviour_tags = "轴承意向"').customers] == [customer.id]
    assert [e.action for e in server.events("behaviour_tag")] == ["put"]


def test_what_a_visitor_did_counts_once_it_is_known(boss: Client, customer: Any, rule: Any, server: Server) -> None:
    views(boss, 3, 2, 1, visitor="v")
    tick(server)
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=customer.id)
    tick(server)
    assert shown(boss, customer) == ["轴承意向"]

    other = boss.CreateCustomer(customer={"name": "别家"})
    boss.IdentifyVisitor(source="shop", visitor="v", customer_id=other.id, from_time=NOW - timedelta(days=2, minutes=1))
    tick(server)
    assert shown(boss, customer) == []


@pytest.mark.parametrize(
    ("rules", "events", "expected"),
    [
        ({"source": "shop"}, {"source": "app"}, []),
        ({"source": "app"}, {"source": "app"}, ["轴承意向"]),
        ({"kind": "buy"}, {}, []),
        ({"property": "category", "property_value": "bearing"}, {"properties": {"category": "bearing"}}, ["轴承意向"]),
        ({"property": "category", "property_value": "bearing"}, {"properties": {"category": "gear"}}, []),
        ({"property": "category", "property_value": "bearing"}, {}, []),
        ({"at_least": 4}, {}, []),
        ({"within_days": 2}, {}, []),
        ({"paused": True}, {}, []),
    ],
)
def test_a_rule_looks_at_kind_source_property_number_and_days(
    boss: Client, customer: Any, server: Server, rules: Any, events: Any, expected: Any
) -> None:
    make(boss, **rules)
    views(boss, 3, 1, 0.5, customer_id=customer.id, **events)
    tick(server)

    assert shown(boss, customer) == expected


def test_a_tag_goes_when_its_time_is_over(boss: Client, customer: Any, rule: Any, server: Server) -> None:
    views(boss, 20, 10, 5, 1, customer_id=customer.id)
    tick(server)
    tick(server, NOW + timedelta(days=19, hours=23))
    assert shown(boss, customer) == ["轴承意向"]

    tick(server, NOW + timedelta(days=20, minutes=1))
    assert shown(boss, customer) == []
    assert boss.ListBehaviourTags(customer_id=customer.id).tags == []
    assert [e.action for e in server.events("behaviour_tag")] == ["put", "expired"]


def test_a_tag_that_a_person_took_off_is_not_put_again(boss: Client, customer: Any, rule: Any, server: Server) -> None:
    views(boss, 3, 2, 1, customer_id=customer.id)
    tick(server)
    (tag,) = boss.ListBehaviourTags(customer_id=customer.id).tags
    with refused("INVALID_ARGUMENT", "INVALID", "note"):
        boss.RemoveBehaviourTag(id=tag.id, etag=tag.etag)
    with refused("ABORTED", "STALE"):
        boss.RemoveBehaviourTag(id=tag.id, etag="9", note="是同行")

    off = boss.RemoveBehaviourTag(id=tag.id, etag=tag.etag, note="是同行")
    views(boss, 0.5, first=9, customer_id=customer.id)
    tick(server)

    assert shown(boss, customer) == []
    (kept,) = boss.ListBehaviourTags(customer_id=customer.id).tags
    assert (kept.note, kept.remover_id) == ("是同行", boss.user_id)
    with refused("FAILED_PRECONDITION", "TAG_IS_OFF"):
        boss.RemoveBehaviourTag(id=tag.id, etag=off.etag, note="再次")
    back = boss.PutBackBehaviourTag(id=tag.id, etag=off.etag)
    assert shown(boss, customer) == ["轴承意向"]
    with refused("FAILED_PRECONDITION", "TAG_IS_ON"):
        boss.PutBackBehaviourTag(id=tag.id, etag=back.etag)
    assert [e.action for e in server.events("behaviour_tag")] == ["put", "removed", "put_back"]


def test_only_who_may_change_the_customer_takes_a_tag_off(
    boss: Client, customer: Any, rule: Any, server: Server
) -> None:
    views(boss, 3, 2, 1, customer_id=customer.id)
    tick(server)
    (tag,) = boss.ListBehaviourTags(customer_id=customer.id).tags

    with refused("NOT_FOUND"):
        server.person(["customer.*", "behaviour.*"], scope="self").RemoveBehaviourTag(id=tag.id, etag="1", note="x")
    with refused("PERMISSION_DENIED"):
        server.person(["customer.read", "behaviour.read"]).RemoveBehaviourTag(id=tag.id, etag="1", note="x")


def test_tags_obey_the_field_rules_of_the_customer(boss: Client, customer: Any, rule: Any, server: Server) -> None:
    views(boss, 3, 2, 1, customer_id=customer.id)
    tick(server)
    hidden = [{"resource": "customer", "field": "behaviour_tags", "rule": "hidden"}]
    person = server.person(fields=hidden)

    assert shown(person, customer) == []
    assert [t.tag for t in person.ListBehaviourTags(customer_id=customer.id).tags] == [""]


def test_a_new_rule_looks_at_everybody_and_a_changed_one_again(boss: Client, server: Server) -> None:
    made = [boss.CreateCustomer(customer={"name": f"客户{n}"}) for n in range(3)]
    for n, one in enumerate(made):
        views(boss, *([1] * (n + 1)), first=n * 10, customer_id=one.id)
    tick(server)

    rule = make(boss, at_least=2)
    tick(server)
    assert [shown(boss, one) for one in made] == [[], ["轴承意向"], ["轴承意向"]]

    stricter = boss.UpdateBehaviourTagRule(
        behaviour_tag_rule={"id": rule.id, "at_least": 3, "tag": "热衷轴承"},
        update_mask={"paths": ["at_least", "tag"]},
        etag=rule.etag,
    )
    tick(server)
    assert [shown(boss, one) for one in made] == [[], [], ["热衷轴承"]]

    boss.DeleteBehaviourTagRule(id=rule.id, etag=stricter.etag)
    tick(server)
    assert [shown(boss, one) for one in made] == [[], [], []]


def test_two_rules_with_the_same_tag_take_back_only_their_own(boss: Client, customer: Any, server: Server) -> None:
    first, _ = make(boss), make(boss, name="另一规则", at_least=1)
    views(boss, 3, 2, 1, customer_id=customer.id)
    tick(server)
    tick(server)
    assert len(boss.ListBehaviourTags(customer_id=customer.id).tags) == 2

    boss.DeleteBehaviourTagRule(id=first.id, etag=first.etag)
    tick(server)
    assert shown(boss, customer) == ["轴承意向"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "dance"}, "kind"),
        ({"at_least": 0}, "atLeast"),
        ({"within_days": None}, "withinDays"),
        ({"within_days": 1000}, "withinDays"),
        ({"property": "category"}, "propertyValue"),
        ({"property_value": "bearing"}, "property"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(boss: Client, wrong: Any, field: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", field):
        make(boss, **wrong)


def test_kinds_are_a_dictionary_that_an_administrator_adds_to(boss: Client, customer: Any) -> None:
    boss.CreateDictionaryEntry(
        record_type="behaviour_tag_rule",
        dictionary="behaviour_kind",
        entry={"code": "scan", "label_zh": "扫码", "label_en": "Scan"},
    )
    views(boss, 1, customer_id=customer.id)
    told = boss.RecordBehaviour(
        source="shop", events=[{"event_id": "s", "time": NOW, "kind": "scan", "customer_id": customer.id}]
    )
    assert told.stored == 1
