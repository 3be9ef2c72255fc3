"""Service requests over gRPC: who sees them, what is kept, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("SRV-01")

CREATOR = [*(f"service_request.{action}" for action in ("read", "create", "update")), "customer.read"]


def update(client: Client, request: Any, **fields: Any) -> Any:
    changed = {"id": request.id, **fields}
    return client.UpdateServiceRequest(service_request=changed, update_mask={"paths": list(fields)}, etag=request.etag)


def seen(client: Client) -> set[str]:
    return {r.id for r in client.ListServiceRequests().service_requests}


def test_a_request_needs_a_kind_a_customer_and_a_summary(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "kind", "customerId", "summary"):
        boss.CreateServiceRequest(service_request={})


def test_a_new_request_waits_to_be_assigned(boss: Client, request_of: Make, customer: Make) -> None:
    made = request_of(boss, customer_id=customer("杭州西湖电子"))

    assert made.number.startswith("FW")
    assert (made.state, made.owner_id, made.priority, made.rounds) == ("created", "", "normal", 0)
    assert (made.customer_name, made.owner_name) == ("杭州西湖电子", "")
    assert boss.GetServiceRequest(id=made.id) == made


def test_kinds_and_channels_are_entries_of_their_dictionaries(boss: Client, request_of: Make) -> None:
    known = boss.ListDictionaries(record_type="service_request").entries

    assert [e.code for e in known if e.dictionary == "service_kind"] == [
        "consultation", "complaint", "suggestion", "fault", "on_site", "return", "training", "other"
    ]  # fmt: skip
    assert request_of(boss, kind="on_site", channel="wechat").channel == "wechat"
    with refused("INVALID_ARGUMENT", "INVALID", "kind", "channel"):
        request_of(boss, kind="repair", channel="pigeon")


def test_a_page_shows_the_names_of_customers_and_handlers(boss: Client, request_of: Make, customer: Make) -> None:
    for name in ("甲公司", "乙公司"):
        request_of(boss, customer_id=customer(name), owner_id=boss.user_id)

    page = boss.ListServiceRequests(order_by="create_time").service_requests
    narrow = boss.ListServiceRequests(order_by="create_time", fields="customerName").service_requests

    assert [(r.customer_name, r.owner_name) for r in page] == [("甲公司", "客服主管"), ("乙公司", "客服主管")]
    assert [r.customer_name for r in narrow] == ["甲公司", "乙公司"]


@pytest.mark.parametrize("words", ["轧机", "FW"])
def test_the_search_box_looks_into_summary_and_number(boss: Client, request_of: Make, words: str) -> None:
    made = request_of(boss, summary="三号轧机停机")

    assert [r.id for r in boss.ListServiceRequests(search=words).service_requests] == [made.id]
    assert not boss.ListServiceRequests(search="没有这个").service_requests


def test_a_customer_that_nobody_can_be_asked_about_is_not_called_wrong(boss: Client, request_of: Make) -> None:
    """The customer service is not there in these tests: the caller is told to come again."""
    with refused("UNAVAILABLE", "SERVICE_UNAVAILABLE") as refusal:
        request_of(boss, customer_id=ids.uuid7())

    assert refusal.retry_after == 1


def test_a_deleted_customer_takes_no_new_requests(server: Server, boss: Client, request_of: Make) -> None:
    gone = Customer(id=ids.uuid7(), name="已删除")
    gone.delete_time.FromDatetime(datetime.now(UTC))
    server.deliver("customer", event(gone, "deleted", 2))

    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        request_of(boss, customer_id=gone.id)


def test_a_request_is_made_only_of_customers_within_ones_reach(
    server: Server, request_of: Make, customer: Make
) -> None:
    seller = server.person(CREATOR, "self")

    assert request_of(seller, customer_id=customer(owner_id=seller.user_id))
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        request_of(seller, customer_id=customer(owner_id=ids.uuid7()))


def test_without_the_right_to_assign_a_request_is_the_departments(
    server: Server, request_of: Make, customer: Make
) -> None:
    department, other = server.department("华东"), server.department("华南")
    seller = server.person(CREATOR, "self", department_id=department)
    lead = server.person(CREATOR, "department", department_id=department)
    stranger = server.person(CREATOR, "department", department_id=other)

    made = request_of(seller, customer_id=customer(owner_id=seller.user_id))

    assert (made.owner_id, made.department_id, made.creator_id) == ("", department, seller.user_id)
    assert seen(seller) == seen(lead) == {made.id}
    assert seen(stranger) == set()
    with refused("NOT_FOUND"):
        stranger.GetServiceRequest(id=made.id)


def test_the_creators_manager_finds_what_waits_to_be_assigned(
    server: Server, boss: Client, request_of: Make, customer: Make
) -> None:
    manager = server.person([*CREATOR, "service_request.assign"], "subordinates")
    seller = server.person(CREATOR, "self", manager=manager)
    made = request_of(seller, customer_id=customer(owner_id=seller.user_id))

    assert seen(manager) == {made.id}
    boss.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=boss.user_id)
    assert (seen(manager), seen(seller)) == (set(), {made.id})


def test_a_creator_goes_on_seeing_what_another_handles(
    server: Server, boss: Client, request_of: Make, customer: Make
) -> None:
    seller, agent = server.person(CREATOR, "self"), server.person(CREATOR, "self")
    made = request_of(seller, customer_id=customer(owner_id=seller.user_id))

    made = boss.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=agent.user_id)

    assert seen(seller) == seen(agent) == {made.id}
    assert update(seller, made, remarks="客户很急").remarks == "客户很急"
    assert seen(server.person(CREATOR, "self")) == set()


def test_giving_a_request_to_another_takes_the_right_to_assign(server: Server, boss: Client, request_of: Make) -> None:
    seller = server.person(CREATOR, "all")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        request_of(seller, owner_id=boss.user_id)
    made = request_of(seller, owner_id=seller.user_id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        update(seller, made, owner_id=boss.user_id)


def test_nobody_assigns_beyond_their_reach(server: Server, boss: Client, request_of: Make) -> None:
    lead = server.person([*CREATOR, "service_request.assign"], "subordinates")
    agent, stranger = server.person(manager=lead), server.person()
    made = request_of(boss, owner_id=lead.user_id)

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        lead.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=stranger.user_id)
    assert lead.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=agent.user_id).owner_id == agent.user_id


@pytest.mark.parametrize(
    "act",
    [
        lambda c, on, _: c.AssignServiceRequest(**on, owner_id=c.user_id),
        lambda c, on, _: c.HandleServiceRequest(**on, handling="好了"),
        lambda c, on, _: c.FeedBackServiceRequest(**on, satisfaction=5),
        lambda c, on, _: c.ArchiveServiceRequest(**on),
        lambda c, on, other: c.MergeServiceRequest(**on, into_id=other),
        lambda c, on, _: c.SplitServiceRequest(**on, summary="另一件事"),
        lambda c, on, _: c.DeleteServiceRequest(**on),
    ],
    ids=["assign", "handle", "feedBack", "archive", "merge", "split", "delete"],
)
def test_a_stale_version_changes_nothing(boss: Client, server: Server, request_of: Make, act: Any) -> None:
    made = request_of(boss)
    other = request_of(boss, customer_id=made.customer_id)
    now = update(boss, made, remarks="新")
    told = len(server.events())

    with refused("ABORTED", "STALE"):
        act(boss, {"id": made.id, "etag": made.etag}, other.id)

    assert boss.GetServiceRequest(id=made.id) == now
    assert len(server.events()) == told


def test_a_repeated_key_handles_once(boss: Client, server: Server, in_state: Make) -> None:
    made, key = in_state("assigned"), {"idempotency-key": "handle-00000001"}

    first = boss.HandleServiceRequest(id=made.id, etag=made.etag, handling="好了", metadata=key)
    again = boss.HandleServiceRequest(id=made.id, etag=made.etag, handling="好了", metadata=key)

    assert first == again
    assert [e.action for e in server.events("service_request")].count("handled") == 1


def test_a_deleted_request_waits_in_the_recycle_bin(boss: Client, request_of: Make) -> None:
    made = request_of(boss)

    boss.DeleteServiceRequest(id=made.id, etag=made.etag)

    assert seen(boss) == set()
    assert [r.id for r in boss.ListServiceRequests(deleted=True).service_requests] == [made.id]
    assert boss.RestoreServiceRequest(id=made.id).summary == made.summary
    assert seen(boss) == {made.id}


def test_an_import_brings_history_along_and_finds_its_rows_again(boss: Client, server: Server, customer: Make) -> None:
    done = {
        "external_id": "OLD-1",
        "kind": "complaint",
        "customer_id": customer(),
        "summary": "旧系统的投诉",
        "state": "archived",
        "owner_id": boss.user_id,
        "satisfaction": 4,
        "handling": "已赔偿",
    }
    bad = {**done, "external_id": "OLD-2", "state": "lost"}

    first = boss.ImportServiceRequests(service_requests=[done, bad])
    again = boss.ImportServiceRequests(service_requests=[done])

    assert [(r.outcome, [p.field for p in r.problems]) for r in first.results] == [
        ("created", []),
        ("failed", ["state"]),
    ]
    assert again.unchanged == 1
    (kept,) = boss.ListServiceRequests(fields="*").service_requests
    assert (kept.state, kept.satisfaction, kept.handling) == ("archived", 4, "已赔偿")
    assert [e.bulk for e in server.events("service_request")] == [True]
