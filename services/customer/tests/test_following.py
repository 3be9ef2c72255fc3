"""People follow records that they see, and co-owners are members of the team with a word that says so."""

from __future__ import annotations

import pytest

from crm.records.v1.following_pb2 import Follower
from crm_kit.testing import Client, Server, refused

pytestmark = [pytest.mark.feature("CUS-09")]


def test_somebody_follows_a_customer_once_and_ends_it(server: Server, boss: Client) -> None:
    seller = server.person(["customer.read"], "all", name="销售")
    customer = boss.CreateCustomer(customer={"name": "甲"})
    for _ in range(2):
        seller.Follow(record_type="customer", id=customer.id)
    (follower,) = boss.ListFollowers(record_type="customer", id=customer.id).followers
    assert (follower.user_id, follower.user_name) == (seller.user_id, "销售")
    seller.Unfollow(record_type="customer", id=customer.id)
    assert not boss.ListFollowers(record_type="customer", id=customer.id).followers
    with refused("NOT_FOUND"):
        seller.Unfollow(record_type="customer", id=customer.id)
    seller.Follow(record_type="customer", id=customer.id)
    told = server.events("follower")
    assert [(e.action, e.version) for e in told] == [("added", 1), ("removed", 2), ("added", 3)]
    assert {Follower.FromString(e.record.value).user_id for e in told} == {seller.user_id}


def test_nobody_follows_what_they_do_not_see_and_everybody_may_end_it(server: Server, boss: Client) -> None:
    seller = server.person(["customer.read"], "self")
    customer = boss.CreateCustomer(customer={"name": "甲", "owner_id": seller.user_id})
    other = boss.CreateCustomer(customer={"name": "乙"})
    with refused("NOT_FOUND"):
        seller.Follow(record_type="customer", id=other.id)
    with refused("NOT_FOUND"):
        seller.ListFollowers(record_type="customer", id=other.id)
    with refused("FAILED_PRECONDITION", "NO_TEAM"):
        boss.Follow(record_type="contact", id=other.id)
    seller.Follow(record_type="customer", id=customer.id)
    boss.AssignCustomer(id=customer.id, etag=customer.etag, owner_id=boss.user_id)
    seller.Unfollow(record_type="customer", id=customer.id)
    assert not boss.ListFollowers(record_type="customer", id=customer.id).followers


def test_followers_are_listed_page_by_page(server: Server, boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲"})
    people = [server.person(["customer.read"], "all") for _ in range(5)]
    for person in people:
        person.Follow(record_type="customer", id=customer.id)
    first = boss.ListFollowers(record_type="customer", id=customer.id, page_size=3)
    rest = boss.ListFollowers(record_type="customer", id=customer.id, page_size=3, page_token=first.next_page_token)
    seen = [f.user_id for f in (*first.followers, *rest.followers)]
    assert (seen, rest.next_page_token) == (sorted(p.user_id for p in people), "")


def test_a_co_owner_writes_the_customer_and_is_called_so(server: Server, boss: Client) -> None:
    helper = server.person(["customer.read", "customer.update"], "self")
    customer = boss.CreateCustomer(customer={"name": "甲"})
    given = {"record_type": "customer", "id": customer.id, "user_id": helper.user_id, "access": "write"}
    member = boss.PutTeamMember(**given, label="共同负责人")
    assert member.label == "共同负责人"
    server.service.organisation.forget()
    helper.UpdateCustomer(
        customer={"id": customer.id, "city": "上海"}, update_mask={"paths": ["city"]}, etag=customer.etag
    )
    changed = boss.PutTeamMember(**given, label="售前支持", etag=member.etag)
    (found,) = boss.ListTeam(record_type="customer", id=customer.id).team_members
    assert (found.label, found.etag) == ("售前支持", changed.etag)
    assert [e.action for e in server.events("team_member")] == ["added", "changed"]
