"""Which fields: hidden, masked, read-only and required ones, on every way a customer is read, asked for or written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("IDN-07")

READ = ["customer.read", "contact.read", "interaction.read"]


def rule(field: str, level: str, resource: str = "customer") -> dict[str, Any]:
    return {"resource": resource, "field": field, "rule": level}


HIDDEN_PHONE = rule("phone", "hidden")
MASKED_PHONE = rule("phone", "masked")


@pytest.fixture
def steel(boss: Client) -> Any:
    return boss.CreateCustomer(
        customer={
            "name": "宝山钢铁",
            "phone": "13812345678",
            "bank_account": "6222020012345678",
            "email": "anna@example.com",
            "annual_revenue": "1000.00",
            "industry": "software",
            "city": "上海",
        }
    )


def update(client: Client, made: Any, etag: str = "1", **fields: Any) -> Any:
    return client.UpdateCustomer(customer={"id": made.id, **fields}, update_mask={"paths": list(fields)}, etag=etag)


def test_a_hidden_field_is_nowhere_to_be_read(server: Server, steel: Any) -> None:
    clerk = server.person(["customer.*"], fields=[HIDDEN_PHONE])

    assert clerk.GetCustomer(id=steel.id).phone == ""
    assert clerk.GetCustomer(id=steel.id).email == "anna@example.com"
    assert [c.phone for c in clerk.ListCustomers(fields="*").customers] == [""]
    assert [c.phone for c in clerk.ListCustomers().customers] == [""]
    assert update(clerk, steel, city="苏州").phone == ""
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        clerk.GetCustomer(id=steel.id, fields="name,phone")
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        clerk.ListCustomers(fields="phone")
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        clerk.ListCustomers(fields="bankAccountNumber")


def test_a_masked_field_is_shown_by_its_form_and_an_amount_not_at_all(server: Server, steel: Any) -> None:
    names = ("phone", "bank_account", "email", "annual_revenue", "name", "industry")
    clerk = server.person(READ, fields=[rule(n, "masked") for n in names])

    for seen in (clerk.GetCustomer(id=steel.id), *clerk.ListCustomers(fields=",".join(names)).customers):
        assert [getattr(seen, n) for n in names] == ["138****5678", "****5678", "a***@example.com", "", "宝***", ""]
    # What the name is made into tells no more than the name.
    assert clerk.GetCustomer(id=steel.id).pinyin == "b***"


def test_nobody_asks_for_what_they_do_not_see(server: Server, steel: Any) -> None:
    for level in ("hidden", "masked"):
        clerk = server.person(READ, fields=[rule("phone", level), rule("industry", level), rule("name", level)])

        for text in (
            'phone="13812345678"',
            'phone:"1381"',
            "NOT phone=null",
            'city="上海" AND name:"宝"',
            'pinyin:"b"',
        ):
            with refused("INVALID_ARGUMENT", "BAD_FILTER") as told:
                clerk.ListCustomers(filter=text, metadata={"accept-language": "en"})
            assert "there is no field" in told.message
        for order in ("phone", "city, name desc", "pinyin"):
            with refused("INVALID_ARGUMENT", "BAD_ORDER"):
                clerk.ListCustomers(order_by=order)
        with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
            clerk.CountCustomers(group_by="industry")
        with refused("INVALID_ARGUMENT", "BAD_FILTER"):
            clerk.CountCustomers(group_by="city", filter='phone:"138"')
        assert [c.id for c in clerk.ListCustomers(filter='city="上海"', order_by="city").customers] == [steel.id]


def test_a_page_token_of_somebody_else_opens_nothing(server: Server, boss: Client, steel: Any) -> None:
    boss.CreateCustomer(customer={"name": "乙", "industry": "retail"})
    token = boss.ListCustomers(page_size=1, order_by="industry").next_page_token
    clerk = server.person(READ, fields=[rule("industry", "masked")])

    with refused("INVALID_ARGUMENT", "BAD_ORDER"):
        clerk.ListCustomers(page_size=1, order_by="industry", page_token=token)
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        clerk.ListCustomers(page_size=1, page_token=token)


@pytest.mark.parametrize("level", ["hidden", "masked"])
def test_the_search_box_does_not_find_by_it(server: Server, boss: Client, steel: Any, level: str) -> None:
    boss.CreateContact(contact={"customer_id": steel.id, "name": "王芳", "mobile": "137 0000 1111"})
    clerk = server.person(READ, fields=[rule("phone", level), rule("mobile", level, "contact")])

    def found(words: str, who: Client = clerk) -> list[str]:
        return [c.id for c in who.ListCustomers(search=words).customers]

    for words in ("13812345678", "138 1234 5678", "13700001111"):
        assert found(words, boss) == [steel.id]
        assert found(words) == []
    for words in ("宝山", "bsgt", "baoshan", steel.number, "王芳", "wangfang"):
        assert found(words) == [steel.id]
    assert [c.name for c in clerk.ListContacts(search="王芳").contacts] == ["王芳"]
    assert list(clerk.ListContacts(search="13700001111").contacts) == []
    assert clerk.ListCustomers(search="13812345678", count="exact").total == 0


def test_a_visible_phone_is_still_found_however_it_is_written(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "乙", "phone": "021-6123 4567", "mobile": "13912345678"})
    clerk = server.person(READ, fields=[rule("mobile", "hidden")])

    assert [c.id for c in clerk.ListCustomers(search="02161234567").customers] == [made.id]
    assert list(clerk.ListCustomers(search="13912345678").customers) == []


def test_briefs_obey_the_rules_of_customers(server: Server, steel: Any) -> None:
    clerk = server.person(["customer_brief.read"], fields=[rule("name", "masked"), rule("city", "hidden")])

    (brief,) = clerk.ListCustomerBriefs().customers

    assert (brief.name, brief.city, brief.owner_name) == ("宝***", "", "总经理")
    assert list(clerk.ListCustomerBriefs(search="钢铁").customers) == []


def test_nothing_is_given_to_a_field_that_is_not_the_callers(server: Server, boss: Client, steel: Any) -> None:
    rules = [HIDDEN_PHONE, rule("email", "masked"), rule("city", "read_only")]
    clerk = server.person(["customer.*"], fields=rules)
    fields = {"phone": "13812345678", "email": "anna@example.com", "city": "杭州", "employees": -1}

    with refused("INVALID_ARGUMENT", "INVALID", "phone", "email", "city") as told:
        clerk.CreateCustomer(customer={"name": "丙", **fields}, metadata={"accept-language": "en"})
    assert "phone" in told.fields["phone"]
    assert "cannot be changed" in told.fields["city"]
    with refused("INVALID_ARGUMENT", "INVALID", "phone", "email", "city", "employees") as told:
        update(clerk, steel, **fields)
    assert len(told.fields) == 4
    # The value that is there is no better: giving it must not tell that it is right.
    for name in ("phone", "email"):
        with refused("INVALID_ARGUMENT", "INVALID", name):
            update(clerk, steel, **{name: fields[name]})
    assert update(clerk, steel, city="上海", industry="").city == "上海"
    assert boss.GetCustomer(id=steel.id).phone == "13812345678"


def test_a_required_field_must_be_filled_by_whom_it_is_required_of(server: Server, boss: Client, steel: Any) -> None:
    clerk = server.person(["customer.*"], fields=[rule("province", "required")])

    with refused("INVALID_ARGUMENT", "INVALID", "province"):
        clerk.CreateCustomer(customer={"name": "丙"})
    with refused("INVALID_ARGUMENT", "INVALID", "province"):
        update(clerk, steel, city="苏州")
    assert update(clerk, steel, city="苏州", province="江苏").province == "江苏"
    with refused("INVALID_ARGUMENT", "INVALID", "province"):
        update(clerk, steel, "2", province="")
    assert boss.CreateCustomer(customer={"name": "丁"}).province == ""


def test_import_obeys_row_by_row_and_does_not_tell_what_is_there(server: Server, boss: Client, steel: Any) -> None:
    boss.CreateCustomer(customer={"name": "老客户", "external_id": "X1", "phone": "13812345678", "city": "上海"})
    clerk = server.person(
        ["customer.*"], fields=[HIDDEN_PHONE, rule("city", "read_only"), rule("province", "required")]
    )
    rows = [
        {"name": "老客户", "external_id": "X1", "phone": "13812345678", "province": "上海"},
        {"name": "老客户", "external_id": "X1a", "phone": "13812345678", "province": "上海"},
        {"name": "新客户", "external_id": "X2"},
        {"name": "新客户", "external_id": "X3", "province": "江苏"},
    ]

    results = clerk.ImportCustomers(customers=rows).results

    assert [r.outcome for r in results] == ["failed", "failed", "failed", "created"]
    assert [[p.field for p in r.problems] for r in results] == [["phone"], ["phone"], ["province"], []]
    again = {"name": "老客户", "external_id": "X1", "city": "上海", "province": "上海"}
    assert [r.outcome for r in clerk.ImportCustomers(customers=[again]).results] == ["updated"]
    moved = clerk.ImportCustomers(customers=[{**again, "city": "杭州"}]).results[0]
    assert (moved.outcome, [p.field for p in moved.problems]) == ("failed", ["city"])


def test_an_import_does_not_tell_which_hidden_keys_there_are(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "老客户", "external_id": "X1"})
    clerk = server.person(["customer.*"], fields=[rule("external_id", "hidden")])

    there, not_there = clerk.ImportCustomers(
        customers=[{"name": "甲", "external_id": "X1"}, {"name": "甲", "external_id": "X9"}]
    ).results

    there.index = not_there.index = 0
    assert there == not_there
    assert there.outcome == "failed"


def test_a_unique_value_that_one_does_not_see_is_not_probed(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "甲", "credit_code": "91310000631696382C"})
    clerk = server.person(["customer.*"], fields=[rule("credit_code", "masked")])

    for code in ("91310000631696382C", "91110000802100433B"):
        with refused("INVALID_ARGUMENT", "INVALID", "creditCode"):
            clerk.CreateCustomer(customer={"name": "乙", "credit_code": code})


def test_the_change_log_tells_no_more_than_the_record(server: Server, boss: Client, steel: Any) -> None:
    update(boss, steel, city="苏州", industry="", annual_revenue="2000")
    clerk = server.person(READ, fields=[rule("city", "hidden"), rule("annual_revenue", "masked"), HIDDEN_PHONE])

    created, updated = clerk.ListChanges(record_type="customer", id=steel.id).changes

    assert "phone" not in {c.field for c in created.changes}
    told = {c.field: (c.before.string_value, c.after.string_value) for c in updated.changes}
    assert told["annualRevenue"] == ("***", "***")
    assert told["industry"] == ("software", "")
    assert "city" not in told


def test_the_description_says_what_the_caller_may(server: Server) -> None:
    rules = [HIDDEN_PHONE, rule("email", "masked"), rule("city", "read_only"), rule("province", "required")]
    clerk = server.person(READ, fields=rules)

    described = {f.name: f for f in clerk.DescribeRecord(record_type="customer").fields}

    assert "phone" not in described
    assert [described[n].rule for n in ("email", "city", "province", "industry")] == [
        "masked",
        "read_only",
        "required",
        "optional",
    ]
    assert (described["email"].read_only, described["email"].filterable, described["email"].sortable) == (
        True,
        False,
        False,
    )
    assert described["city"].read_only
    assert described["province"].required
    assert not described["industry"].required


def test_of_several_roles_the_most_open_one_counts(server: Server, steel: Any) -> None:
    masked = server.role(["customer.read"], fields=[MASKED_PHONE, rule("email", "masked")])
    writes_only = server.role(["customer.update"])
    clerk = server.person(
        ["customer.read"], fields=[HIDDEN_PHONE, rule("email", "read_only")], also=[masked, writes_only]
    )

    seen = clerk.GetCustomer(id=steel.id)

    # The third role says nothing of these fields, but it does not let anybody read either.
    assert (seen.phone, seen.email) == ("138****5678", "anna@example.com")
    with refused("INVALID_ARGUMENT", "INVALID", "email"):
        update(clerk, steel, email="li@example.com")


def test_a_verb_brings_nothing_that_is_not_the_callers_to_give(server: Server, boss: Client, steel: Any) -> None:
    clerk = server.person(["customer.*"], fields=[rule("owner_id", "read_only")])

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        clerk.AssignCustomer(id=steel.id, etag="1", owner_id=clerk.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        clerk.AssignCustomer(id=steel.id, etag="1", department_id=server.department())
    assert boss.GetCustomer(id=steel.id).owner_id == boss.user_id


@pytest.mark.parametrize("level", ["read_only", "masked", "hidden"])
def test_many_are_given_away_only_by_who_may_give_one(server: Server, boss: Client, steel: Any, level: str) -> None:
    clerk = server.person(["customer.*"], fields=[rule("owner_id", level)])
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId") as refusal:
        clerk.AssignCustomer(id=steel.id, etag="1", owner_id=clerk.user_id)

    for given in ({"owner_id": clerk.user_id}, {"department_id": server.department()}):
        job = clerk.BulkAssign(record_type="customer", ids=[steel.id], **given)
        server.run_jobs()
        (item,) = clerk.ListActItems(record_type="customer", id=job.id).items
        assert (item.outcome, item.reason) == ("failed", refusal.fields["ownerId"])

    assert boss.GetCustomer(id=steel.id).owner_id == boss.user_id


def test_a_timeline_shows_titles_as_their_own_records_would(server: Server, boss: Client, steel: Any) -> None:
    boss.CreateInteraction(interaction={"customer_id": steel.id, "kind": "visit", "subject": "拜访总经理"})
    masked = server.person(READ, fields=[rule("subject", "masked", "interaction")])
    hidden = server.person(READ, fields=[rule("subject", "hidden", "interaction")])

    assert [e.title for e in masked.ListTimeline(customer_id=steel.id).entries] == ["拜***"]
    assert [e.title for e in hidden.ListTimeline(customer_id=steel.id).entries] == [""]


def test_who_has_no_rules_sees_and_gives_everything(boss: Client, steel: Any) -> None:
    assert boss.GetCustomer(id=steel.id).bank_account == "6222020012345678"
    assert {f.rule for f in boss.DescribeRecord(record_type="customer").fields} == {"optional"}


def test_no_answer_holds_what_is_closed(server: Server, boss: Client) -> None:
    """Whatever is asked, nowhere in what comes back is the secret."""
    secret = "绝密"
    names = ("short_name", "address", "brands", "remarks", "legal_representative")
    made = boss.CreateCustomer(customer={"name": "甲公司", "tags": [secret], **dict.fromkeys(names, f"公{secret}司")})
    update(boss, made, remarks=f"再{secret}次")
    boss.CreateContact(contact={"customer_id": made.id, "name": "王芳", "career": f"在{secret}处"})
    levels = ("hidden", "masked")
    for level in levels:
        rules = [rule(n, level) for n in (*names, "tags")]
        clerk = server.person(["*"], fields=[*rules, rule("career", level, "contact")])
        change = {"update_mask": {"paths": ["city"]}}
        etag = str(levels.index(level) + 2)
        answers = [
            clerk.GetCustomer(id=made.id),
            clerk.ListCustomers(fields="*", count="exact"),
            clerk.ListCustomers(search="甲公司"),
            clerk.ListCustomerBriefs(),
            clerk.ListChanges(record_type="customer", id=made.id),
            clerk.DescribeRecord(record_type="customer"),
            clerk.ListActions(record_type="customer", id=made.id),
            clerk.CountCustomers(group_by="city"),
            clerk.ListTimeline(customer_id=made.id),
            clerk.ListContacts(fields="*"),
            clerk.UpdateCustomer(customer={"id": made.id, "city": level}, etag=etag, **change),
            clerk.ImportCustomers(customers=[{"name": "乙", "remarks": "x"}]),
        ]
        assert [type(a).__name__ for a in answers if secret.encode() in a.SerializeToString()] == []
        assert list(clerk.ListCustomers(search=secret).customers) == []
    assert secret.encode() in boss.GetCustomer(id=made.id).SerializeToString()


def test_an_answer_given_again_shows_no_field_that_was_hidden_since(server: Server, boss: Client) -> None:
    clerk, key = server.person(["customer.*"], fields=[rule("email", "masked")]), {"idempotency-key": "make-it-once"}
    made = {"name": "宝山钢铁", "phone": "13812345678", "mobile": "13900001111", "annual_revenue": "1000.00"}
    first = clerk.CreateCustomer(customer=made, metadata=key)

    now = [rule("phone", "hidden"), rule("mobile", "masked"), rule("annual_revenue", "masked")]
    server.sql("UPDATE org_role SET field_rules = CAST(:rules AS jsonb)", rules=json.dumps(now))
    server.service.organisation.forget()
    again = clerk.CreateCustomer(customer=made, metadata=key)

    assert (first.phone, first.mobile, first.annual_revenue) == ("13812345678", "13900001111", "1000.00")
    assert (again.phone, again.mobile, again.annual_revenue) == ("", "139****1111", "")
    assert (again.id, again.number, again.name, again.etag) == (first.id, first.number, first.name, first.etag)
    assert len(boss.ListCustomers().customers) == 1
