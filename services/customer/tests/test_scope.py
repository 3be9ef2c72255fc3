"""Who sees which customers: only the owner and the managers above; others the brief view."""

from __future__ import annotations

import pytest

from crm_kit.testing import Client, Server, refused

RIGHTS = ["customer.*", "contact.*", "demand.*", "interaction.*"]
pytestmark = pytest.mark.feature("CUS-11")


@pytest.fixture
def manager(server: Server) -> Client:
    return server.person(RIGHTS, "subordinates", name="张经理")


@pytest.fixture
def seller(server: Server, manager: Client) -> Client:
    return server.person(RIGHTS, "self", name="李销售", manager=manager)


@pytest.fixture
def stranger(server: Server) -> Client:
    return server.person(
        [*RIGHTS, "customer_brief.read"], [{"resource": "customer_brief", "scope": "all"}], name="外人"
    )


def test_the_owner_and_the_managers_above_see_a_customer_and_nobody_else(
    seller: Client, manager: Client, stranger: Client
) -> None:
    made = seller.CreateCustomer(customer={"name": "甲公司"})

    assert [c.id for c in seller.ListCustomers().customers] == [made.id]
    assert [c.id for c in manager.ListCustomers().customers] == [made.id]
    assert manager.GetCustomer(id=made.id).owner_id == seller.user_id
    assert list(stranger.ListCustomers(search="甲", count="exact").customers) == []
    assert stranger.ListCustomers(count="exact").total == 0
    assert stranger.CountCustomers(group_by="kind").total == 0


def test_what_lies_outside_the_scope_is_not_found_on_every_way(seller: Client, stranger: Client) -> None:
    made = seller.CreateCustomer(customer={"name": "甲公司"})
    contact = seller.CreateContact(contact={"customer_id": made.id, "name": "王芳"})

    for step in (
        lambda: stranger.GetCustomer(id=made.id),
        lambda: stranger.UpdateCustomer(
            customer={"id": made.id, "city": "苏州"}, update_mask={"paths": ["city"]}, etag="1"
        ),
        lambda: stranger.DeleteCustomer(id=made.id, etag="1"),
        lambda: stranger.AssignCustomer(id=made.id, etag="1", owner_id=stranger.user_id),
        lambda: stranger.ListChanges(record_type="customer", id=made.id),
        lambda: stranger.ListTimeline(customer_id=made.id),
        lambda: stranger.GetContact(id=contact.id),
        lambda: stranger.DeleteContact(id=contact.id, etag="1"),
    ):
        with refused("NOT_FOUND", "NOT_FOUND"):
            step()
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        stranger.CreateContact(contact={"customer_id": made.id, "name": "李明"})
    assert list(stranger.ListContacts().contacts) == []


def test_what_is_nobodys_in_a_department_lies_with_whoever_manages_it_or_one_above_it(
    server: Server, boss: Client, manager: Client, seller: Client, stranger: Client
) -> None:
    head = server.person(RIGHTS, "subordinates", name="赵总监")
    plain = server.person(RIGHTS, "self", name="王主任")
    east = server.department("华东", manager=head)
    nanjing = server.department("南京", east, manager=manager)
    suzhou = server.department("苏州", east, manager=plain)
    given = boss.CreateCustomer(customer={"name": "甲公司", "department_id": nanjing})
    owned = boss.CreateCustomer(customer={"name": "乙公司", "owner_id": stranger.user_id, "department_id": nanjing})
    other = boss.CreateCustomer(customer={"name": "丙公司", "department_id": suzhou})
    given, other = (boss.AssignCustomer(id=c.id, etag=c.etag, department_id=c.department_id) for c in (given, other))

    def seen(by: Client) -> set[str]:
        return {c.id for c in by.ListCustomers().customers}

    assert (seen(manager), seen(head), seen(plain), seen(seller)) == ({given.id}, {given.id, other.id}, set(), set())
    assert owned.id not in seen(head)
    with refused("INVALID_ARGUMENT", "", "departmentId"):
        manager.AssignCustomer(id=given.id, etag=given.etag, department_id=suzhou)
    assert manager.AssignCustomer(id=given.id, etag=given.etag, owner_id=seller.user_id).owner_id == seller.user_id


@pytest.mark.parametrize(
    ("language", "owner", "department"),
    [
        ("zh", "负责人不在您可以分配的范围内", "所属部门不在您可以分配的范围内"),
        (
            "en",
            "Owner: this one lies outside what you may assign to",
            "Department: this one lies outside what you may assign to",
        ),
    ],
)
def test_who_is_out_of_reach_is_told_from_who_is_not_there(
    server: Server, manager: Client, seller: Client, stranger: Client, language: str, owner: str, department: str
) -> None:
    made = seller.CreateCustomer(customer={"name": "甲公司"})
    told = {"accept-language": language}

    def said(by: Client, field: str, **to: str) -> str:
        with refused("INVALID_ARGUMENT", "INVALID", field) as refusal:
            by.AssignCustomer(id=made.id, etag=made.etag, metadata=told, **to)
        return refusal.fields[field]

    assert said(manager, "ownerId", owner_id=stranger.user_id) == owner
    assert said(manager, "ownerId", owner_id=made.id) != owner
    assert said(manager, "departmentId", department_id=server.department("外部")) != department
    sees = [{"resource": "*", "scope": "subordinates"}, {"resource": "department", "scope": "all"}]
    lead = server.person([*RIGHTS, "department.read"], sees)
    server.sql("UPDATE org_user SET manager_id = :m WHERE id = :id", m=lead.user_id, id=seller.user_id)
    server.service.organisation.forget()
    assert said(lead, "departmentId", department_id=server.department("外部")) == department


def test_others_have_the_brief_view(seller: Client, stranger: Client) -> None:
    made = seller.CreateCustomer(customer={"name": "甲公司", "city": "上海", "phone": "021-61234567"})

    (brief,) = stranger.ListCustomerBriefs(search="甲公司").customers

    assert (brief.id, brief.name, brief.city, brief.owner_name) == (made.id, "甲公司", "上海", "李销售")
    assert list(stranger.ListCustomerBriefs(search="61234567").customers) == []
    for name, value in (("filter", 'phone:"6123"'), ("orderBy", "name"), ("fields", "name"), ("count", "exact")):
        with refused("INVALID_ARGUMENT", "INVALID", name):
            stranger.ListCustomerBriefs(**{{"orderBy": "order_by"}.get(name, name): value})
    with refused("INVALID_ARGUMENT", "INVALID", "deleted"):
        stranger.ListCustomerBriefs(deleted=True)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        seller.ListCustomerBriefs()


def test_a_manager_hands_a_customer_on_and_the_sight_of_it_goes_along(
    server: Server, seller: Client, manager: Client
) -> None:
    colleague = server.person(RIGHTS, "self", manager=manager)
    made = seller.CreateCustomer(customer={"name": "甲公司"})

    manager.AssignCustomer(id=made.id, etag=made.etag, owner_id=colleague.user_id)

    assert colleague.GetCustomer(id=made.id).owner_id == colleague.user_id
    with refused("NOT_FOUND"):
        seller.GetCustomer(id=made.id)
    assert server.events("customer")[-1].action == "assigned"


def test_nobody_gives_a_customer_to_somebody_beyond_his_reach(
    seller: Client, manager: Client, stranger: Client
) -> None:
    made = seller.CreateCustomer(customer={"name": "甲公司"})

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        manager.AssignCustomer(id=made.id, etag=made.etag, owner_id=stranger.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        manager.CreateCustomer(customer={"name": "乙公司", "owner_id": stranger.user_id})


def test_nothing_is_given_to_nobody(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId") as refusal:
        boss.AssignCustomer(id=made.id, etag=made.etag, owner_id="")
    assert "departmentId" in refusal.fields["ownerId"]
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.BulkAssign(record_type="customer", ids=[made.id])

    assert boss.GetCustomer(id=made.id).owner_id == boss.user_id
    department = server.department()
    given = boss.AssignCustomer(id=made.id, etag=made.etag, department_id=department)
    assert (given.owner_id, given.department_id) == ("", department)


def test_giving_away_takes_the_right_to_assign(server: Server) -> None:
    clerk = server.person(["customer.create", "customer.read"], "all")
    other = server.person(RIGHTS, "self")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        clerk.CreateCustomer(customer={"name": "甲公司", "owner_id": other.user_id})


def test_a_department_sees_what_its_people_own_and_what_nobody_owns_yet(server: Server, boss: Client) -> None:
    east = server.department("华东")
    head = server.person(RIGHTS, "department", department_id=east)
    member = server.person(RIGHTS, "self", department_id=east)
    owned = member.CreateCustomer(customer={"name": "甲公司"})
    unowned = boss.CreateCustomer(customer={"name": "乙公司", "department_id": east})
    boss.CreateCustomer(customer={"name": "丙公司"})

    assert {c.id for c in head.ListCustomers().customers} == {owned.id, unowned.id}
    assert [c.id for c in member.ListCustomers().customers] == [owned.id]


def test_each_verb_needs_its_right(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    reader = server.person(["customer.read"], "all")

    assert reader.GetCustomer(id=made.id).name == "甲公司"
    for step in (
        lambda: reader.CreateCustomer(customer={"name": "乙"}),
        lambda: reader.UpdateCustomer(customer={"id": made.id}, etag="1"),
        lambda: reader.DeleteCustomer(id=made.id, etag="1"),
        lambda: reader.RestoreCustomer(id=made.id),
        lambda: reader.ImportCustomers(customers=[{"name": "乙"}]),
        lambda: reader.CreateCustomField(record_type="customer"),
        lambda: reader.ListContacts(),
    ):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            step()


def test_without_a_token_there_is_no_answer(server: Server) -> None:
    with refused("UNAUTHENTICATED"):
        server.nobody.ListCustomers()
    with refused("UNAUTHENTICATED"):
        server.client("no.real.token").ListCustomers()
    with refused("UNAUTHENTICATED"):
        server.nobody.ListCustomers(metadata={"x-user-id": "admin", "x-roles": "system_admin"})


def test_a_customers_parts_are_seen_by_whoever_sees_the_customer(server: Server, boss: Client) -> None:
    """Whatever scope a role names for contacts: they have none of their own."""
    seller = server.person(RIGHTS, [{"resource": "customer", "scope": "self"}, {"resource": "contact", "scope": "all"}])
    theirs = boss.CreateCustomer(customer={"name": "别家"})
    boss.CreateContact(contact={"customer_id": theirs.id, "name": "王芳"})
    own = seller.CreateCustomer(customer={"name": "自家"})
    boss.CreateContact(contact={"customer_id": own.id, "name": "李明"})

    assert [c.name for c in seller.ListContacts().contacts] == ["李明"]


def test_each_role_brings_its_own_scope_and_takes_none_away(server: Server, boss: Client) -> None:
    """One role reads everything, another changes the own ones: both hold, neither spreads to the other."""
    worker = server.role(["customer.*"], [{"resource": "customer", "scope": "self"}])
    seller = server.person(["customer.read"], "all", also=[worker])
    theirs = boss.CreateCustomer(customer={"name": "别家"})
    own = seller.CreateCustomer(customer={"name": "自家"})

    assert {c.id for c in seller.ListCustomers().customers} == {theirs.id, own.id}
    change = {"update_mask": {"paths": ["city"]}, "etag": "1"}
    assert seller.UpdateCustomer(customer={"id": own.id, "city": "苏州"}, **change).city == "苏州"
    with refused("NOT_FOUND"):
        seller.UpdateCustomer(customer={"id": theirs.id, "city": "苏州"}, **change)


@pytest.mark.figure("R40")
def test_a_new_customer_is_given_as_far_as_the_right_to_assign_reaches(server: Server) -> None:
    other = server.person([]).user_id
    given = {"name": "甲公司", "owner_id": other}

    def maker(making: str, giving: str) -> Client:
        giver = server.role(["customer.assign"], giving)
        return server.person(["customer.create", "customer.read"], making, also=[giver])

    assert maker("self", "all").CreateCustomer(customer=given).owner_id == other
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        maker("all", "self").CreateCustomer(customer=given)
