"""Review: entered data waits, is approved or returned, and waits again after some changes."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-08")

RIGHTS = ["customer.*", "contact.*", "review_rule.read"]


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "甲公司", "bank": "工商银行"})


@pytest.fixture
def contact(boss: Client, customer: Any) -> Any:
    return boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})


def change(client: Client, record: Any, **values: Any) -> Any:
    return client.UpdateCustomer(
        customer={"id": record.id, **values}, update_mask={"paths": [*values]}, etag=record.etag
    )


def test_what_is_entered_waits_and_is_listed_until_it_is_approved(boss: Client, server: Server, customer: Any) -> None:
    reviewer = server.person(["customer.read", "customer.approve"], "all")

    waiting = reviewer.ListCustomers(filter='review_mark = "pending"').customers
    assert [(c.id, c.review_mark) for c in waiting] == [(customer.id, "pending")]

    approved = reviewer.ApproveCustomer(
        id=customer.id, etag=customer.etag, relation="familiar", review_reason="资料齐全"
    )

    assert (approved.review_mark, approved.relation) == ("approved", "familiar")
    assert (approved.reviewer_id, approved.review_reason) == (reviewer.user_id, "资料齐全")
    assert approved.HasField("review_time")
    assert list(reviewer.ListCustomers(filter='review_mark = "pending"').customers) == []
    assert [e.action for e in server.events("customer")] == ["created", "approved"]
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        reviewer.ApproveCustomer(id=customer.id, etag=approved.etag)


def test_an_approval_that_names_no_relation_leaves_it(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司", "relation": "new"})

    assert boss.ApproveCustomer(id=made.id, etag=made.etag).relation == "new"


def test_what_is_returned_says_why_and_waits_again_when_it_was_mended(boss: Client, customer: Any) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "reviewReason"):
        boss.ReturnCustomer(id=customer.id, etag=customer.etag)

    returned = boss.ReturnCustomer(id=customer.id, etag=customer.etag, review_reason="缺地址")
    mended = change(boss, returned, address="长江路 1 号")

    assert (returned.review_mark, returned.review_reason) == ("returned", "缺地址")
    assert mended.review_mark == "pending"
    actions = [c.action for c in boss.ListChanges(record_type="customer", id=customer.id).changes]
    assert sorted(actions) == ["created", "returned", "updated"]


def test_to_give_a_returned_record_to_another_mends_nothing(boss: Client, server: Server, customer: Any) -> None:
    other = server.person(RIGHTS)
    returned = boss.ReturnCustomer(id=customer.id, etag=customer.etag, review_reason="缺地址")

    given = boss.AssignCustomer(id=customer.id, etag=returned.etag, owner_id=other.user_id)

    assert given.review_mark == "returned"


def test_only_a_change_of_a_chosen_field_reopens_what_was_approved(boss: Client, customer: Any) -> None:
    approved = boss.ApproveCustomer(id=customer.id, etag=customer.etag)

    elsewhere = change(boss, approved, city="苏州")
    the_same = change(boss, elsewhere, bank="工商银行")
    reopened = change(boss, the_same, bank="建设银行")

    marks = [r.review_mark for r in (elsewhere, the_same, reopened)]
    assert marks == ["approved", "approved", "pending"]
    assert reopened.reviewer_id == boss.user_id


def test_administrators_choose_the_fields_also_custom_ones(boss: Client, customer: Any) -> None:
    boss.CreateCustomField(
        record_type="customer", custom_field={"key": "grade", "label_zh": "等级", "label_en": "Grade", "kind": "text"}
    )
    (rule,) = boss.ListReviewRules(filter='record_type = "customer"').review_rules
    assert list(rule.fields) == ["name", "creditCode", "bank", "bankAccount"]

    chosen = boss.UpdateReviewRule(
        review_rule={"id": rule.id, "fields": ["postcode", "custom.grade", "licence_number"]},
        update_mask={"paths": ["fields"]},
        etag=rule.etag,
    )
    assert list(chosen.fields) == ["postcode", "custom.grade", "licenceNumber"]
    approved = boss.ApproveCustomer(id=customer.id, etag=customer.etag)
    untouched = change(boss, approved, bank="建设银行")
    reopened = boss.UpdateCustomer(
        customer={"id": customer.id, "custom": {"grade": "甲"}},
        update_mask={"paths": ["custom.grade"]},
        etag=untouched.etag,
    )

    assert (untouched.review_mark, reopened.review_mark) == ("approved", "pending")


@pytest.mark.parametrize("field", ["nonsense", "reviewMark", "id", "custom.nonsense", "custom"])
def test_a_rule_names_fields_that_people_may_change(boss: Client, field: str) -> None:
    (rule,) = boss.ListReviewRules(filter='record_type = "contact"').review_rules

    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        boss.UpdateReviewRule(
            review_rule={"id": rule.id, "fields": ["name", field]}, update_mask={"paths": ["fields"]}, etag=rule.etag
        )


def test_contacts_are_reviewed_as_well(boss: Client, server: Server, contact: Any) -> None:
    returned = boss.ReturnContact(id=contact.id, etag=contact.etag, review_reason="电话不通")
    approved = boss.ApproveContact(id=contact.id, etag=returned.etag)
    mask = {"paths": ["name"]}
    renamed = boss.UpdateContact(contact={"id": contact.id, "name": "王方"}, update_mask=mask, etag=approved.etag)

    assert [r.review_mark for r in (returned, approved, renamed)] == ["returned", "approved", "pending"]
    assert (returned.review_reason, approved.review_reason) == ("电话不通", "")
    assert [e.action for e in server.events("contact")] == ["created", "returned", "approved", "updated"]


def test_an_import_of_a_chosen_field_reopens_too(boss: Client) -> None:
    boss.ImportCustomers(customers=[{"external_id": "erp:1", "name": "甲公司"}])
    (made,) = boss.ListCustomers().customers
    boss.ApproveCustomer(id=made.id, etag=boss.GetCustomer(id=made.id).etag)

    boss.ImportCustomers(customers=[{"external_id": "erp:1", "name": "甲公司", "city": "苏州"}])
    assert boss.GetCustomer(id=made.id).review_mark == "approved"
    boss.ImportCustomers(customers=[{"external_id": "erp:1", "name": "乙公司"}])
    assert boss.GetCustomer(id=made.id).review_mark == "pending"


def test_the_state_table_says_what_may_be_done_and_by_whom(boss: Client, server: Server, customer: Any) -> None:
    clerk = server.person(["customer.read"], "all")

    table = boss.GetStates(record_type="customer")
    assert (table.field, table.initial) == ("review_mark", "pending")
    assert {(t.action, t.to) for t in table.transitions} == {("approve", "approved"), ("return", "returned")}
    allowed = {a.action: a.allowed for a in boss.ListActions(record_type="customer", id=customer.id).actions}
    assert allowed == {"approve": True, "return": True}
    assert not any(a.allowed for a in clerk.ListActions(record_type="customer", id=customer.id).actions)


def test_the_mark_is_given_by_nobody_who_may_only_change(boss: Client, server: Server, customer: Any) -> None:
    clerk = server.person(["customer.read", "customer.update"], "all")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        clerk.ApproveCustomer(id=customer.id, etag=customer.etag)
    with refused("INVALID_ARGUMENT", "BAD_UPDATE_MASK"):
        change(clerk, customer, review_mark="approved")
    made = boss.CreateCustomer(customer={"name": "乙公司", "review_mark": "approved", "reviewer_id": boss.user_id})
    assert (made.review_mark, made.reviewer_id) == ("pending", "")


def test_what_lies_outside_the_scope_is_not_found(server: Server, customer: Any, contact: Any) -> None:
    stranger = server.person(RIGHTS, "self")

    for step in (
        lambda: stranger.ApproveCustomer(id=customer.id, etag=customer.etag),
        lambda: stranger.ReturnCustomer(id=customer.id, etag=customer.etag, review_reason="x"),
        lambda: stranger.ApproveContact(id=contact.id, etag=contact.etag),
        lambda: stranger.ReturnContact(id=contact.id, etag=contact.etag, review_reason="x"),
    ):
        with refused("NOT_FOUND"):
            step()


def test_of_two_reviewers_at_once_the_second_is_told(boss: Client, customer: Any) -> None:
    boss.ApproveCustomer(id=customer.id, etag=customer.etag)

    with refused("ABORTED", "STALE"):
        boss.ReturnCustomer(id=customer.id, etag=customer.etag, review_reason="缺地址")


def bulk(server: Server, person: Client, verb: str, **fields: Any) -> Any:
    """Decide about many and wait for the end: the act."""
    job = getattr(person, verb)(**{"record_type": "customer", **fields})
    server.run_jobs()
    return person.GetAct(record_type=job.record_type, id=job.id)


def marks(boss: Client) -> dict[str, str]:
    return {c.name: c.review_mark for c in boss.ListCustomers().customers}


def test_many_are_approved_at_once_and_what_refuses_is_told(boss: Client, server: Server) -> None:
    made = [boss.CreateCustomer(customer={"name": f"公司{n}"}) for n in range(3)]
    boss.ApproveCustomer(id=made[0].id, etag=made[0].etag)
    reviewer = server.person(["customer.read", "customer.approve"], "all")

    told = {"ids": [c.id for c in made], "relation": "familiar", "review_reason": "资料齐全"}
    act = bulk(server, reviewer, "BulkApprove", **told)

    assert (act.kind, act.updated, act.failed, act.undoable) == ("bulk_approve", 2, 1, True)
    (failed,) = reviewer.ListActItems(record_type="customer", id=act.id, outcome="failed").items
    assert (failed.record_id, "当前状态“已审核”" in failed.reason) == (made[0].id, True)
    now = boss.GetCustomer(id=made[1].id)
    assert (now.review_mark, now.relation, now.reviewer_id) == ("approved", "familiar", reviewer.user_id)
    assert (now.review_reason, boss.GetCustomer(id=made[0].id).relation) == ("资料齐全", "")
    approved = [e for e in server.events("customer") if e.action == "approved"]
    assert [(e.record_id, e.actor_id) for e in approved[1:]] == [(c.id, reviewer.user_id) for c in made[1:]]

    reviewer.UndoAct(record_type="customer", id=act.id)
    server.run_jobs()
    assert sorted(marks(boss).values()) == ["approved", "pending", "pending"]


def test_what_a_filter_shows_is_returned_with_one_reason(boss: Client, server: Server) -> None:
    for city in ("上海", "上海", "苏州"):
        boss.CreateCustomer(customer={"name": f"公司{city}", "city": city})
    with refused("INVALID_ARGUMENT", "INVALID", "reviewReason"):
        boss.BulkReturn(record_type="customer", everything=True)

    act = bulk(server, boss, "BulkReturn", filter='city = "上海"', review_reason="地址不全")

    assert (act.updated, act.failed) == (2, 0)
    assert sorted(c.review_mark for c in boss.ListCustomers().customers) == ["pending", "returned", "returned"]


def test_many_contacts_are_approved_and_have_no_relation(boss: Client, server: Server, contact: Any) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "relation"):
        boss.BulkApprove(record_type="contact", ids=[contact.id], relation="familiar")
    with refused("INVALID_ARGUMENT", "INVALID", "relation"):
        boss.BulkApprove(record_type="customer", everything=True, relation="friend")

    assert bulk(server, boss, "BulkApprove", record_type="contact", ids=[contact.id]).updated == 1
    assert boss.GetContact(id=contact.id).review_mark == "approved"


def test_many_are_reviewed_within_the_right_and_the_reach_of_the_reviewer(
    boss: Client, server: Server, customer: Any
) -> None:
    reader = server.person(["customer.read"], "all")
    with refused("PERMISSION_DENIED"):
        reader.BulkApprove(record_type="customer", ids=[customer.id])
    with refused("NOT_FOUND"):
        boss.BulkApprove(record_type="visit", everything=True)

    act = bulk(server, server.person(["customer.*"], "self"), "BulkApprove", ids=[customer.id])
    assert (act.updated, act.failed, marks(boss)) == (0, 1, {"甲公司": "pending"})


def test_many_are_approved_under_the_field_rules_of_the_reviewer(boss: Client, server: Server, customer: Any) -> None:
    closed = [{"resource": "customer", "field": "relation", "rule": "read_only"}]
    reviewer = server.person(["customer.read", "customer.approve"], "all", fields=closed)

    assert bulk(server, reviewer, "BulkApprove", ids=[customer.id], relation="familiar").failed == 1
    assert bulk(server, reviewer, "BulkApprove", ids=[customer.id]).updated == 1
