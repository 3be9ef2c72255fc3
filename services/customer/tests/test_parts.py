"""Contacts, demands, interactions, search, import: what belongs to a customer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, Server, event, refused
from customer.demands import is_current


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(
        customer={"name": "重庆长江轴承有限公司", "short_name": "长江轴承", "mobile": "139 1234 5678"}
    )


@pytest.mark.feature("CUS-02")
def test_a_customer_has_one_primary_contact(boss: Client, customer: Any, server: Server) -> None:
    first = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "primary": True})
    second = boss.CreateContact(contact={"customer_id": customer.id, "name": "李明", "primary": True})

    assert not boss.GetContact(id=first.id).primary
    assert boss.GetContact(id=second.id).primary
    actions = [(e.record_id, e.action) for e in server.events("contact")]
    assert actions == [(first.id, "created"), (first.id, "updated"), (second.id, "created")]


@pytest.mark.feature("CUS-02")
def test_family_members_are_kept_and_checked(boss: Client, customer: Any) -> None:
    family = [{"relation": "女儿", "name": "王小丫", "birthday": "2015-06-01", "school_or_work": "实验小学"}]
    made = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "family": family})

    assert boss.GetContact(id=made.id).family[0].school_or_work == "实验小学"
    with refused("INVALID_ARGUMENT", "INVALID", "family[0].name", "family[1].birthday"):
        boss.CreateContact(
            contact={
                "customer_id": customer.id,
                "name": "赵强",
                "family": [{"relation": "子"}, {"name": "乙", "birthday": "x"}],
            }
        )


@pytest.mark.feature("CUS-02")
def test_what_is_personal_stays_out_of_events_and_of_the_change_record(
    boss: Client, customer: Any, server: Server
) -> None:
    made = boss.CreateContact(
        contact={"customer_id": customer.id, "name": "王芳", "mobile": "13800001234", "home_address": "临江路 1 号"}
    )

    (told,) = server.events("contact")
    assert "13800001234" not in str(told)
    assert b"13800001234" not in told.SerializeToString()
    (change,) = boss.ListChanges(record_type="contact", id=made.id).changes
    values = {c.field: c.after.string_value for c in change.changes}
    assert (values["mobile"], values["homeAddress"], values["name"]) == ("***", "***", "王芳")


@pytest.mark.feature("CUS-02")
def test_a_contact_never_moves_to_another_customer(boss: Client, customer: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})
    made = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})

    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        boss.UpdateContact(
            contact={"id": made.id, "customer_id": other.id}, update_mask={"paths": ["customer_id"]}, etag=made.etag
        )


@pytest.mark.feature("CUS-04")
def test_a_demand_is_flagged_while_it_is_valid_and_kept_after(boss: Client, customer: Any) -> None:
    def make(start: int, end: int) -> Any:
        today = datetime.now(UTC).date()
        return boss.CreateDemand(
            demand={
                "customer_id": customer.id,
                "kind": "advertising",
                "description": "封底广告",
                "valid_from": (today + timedelta(days=start)).isoformat(),
                "valid_until": (today + timedelta(days=end)).isoformat(),
            }
        )

    assert make(-10, 10).current
    assert not make(-20, -10).current
    flags = [
        d.current for d in boss.ListDemands(filter=f'customer_id = "{customer.id}"', order_by="valid_from").demands
    ]
    assert flags == [False, True]
    with refused("INVALID_ARGUMENT", "INVALID", "validUntil"):
        make(5, 1)


@pytest.mark.feature("CUS-04")
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("", "", True),
        ("2026-05-01", "", True),
        ("2026-05-02", "", False),
        ("", "2026-05-01", True),
        ("", "2026-04-30", False),
        ("2026-05-01", "2026-05-01", True),
    ],
)
def test_a_validity_holds_on_its_first_and_its_last_day(start: str, end: str, expected: bool) -> None:
    assert is_current(start, end, date(2026, 5, 1)) is expected


@pytest.mark.feature("CUS-12")
def test_an_interaction_tells_the_customer_when_it_was_last_contacted(boss: Client, customer: Any) -> None:
    earlier, later = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 4, 1, 9, tzinfo=UTC)
    for when in (later, earlier, datetime.now(UTC) + timedelta(days=9)):
        boss.CreateInteraction(
            interaction={"customer_id": customer.id, "kind": "call", "subject": "回访", "start_time": when}
        )

    read = boss.GetCustomer(id=customer.id)
    assert read.last_contact_time.ToDatetime(UTC) == later
    assert read.etag == customer.etag


@pytest.mark.feature("CUS-12")
def test_the_timeline_shows_what_other_services_did_too_page_by_page(
    boss: Client, customer: Any, server: Server
) -> None:
    for day in range(1, 6):
        boss.CreateInteraction(
            interaction={
                "customer_id": customer.id,
                "kind": "visit",
                "subject": f"拜访{day}",
                "start_time": datetime(2026, 1, day, tzinfo=UTC),
            }
        )
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", customer_id=customer.id, title="轴承年单")
    created, won = event(deal, "created"), event(deal, "won", version=2)
    created.time.FromDatetime(datetime(2026, 1, 3, 12, tzinfo=UTC))
    won.time.FromDatetime(datetime(2026, 1, 9, tzinfo=UTC))
    server.deliver("sales", created, won, created)

    seen, token = [], ""
    while True:
        page = boss.ListTimeline(customer_id=customer.id, page_size=3, page_token=token)
        seen += [(e.record_type, e.action, e.title) for e in page.entries]
        token = page.next_page_token
        if not token:
            break

    assert seen == [
        ("opportunity", "won", "轴承年单"),
        ("interaction", "created", "拜访5"),
        ("interaction", "created", "拜访4"),
        ("opportunity", "created", "轴承年单"),
        ("interaction", "created", "拜访3"),
        ("interaction", "created", "拜访2"),
        ("interaction", "created", "拜访1"),
    ]
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        server.sql("DELETE FROM interaction")
        boss.DeleteCustomer(id=customer.id, etag=customer.etag)


@pytest.mark.feature("CUS-12")
@pytest.mark.feature("IDN-07")
def test_a_timeline_reaches_as_far_as_interactions_and_tells_of_nothing_one_may_not_read(
    boss: Client, customer: Any, server: Server
) -> None:
    boss.CreateInteraction(interaction={"customer_id": customer.id, "kind": "visit", "subject": "拜访"})
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", customer_id=customer.id, title="轴承年单")
    server.deliver("sales", event(deal, "created"))
    sees_customers = server.role(["customer.read"], "all")
    near = server.person(rights=["interaction.read"], scope="self", also=[sees_customers])
    far = server.person(rights=["interaction.read"], scope="all")

    with refused("NOT_FOUND"):
        near.ListTimeline(customer_id=customer.id)
    assert near.ListInteractions().interactions == []
    assert [e.record_type for e in far.ListTimeline(customer_id=customer.id).entries] == ["interaction"]


@pytest.mark.feature("IDN-07")
def test_a_part_is_restored_by_whom_it_is_though_the_customer_itself_is_out_of_sight(
    customer: Any, server: Server, boss: Client
) -> None:
    contact = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})
    clerk = server.person(rights=["contact.read", "contact.delete"], scope="all")
    clerk.DeleteContact(id=contact.id, etag=contact.etag)

    assert clerk.RestoreContact(id=contact.id).name == "王芳"


@pytest.mark.feature("IDN-07")
def test_who_may_not_read_customers_points_at_none(customer: Any, server: Server) -> None:
    clerk = server.person(rights=["customer.create"], scope="all")

    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        clerk.CreateCustomer(customer={"name": "子公司", "parent_id": customer.id})


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    "words", ["长江", "长江轴承", "江轴", "changjiang", "cqcj", "CQCJ", "cjzc", "13912345678", "139-1234-5678", "轴"]
)
def test_one_box_finds_a_customer_by_name_pinyin_initials_and_phone(boss: Client, customer: Any, words: str) -> None:
    boss.CreateCustomer(customer={"name": "大连渔业合作社"})

    assert [c.id for c in boss.ListCustomers(search=words).customers] == [customer.id]


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize("words", ["轴江", "100%", "_", "长江x", "1391234567800"])
def test_the_box_finds_nothing_where_there_is_nothing(boss: Client, customer: Any, words: str) -> None:
    assert list(boss.ListCustomers(search=words).customers) == []


@pytest.mark.feature("CUS-06")
def test_a_customer_is_found_by_its_contact(boss: Client, customer: Any) -> None:
    boss.CreateContact(contact={"customer_id": customer.id, "name": "欧阳修远", "mobile": "13700001111"})

    assert [c.id for c in boss.ListCustomers(search="欧阳修").customers] == [customer.id]
    assert [c.id for c in boss.ListCustomers(search="ouyang").customers] == [customer.id]
    assert [c.id for c in boss.ListCustomers(search="13700001111").customers] == [customer.id]


@pytest.mark.feature("CUS-06")
def test_who_may_not_read_contacts_finds_no_customer_by_them(server: Server, boss: Client, customer: Any) -> None:
    boss.CreateContact(
        contact={"customer_id": customer.id, "name": "欧阳修远", "mobile": "13700001111", "email": "ou@example.com"}
    )
    clerk = server.person(["customer.*"])

    for words in ("欧阳", "欧阳修远", "ouyang", "oyxy", "13700001111", "ou@example.com"):
        assert [c.id for c in boss.ListCustomers(search=words).customers] == [customer.id]
        assert list(clerk.ListCustomers(search=words, count="exact").customers) == []
        assert clerk.CountCustomers(group_by="city", search=words).total == 0


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    "words", ["长江", "长江轴承", "江轴", "changjiang", "cqcj", "CQCJ", "cjzc", "13912345678", "139-1234-5678", "轴"]
)
def test_who_may_not_read_contacts_finds_customers_by_what_is_their_own(
    server: Server, boss: Client, customer: Any, words: str
) -> None:
    boss.CreateCustomer(customer={"name": "大连渔业合作社"})
    boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "mobile": "13700001111"})
    clerk = server.person(["customer.read"])

    assert [c.id for c in clerk.ListCustomers(search=words).customers] == [customer.id]


@pytest.mark.feature("CUS-06")
def test_a_customer_called_like_its_contact_is_found_without_the_right_to_read_contacts(
    server: Server, boss: Client
) -> None:
    made = boss.CreateCustomer(customer={"name": "欧阳修远", "kind": "individual"})
    boss.CreateContact(contact={"customer_id": made.id, "name": "欧阳修远"})

    assert [c.id for c in server.person(["customer.read"]).ListCustomers(search="欧阳").customers] == [made.id]


@pytest.mark.feature("CUS-06")
def test_who_reads_contacts_of_their_own_customers_only_does_not_find_others_by_contacts(
    server: Server, boss: Client, customer: Any
) -> None:
    boss.CreateContact(contact={"customer_id": customer.id, "name": "欧阳修远", "mobile": "13700001111"})
    clerk = server.person(["customer.read"], also=[server.role(["contact.read"], "self")])

    for words in ("欧阳", "13700001111"):
        assert list(clerk.ListCustomers(search=words).customers) == []
    assert [c.id for c in clerk.ListCustomers(search="长江").customers] == [customer.id]


@pytest.mark.feature("CUS-06")
def test_a_result_is_counted_by_any_dictionary(boss: Client) -> None:
    for i, industry in enumerate(["software", "software", "media", ""]):
        boss.CreateCustomer(customer={"name": f"客户{i}", "industry": industry})

    counted = boss.CountCustomers(group_by="industry", filter='name:"客户"')

    groups = {(g.key, g.label): g.count for g in counted.groups}
    assert groups == {("software", "软件和信息技术"): 2, ("media", "文化和传媒"): 1, ("", ""): 1}
    assert counted.total == 4
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        boss.CountCustomers(group_by="name")


@pytest.mark.feature("CUS-01")
def test_the_same_import_twice_changes_nothing_and_bad_rows_stop_nobody(boss: Client, server: Server) -> None:
    rows = [Customer(external_id=f"erp:{i}", name=f"客户{i}") for i in range(50)]
    rows[7].name = ""
    rows[9].external_id = rows[8].external_id

    first = boss.ImportCustomers(customers=rows)
    again = boss.ImportCustomers(customers=rows)

    assert (first.created, first.failed) == (48, 2)
    assert {r.index: r.reason for r in first.results if r.outcome == "failed"} == {
        7: "客户名称不能为空",
        9: "外部标识“erp:8”在请求中出现了两次",
    }
    assert (again.created, again.updated, again.unchanged, again.failed) == (0, 0, 48, 2)
    rows[0].city = "苏州"
    assert boss.ImportCustomers(customers=rows).updated == 1
    assert len(server.events("customer")) == 49


@pytest.mark.feature("CUS-01")
def test_a_taken_credit_code_fails_its_own_row_of_an_import(boss: Client, server: Server) -> None:
    code = "91350100M000100Y43"
    rows = [
        Customer(external_id=f"erp:{i}", name=f"客户{i}", credit_code=code if i in (1, 3) else "") for i in range(5)
    ]

    answer = boss.ImportCustomers(customers=rows)

    assert [r.outcome for r in answer.results] == ["created", "created", "created", "failed", "created"]
    assert {e.record_id for e in server.events("customer")} == {r.id for r in answer.results if r.id}
