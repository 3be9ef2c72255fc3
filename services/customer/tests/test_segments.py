"""Segments: conditions over fields, trade, behaviour and scores, live or written down; the reader's rules hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm.records.v1 import records_pb2
from crm_kit.testing import Client, Server, refused
from crm_records import listing
from customer.customers import CUSTOMERS
from customer.segments import members

pytestmark = pytest.mark.feature("CUS-23")

USE = ["segment.*", "customer.read", "trade_entry.read", "behaviour.read"]


@pytest.fixture
def segment(boss: Client) -> Any:
    def make(filter_text: str = "", *conditions: dict[str, Any], who: Client = boss, **more: Any) -> Any:
        fields = {"name": "客户群", "kind": "live", "shared": True, "filter": filter_text, **more}
        return who.CreateSegment(segment={**fields, "conditions": conditions})

    return make


@pytest.fixture
def customer(boss: Client) -> Any:
    def make(name: str, **more: Any) -> str:
        return str(boss.CreateCustomer(customer={"name": name, **more}).id)

    return make


@pytest.fixture
def freeze(boss: Client, server: Server) -> Any:
    def act(segment_id: str, who: Client = boss) -> None:
        who.FreezeSegment(id=segment_id, etag=who.GetSegment(id=segment_id).etag)
        server.run_jobs()

    return act


def names(who: Client, segment_id: str) -> str:
    found = who.ListSegmentMembers(id=segment_id, count="exact")
    assert found.total == len(found.customers) == who.CountSegmentMembers(id=segment_id).count
    return "".join(sorted(c.name for c in found.customers))


def months_ago(today: date, months: int) -> str:
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(year, month + 1, 1).isoformat()


def test_trade_figures_count_what_nothing_was_written_of_as_0(
    boss: Client, segment: Any, customer: Any, order: Any, today: date
) -> None:
    for name, months, amount in (("甲", 0, "100"), ("乙", 0, "99.99"), ("丙", 3, "500"), ("丁", 0, "")):
        one = customer(name)
        if amount:
            order(one, months_ago(today, months), amount)
    orders = {"kind": "order_amount", "months": 3}

    for condition, expected in (
        ({"from": "100"}, "甲"),
        ({"to": "100"}, "丁丙乙"),
        ({"from": "0", "to": "99.99"}, "丁丙"),
        ({"from": "99.99", "to": "100"}, "乙"),
        ({"from": "0"}, "丁丙乙甲"),
        ({"from": "100", "negated": True}, "丁丙乙"),
        ({"months": 4, "from": "500"}, "丙"),
        ({"kind": "order_count", "from": "1"}, "乙甲"),
        ({"kind": "receipt_amount", "from": "1"}, ""),
    ):
        found = names(boss, segment("", {**orders, **condition}).id)
        assert found == "".join(sorted(expected)), condition


def test_filter_and_conditions_are_joined_by_all_or_by_any(
    boss: Client, segment: Any, customer: Any, order: Any, today: date
) -> None:
    for name, city, amount in (("甲", "上海", "10"), ("乙", "上海", ""), ("丙", "北京", "10"), ("丁", "广州", "")):
        one = customer(name, city=city)
        if amount:
            order(one, today.isoformat(), amount)
    bought = {"kind": "order_count", "months": 1, "from": "1"}

    assert names(boss, segment('city = "上海"', bought).id) == "甲"
    assert names(boss, segment('city = "上海"', bought, match="any").id) == "".join(sorted("甲乙丙"))
    assert names(boss, segment("lastOrderDate = null").id) == "".join(sorted("乙丁"))
    assert names(boss, segment('city = "北京"').id) == "丙"


def test_statements_that_are_kept_tell_custom_fields_and_values_apart(
    boss: Client, segment: Any, customer: Any
) -> None:
    for key in ("a", "b"):
        field = {"key": key, "kind": "number", "label_zh": key, "label_en": key}
        boss.CreateCustomField(record_type="customer", custom_field=field)
    customer("甲", custom={"a": 1})
    customer("乙", custom={"b": 1})
    customer("丙", custom={"b": 2})

    found = [names(boss, segment(text).id) for text in ("custom.a = 1", "custom.b = 1", "custom.b = 2", "custom.a = 2")]

    assert found == ["甲", "乙", "丙", ""]


def test_behaviour_counts_own_events_and_those_of_visitors(boss: Client, segment: Any, customer: Any) -> None:
    one, other = customer("甲"), customer("乙")
    customer("丙")
    now = datetime.now(UTC)
    events = [{"event_id": str(n), "time": now - timedelta(days=n), "kind": "view", "customer_id": one} for n in (0, 5)]
    events += [{"event_id": "v", "time": now, "kind": "view", "visitor": "v1"}]
    boss.RecordBehaviour(source="shop", events=events)
    boss.IdentifyVisitor(source="shop", visitor="v1", customer_id=other)
    viewed = {"kind": "behaviour", "code": "view"}

    assert names(boss, segment("", {**viewed, "days": 30, "from": "1"}).id) == "".join(sorted("甲乙"))
    assert names(boss, segment("", {**viewed, "days": 30, "from": "2"}).id) == "甲"
    assert names(boss, segment("", {**viewed, "days": 3, "from": "2"}).id) == ""
    assert names(boss, segment("", {**viewed, "days": 3, "to": "1"}).id) == "丙"
    assert names(boss, segment("", {**viewed, "code": "buy", "days": 3, "from": "1"}).id) == ""


def test_scores_and_levels_with_what_people_said(boss: Client, segment: Any, customer: Any, sweep: Any) -> None:
    values = [{"code": "large", "points": "4"}, {"code": "small", "points": "1"}]
    criterion = {"name": "规模", "class": "trait", "source": "field", "field": "scale", "weight": "100"}
    fields = {"name": "价值", "code": "value", "purpose": "value", "criteria": [{**criterion, "values": values}]}
    levels = [{"level": "A", "from": "50"}, {"level": "C", "from": "0"}]
    with refused("INVALID_ARGUMENT", "INVALID", "conditions[0].code"):
        segment("", {"kind": "score", "code": "value", "from": "1"})
    model = boss.CreateValueModel(value_model={**fields, "levels": levels})
    boss.ActivateValueModel(id=model.id, etag=model.etag)
    ids = [customer(n, scale=s) for n, s in (("甲", "large"), ("乙", "small"), ("丙", ""))]
    sweep(date(2026, 11, 24))
    boss.OverruleStanding(customer_id=ids[2], topic="value.value", value="A", note="战略")

    assert names(boss, segment("", {"kind": "score", "code": "value", "from": "25", "to": "100"}).id) == "乙"
    assert names(boss, segment("", {"kind": "score", "code": "value", "from": "25"}).id) == "".join(sorted("甲乙"))
    assert names(boss, segment("", {"kind": "level", "code": "value", "level": "A"}).id) == "".join(sorted("甲丙"))
    assert names(boss, segment("", {"kind": "level", "code": "value", "level": "C"}).id) == "乙"
    assert names(boss, segment('lifecycle = "potential" AND behaviourTags = "x"').id) == ""


def test_a_frozen_segment_stays_until_it_is_written_down_again(
    boss: Client, server: Server, segment: Any, customer: Any, freeze: Any
) -> None:
    one, two, three = customer("甲", city="上海"), customer("乙", city="上海"), customer("丙", city="北京")
    made = segment('city = "上海"', kind="frozen")
    assert names(boss, made.id) == ""
    freeze(made.id)
    assert names(boss, made.id) == "".join(sorted("甲乙"))
    assert boss.GetSegment(id=made.id).HasField("freeze_time")
    customer("丁", city="上海")
    now = boss.GetCustomer(id=one)
    boss.UpdateCustomer(customer={"id": one, "city": "广州"}, update_mask={"paths": ["city"]}, etag=now.etag)
    assert names(boss, made.id) == "".join(sorted("甲乙"))

    assert boss.AddSegmentMembers(id=made.id, customer_ids=[three]).changed == 1
    assert boss.AddSegmentMembers(id=made.id, customer_ids=[three]).changed == 0
    assert boss.RemoveSegmentMembers(id=made.id, customer_ids=[two]).changed == 1
    assert names(boss, made.id) == "".join(sorted("丙甲"))
    freeze(made.id)

    assert names(boss, made.id) == "".join(sorted("丙丁"))
    actions = [e.action for e in server.events("segment")]
    assert actions == ["created", "frozen", "members_added", "members_removed", "frozen"]
    live = segment('city = "上海"')
    for act in (
        lambda: boss.AddSegmentMembers(id=live.id, customer_ids=[one]),
        lambda: boss.RemoveSegmentMembers(id=live.id, customer_ids=[one]),
        lambda: boss.FreezeSegment(id=live.id, etag=live.etag),
    ):
        with refused("FAILED_PRECONDITION", "SEGMENT_IS_LIVE"):
            act()
    with refused("INVALID_ARGUMENT", "INVALID", "customerIds[0]"):
        boss.AddSegmentMembers(id=made.id, customer_ids=["01900000-0000-7000-8000-000000000000"])


def test_many_members_are_written_down_in_steps(boss: Client, server: Server, segment: Any, freeze: Any) -> None:
    server.sql(
        "INSERT INTO customer (id, name, kind, create_time, update_time)"
        " SELECT gen_random_uuid(), '客户' || n, 'organization', now(), now() FROM generate_series(1, 4500) n"
    )
    made = segment(kind="frozen")
    freeze(made.id)
    assert boss.CountSegmentMembers(id=made.id).count == 4500
    freeze(made.id)
    assert boss.CountSegmentMembers(id=made.id).count == 4500


def test_members_are_those_that_the_reader_reaches(
    boss: Client, server: Server, segment: Any, customer: Any, freeze: Any
) -> None:
    seller = server.person(USE, "self", name="销售")
    customer("甲", owner_id=seller.user_id, city="上海")
    foreign = customer("乙", city="上海")
    live, frozen = segment('city = "上海"'), segment('city = "上海"', kind="frozen")
    freeze(frozen.id)

    for made in (live, frozen):
        assert names(boss, made.id) == "".join(sorted("甲乙"))
        assert names(seller, made.id) == "甲"
    own = segment('city = "上海"', who=seller, kind="frozen")
    freeze(own.id, seller)
    assert names(boss, own.id) == "甲"
    with refused("INVALID_ARGUMENT", "INVALID", "customerIds[0]"):
        seller.AddSegmentMembers(id=own.id, customer_ids=[foreign])
    outsider = server.person(["customer.read"])
    with refused("PERMISSION_DENIED"):
        outsider.ListSegmentMembers(id=live.id)


def test_a_personal_segment_is_its_makers_and_a_shared_one_is_changed_by_its_maker(
    boss: Client, server: Server, segment: Any
) -> None:
    seller, other = server.person(USE, "self"), server.person(USE, "self")
    personal = segment('city = "上海"', who=seller, shared=False)
    shared = segment('city = "上海"', who=seller)

    assert {s.id for s in other.ListSegments().segments} == {shared.id}
    assert {s.id for s in boss.ListSegments().segments} == {shared.id}
    assert {s.id for s in seller.ListSegments().segments} == {shared.id, personal.id}
    for who in (other, boss):
        for act in (
            lambda w: w.GetSegment(id=personal.id),
            lambda w: w.ListSegmentMembers(id=personal.id),
            lambda w: w.CountSegmentMembers(id=personal.id),
            lambda w: w.DeleteSegment(id=personal.id, etag=personal.etag),
        ):
            with refused("NOT_FOUND"):
                act(who)
    change = {"segment": {"id": shared.id, "name": "新"}, "update_mask": {"paths": ["name"]}, "etag": shared.etag}
    with refused("PERMISSION_DENIED", "SEGMENT_OF_ANOTHER"):
        other.UpdateSegment(**change)
    with refused("PERMISSION_DENIED", "SEGMENT_OF_ANOTHER"):
        other.DeleteSegment(id=shared.id, etag=shared.etag)
    assert boss.UpdateSegment(**change).name == "新"


def test_a_hidden_field_cannot_be_guessed_by_anybodys_segment(
    boss: Client, server: Server, segment: Any, customer: Any, freeze: Any
) -> None:
    """The rules of the reader hold: whoever made the segment, live or frozen."""
    customer("甲", employees=7, mobile="13800138000")
    by_employees = segment("employees = 7")
    written = segment("employees = 7", kind="frozen")
    freeze(written.id)
    by_number, by_orders = (
        segment('mobile = "13800138000"'),
        segment("", {"kind": "order_count", "months": 1, "to": "1"}),
    )
    by_views = segment("", {"kind": "behaviour", "code": "view", "days": 1, "to": "1"})
    cases = [(server.person(USE, fields=[{"resource": "customer", "field": f, "rule": "masked"}]), found)
             for f, found in (("employees", (by_employees, written)), ("mobile", (by_number,)))]  # fmt: skip
    cases.append((server.person(["segment.*", "customer.read", "behaviour.read"]), (by_orders,)))
    cases.append((server.person(["segment.*", "customer.read", "trade_entry.read"]), (by_views,)))
    own_trade = server.person(["segment.*", "customer.read"], also=[server.role(["trade_entry.read"], "self")])
    cases.append((own_trade, (by_orders,)))
    hidden_amount = [{"resource": "trade_entry", "field": "amount", "rule": "hidden"}]
    cases.append((server.person(USE, fields=hidden_amount), (by_orders,)))

    for who, hidden in cases:
        for made in hidden:
            for act in (
                lambda w, m: w.ListSegmentMembers(id=m.id),
                lambda w, m: w.CountSegmentMembers(id=m.id),
                lambda w, m: w.CreateSegment(
                    segment={"name": "x", "kind": "live", "filter": m.filter, "conditions": m.conditions}
                ),
            ):
                with refused("PERMISSION_DENIED", "ASKS_UNSEEN"):
                    act(who, made)
    sees = server.person(USE)
    for made in (by_employees, written, by_number, by_orders, by_views):
        assert names(sees, made.id) == "甲"


def test_others_ask_by_a_segment_with_one_function(boss: Client, server: Server, segment: Any, customer: Any) -> None:
    """As campaigns and reports do: the segment narrows a list that has a filter of its own."""
    customer("甲", city="上海", province="东")
    customer("乙", city="上海", province="西")
    customer("丙", city="北京", province="东")
    made, found = segment('city = "上海"'), []

    def ask(call: Any) -> None:
        also = members.condition(call, members.find(call, made.id))
        request = records_pb2.ListRequest(filter='province = "东"', count="exact")
        found.append(listing.page(call, CUSTOMERS, request, also=also))

    server.service.act(ask)

    assert ([c.name for c in found[0].messages], found[0].total) == (["甲"], 1)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "conditions"),
        ({"conditions": [{"kind": "order_amount", "from": "1"}]}, "conditions[0].months"),
        ({"conditions": [{"kind": "order_amount", "months": 1}]}, "conditions[0].from"),
        ({"conditions": [{"kind": "order_amount", "months": 1, "from": "2", "to": "2"}]}, "conditions[0].to"),
        ({"conditions": [{"kind": "behaviour", "code": "view", "from": "1"}]}, "conditions[0].days"),
        ({"conditions": [{"kind": "level", "code": "x"}]}, "conditions[0].level"),
    ],
)
def test_a_segment_that_cannot_be_is_refused(boss: Client, fields: Any, path: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", path):
        boss.CreateSegment(segment={"name": "x", "kind": "live", **fields})


@pytest.mark.parametrize("filter_text", ["nothing = 1", "custom.none = 1", "employees = x", "(("])
def test_a_filter_that_is_none_is_refused(boss: Client, filter_text: str) -> None:
    with refused("INVALID_ARGUMENT"):
        boss.CreateSegment(segment={"name": "x", "kind": "live", "filter": filter_text})
    assert not boss.ListSegments().segments
