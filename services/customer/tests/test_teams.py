"""Teams of customers: who reads or writes one customer besides those whose scope it lies in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from crm.records.v1.team_pb2 import TeamMember
from crm_kit.testing import Client, Server, refused
from crm_kit.testing.suite import eventually

RIGHTS = ["customer.*", "contact.*", "demand.*", "interaction.*", "customer_brief.read"]
pytestmark = pytest.mark.feature("IDN-07")


@pytest.fixture
def owner(server: Server) -> Client:
    return server.person(RIGHTS, "self", name="李销售")


@pytest.fixture
def colleague(server: Server) -> Client:
    return server.person(RIGHTS, "self", name="王同事")


@pytest.fixture
def made(owner: Client) -> Any:
    return owner.CreateCustomer(customer={"name": "甲公司", "city": "上海"})


@pytest.fixture
def put(server: Server, owner: Client, made: Any) -> Any:
    """Puts somebody into the team of the customer; acts at once."""

    def member(who: Client, access: str = "read", by: Client = owner, **more: Any) -> Any:
        stored = by.PutTeamMember(record_type="customer", id=made.id, user_id=who.user_id, access=access, **more)
        server.service.organisation.forget()
        return stored

    return member


def rename(client: Client, made: Any, name: str, etag: str = "") -> Any:
    change = {"id": made.id, "name": name}
    return client.UpdateCustomer(customer=change, update_mask={"paths": ["name"]}, etag=etag or made.etag)


def test_a_member_sees_the_customer_on_every_way_until_taken_out(
    server: Server, owner: Client, colleague: Client, made: Any, put: Any
) -> None:
    contact = owner.CreateContact(contact={"customer_id": made.id, "name": "王芳"})
    owner.CreateInteraction(interaction={"customer_id": made.id, "subject": "拜访", "kind": "visit"})
    assert list(colleague.ListCustomers().customers) == []

    member = put(colleague)

    assert colleague.GetCustomer(id=made.id).name == "甲公司"
    assert [c.id for c in colleague.ListCustomers(search="甲", count="exact").customers] == [made.id]
    assert [c.id for c in colleague.ListCustomers(filter='city = "上海"').customers] == [made.id]
    assert colleague.CountCustomers(group_by="kind").total == 1
    assert [c.id for c in colleague.ListCustomerBriefs().customers] == [made.id]
    assert colleague.GetContact(id=contact.id).name == "王芳"
    assert [c.id for c in colleague.ListContacts().contacts] == [contact.id]
    assert len(colleague.ListTimeline(customer_id=made.id).entries) == 1
    assert colleague.ListChanges(record_type="customer", id=made.id).changes[-1].action == "team_changed"
    assert [m.user_name for m in colleague.ListTeam(record_type="customer", id=made.id).team_members] == ["王同事"]

    owner.RemoveTeamMember(record_type="customer", id=made.id, user_id=colleague.user_id, etag=member.etag)
    server.service.organisation.forget()

    for step in (
        lambda: colleague.GetCustomer(id=made.id),
        lambda: colleague.GetContact(id=contact.id),
        lambda: colleague.ListTimeline(customer_id=made.id),
        lambda: colleague.ListChanges(record_type="customer", id=made.id),
        lambda: colleague.ListTeam(record_type="customer", id=made.id),
    ):
        with refused("NOT_FOUND"):
            step()
    assert list(colleague.ListCustomers().customers) == list(colleague.ListCustomerBriefs().customers) == []


def test_who_only_reads_is_told_so_when_writing(owner: Client, colleague: Client, made: Any, put: Any) -> None:
    contact = owner.CreateContact(contact={"customer_id": made.id, "name": "王芳"})
    put(colleague, "read")

    for step in (
        lambda: rename(colleague, made, "乙公司"),
        lambda: colleague.DeleteCustomer(id=made.id, etag=made.etag),
        lambda: colleague.AssignCustomer(id=made.id, etag=made.etag, owner_id=colleague.user_id),
        lambda: colleague.CreateContact(contact={"customer_id": made.id, "name": "李明"}),
        lambda: colleague.DeleteContact(id=contact.id, etag=contact.etag),
        lambda: colleague.UpdateContact(
            contact={"id": contact.id, "name": "赵"}, update_mask={"paths": ["name"]}, etag=contact.etag
        ),
        lambda: colleague.PutTeamMember(
            record_type="customer", id=made.id, user_id=colleague.user_id, access="write", etag="1"
        ),
        lambda: colleague.RemoveTeamMember(record_type="customer", id=made.id, user_id=colleague.user_id, etag="1"),
    ):
        with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
            step()
    assert owner.GetCustomer(id=made.id).etag == made.etag


def test_who_writes_changes_the_customer_and_its_parts_but_not_whose_it_is(
    server: Server, owner: Client, colleague: Client, made: Any, put: Any
) -> None:
    put(colleague, "write")

    renamed = rename(colleague, made, "甲集团")
    contact = colleague.CreateContact(contact={"customer_id": made.id, "name": "李明"})

    assert owner.GetCustomer(id=made.id).name == "甲集团"
    assert owner.GetContact(id=contact.id).name == "李明"
    take = {"id": made.id, "owner_id": colleague.user_id}
    for step in (
        lambda: colleague.UpdateCustomer(customer=take, update_mask={"paths": ["owner_id"]}, etag=renamed.etag),
        lambda: colleague.AssignCustomer(id=made.id, etag=renamed.etag, owner_id=colleague.user_id),
        lambda: colleague.DeleteCustomer(id=made.id, etag=renamed.etag),
        lambda: colleague.DeleteContact(id=contact.id, etag=contact.etag),
        lambda: put(server.person(RIGHTS, "self"), by=colleague),
    ):
        with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
            step()


def test_a_place_in_a_team_gives_no_right(server: Server, made: Any, put: Any) -> None:
    clerk, reader = server.person(["contact.*"], "self"), server.person(["customer.read"], "self")
    put(clerk, "write")
    put(reader, "write")

    for step in (lambda: clerk.GetCustomer(id=made.id), lambda: rename(reader, made, "乙公司")):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            step()


def test_a_membership_ends_by_itself(server: Server, colleague: Client, made: Any, put: Any) -> None:
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    put(colleague, end_time=end)
    assert colleague.GetCustomer(id=made.id).id == made.id

    def gone() -> bool:
        return not colleague.ListCustomers().customers

    assert eventually(gone)
    assert datetime.now(UTC) >= end
    with refused("NOT_FOUND"):
        colleague.GetCustomer(id=made.id)


def test_changing_a_member_takes_the_version(
    server: Server, owner: Client, colleague: Client, made: Any, put: Any
) -> None:
    first = put(colleague)
    assert put(colleague).etag == first.etag

    with refused("FAILED_PRECONDITION", "ETAG_REQUIRED"):
        put(colleague, "write")
    with refused("ABORTED", "STALE"):
        put(colleague, "write", etag="7")
    second = put(colleague, "write", etag=first.etag)
    with refused("ABORTED", "STALE"):
        owner.RemoveTeamMember(record_type="customer", id=made.id, user_id=colleague.user_id, etag=first.etag)
    owner.RemoveTeamMember(record_type="customer", id=made.id, user_id=colleague.user_id, etag=second.etag)
    with refused("NOT_FOUND"):
        owner.RemoveTeamMember(record_type="customer", id=made.id, user_id=colleague.user_id, etag="3")
    again = put(colleague)

    told = server.events("team_member")
    assert [(e.action, e.version) for e in told] == [("added", 1), ("changed", 2), ("removed", 3), ("added", 4)]
    member = TeamMember()
    told[-1].record.Unpack(member)
    assert (member.id, member.record_id, member.access) == (again.id, made.id, "read")
    log = owner.ListChanges(record_type="customer", id=made.id).changes
    assert [c.action for c in log] == ["created", *["team_changed"] * 4]
    changed = log[2].changes[0]
    assert [v.struct_value["access"] for v in (changed.before, changed.after)] == ["read", "write"]
    assert owner.GetCustomer(id=made.id).etag == made.etag


def test_who_cannot_be_a_member(server: Server, colleague: Client, put: Any) -> None:
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=colleague.user_id)
    client = server.person(RIGHTS, "self")
    server.sql("UPDATE org_user SET client = true WHERE id = :id", id=client.user_id)

    for nobody in (colleague, client, server.client("", "0197a1b2-0000-7000-8000-000000000000")):
        with refused("INVALID_ARGUMENT", "INVALID", "userId"):
            put(nobody)
    with refused("INVALID_ARGUMENT", "INVALID", "endTime"):
        put(server.person(RIGHTS, "self"), end_time=datetime(2020, 1, 1, tzinfo=UTC))
    with refused("INVALID_ARGUMENT", "INVALID", "access"):
        put(server.person(RIGHTS, "self"), "delete")


def test_a_disabled_member_drops_out_of_the_team(server: Server, owner: Client, made: Any, put: Any) -> None:
    people = [server.person(RIGHTS, "self", name=f"同事{i}") for i in range(5)]
    for one in people:
        put(one)
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=people[0].user_id)

    seen, token = [], ""
    while True:
        page = owner.ListTeam(record_type="customer", id=made.id, page_size=3, page_token=token)
        seen += [m.user_id for m in page.team_members]
        token = page.next_page_token
        if not token:
            break

    assert sorted(seen) == sorted(p.user_id for p in people[1:])
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        owner.ListTeam(record_type="customer", id=made.id, page_token="x")


def test_a_stranger_puts_nobody_into_a_team_and_parts_have_none(
    server: Server, owner: Client, colleague: Client, made: Any, put: Any
) -> None:
    contact = owner.CreateContact(contact={"customer_id": made.id, "name": "王芳"})

    with refused("NOT_FOUND"):
        put(colleague, by=colleague)
    with refused("FAILED_PRECONDITION", "NO_TEAM"):
        owner.PutTeamMember(record_type="contact", id=contact.id, user_id=colleague.user_id, access="read")
    with refused("FAILED_PRECONDITION", "NO_TEAM"):
        owner.ListTeam(record_type="contact", id=contact.id)
    with refused("NOT_FOUND"):
        server.person().ListTeam(record_type="unicorn", id=contact.id)


def test_a_customer_out_of_the_recycle_bin_has_its_team_again(
    server: Server, colleague: Client, made: Any, put: Any
) -> None:
    boss = server.person(name="总经理")
    put(colleague, "read")
    boss.DeleteCustomer(id=made.id, etag=made.etag)
    with refused("NOT_FOUND"):
        colleague.GetCustomer(id=made.id)

    boss.RestoreCustomer(id=made.id)

    assert colleague.GetCustomer(id=made.id).name == "甲公司"


def test_teams_cost_one_query_a_second_and_none_for_who_sees_everything(
    server: Server, owner: Client, colleague: Client, made: Any, put: Any
) -> None:
    put(colleague)
    boss = server.person(name="总经理")
    asked: list[str] = []
    plain = psycopg.Cursor.execute

    def noted(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        asked.append(str(query))
        return plain(self, query, *rest, **more)

    counted = {}
    for name, who in (("member", colleague), ("owner without a team", owner), ("who sees all", boss)):
        who.ListCustomers()
        server.service.organisation.forget()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", noted)
            asked.clear()
            who.ListCustomers()
        counted[name] = (len(asked), sum("FROM team_member" in s for s in asked))

    assert counted["member"] == counted["owner without a team"]
    assert [teams for _, teams in counted.values()] == [1, 1, 0]
