"""Requests that belong together: linked, merged, split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("SRV-01")


def link(client: Client, request: Any, *to: str) -> Any:
    changed = {"id": request.id, "linked_ids": list(to)}
    return client.UpdateServiceRequest(
        service_request=changed, update_mask={"paths": ["linked_ids"]}, etag=request.etag
    )


def linked(client: Client, request: Any) -> list[str]:
    return list(client.GetServiceRequest(id=request.id).linked_ids)


def test_a_link_shows_on_both_and_goes_from_both(boss: Client, request_of: Make) -> None:
    one, two = request_of(boss), request_of(boss)

    tied = link(boss, one, two.id)
    assert (linked(boss, one), linked(boss, two)) == ([two.id], [one.id])

    link(boss, tied)
    assert (linked(boss, one), linked(boss, two)) == ([], [])
    log = boss.ListChanges(record_type="service_request", id=two.id).changes
    assert [(c.action, c.version) for c in log] == [("created", 1), ("updated", 2), ("updated", 3)]


def test_a_request_is_not_linked_to_itself_or_to_nothing(boss: Client, request_of: Make) -> None:
    made = request_of(boss)

    with refused("INVALID_ARGUMENT", "INVALID", "linkedIds"):
        link(boss, made, made.id)
    with refused("INVALID_ARGUMENT", "INVALID", "linkedIds"):
        link(boss, made, ids.uuid7())


def test_a_merged_request_is_archived_and_points_at_the_one_that_goes_on(
    boss: Client, server: Server, request_of: Make
) -> None:
    twice = request_of(boss)
    into = request_of(boss, customer_id=twice.customer_id)

    merged = boss.MergeServiceRequest(id=twice.id, etag=twice.etag, into_id=into.id)

    assert (merged.state, merged.merged_into_id, list(merged.linked_ids)) == ("archived", into.id, [into.id])
    assert merged.HasField("archive_time")
    assert linked(boss, into) == [twice.id]
    told = [(e.record_id, e.action) for e in server.events("service_request")]
    assert told[2:] == [(into.id, "updated"), (twice.id, "merged")]


def test_only_requests_of_one_customer_are_merged(boss: Client, request_of: Make) -> None:
    one, foreign = request_of(boss), request_of(boss)

    for into in (foreign.id, one.id, ids.uuid7(), "", "nonsense"):
        with refused("INVALID_ARGUMENT", "INVALID", "intoId"):
            boss.MergeServiceRequest(id=one.id, etag=one.etag, into_id=into)


def test_nothing_is_merged_into_an_archived_request(boss: Client, in_state: Make, request_of: Make) -> None:
    done = in_state("archived")
    made = request_of(boss, customer_id=done.customer_id)

    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.MergeServiceRequest(id=made.id, etag=made.etag, into_id=done.id)


def test_nothing_is_merged_into_what_one_does_not_see(
    server: Server, boss: Client, request_of: Make, customer: Make
) -> None:
    seller = server.person(scope="self")
    company = customer(owner_id=seller.user_id)
    own, hidden = request_of(seller, customer_id=company), request_of(boss, customer_id=company)

    with refused("INVALID_ARGUMENT", "INVALID", "intoId"):
        seller.MergeServiceRequest(id=own.id, etag=own.etag, into_id=hidden.id)


def test_a_split_makes_a_second_request_of_the_same_customer(boss: Client, server: Server, request_of: Make) -> None:
    whole = request_of(boss, priority="high", channel="phone", contact_id=ids.uuid7())

    part = boss.SplitServiceRequest(id=whole.id, etag=whole.etag, summary="还要发票", request="补开发票")

    assert part.id != whole.id
    assert (part.summary, part.request, part.state) == ("还要发票", "补开发票", "created")
    for name in ("customer_id", "contact_id", "kind", "priority", "channel"):
        assert getattr(part, name) == getattr(whole, name)
    assert (list(part.linked_ids), linked(boss, whole)) == ([whole.id], [part.id])
    assert part == boss.GetServiceRequest(id=part.id)
    told = [(e.record_id == whole.id, e.action) for e in server.events("service_request")]
    assert told == [(True, "created"), (False, "created"), (False, "updated"), (True, "split")]


def test_an_archived_request_is_not_split(boss: Client, in_state: Make) -> None:
    done = in_state("archived")

    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.SplitServiceRequest(id=done.id, etag=done.etag, summary="另一件事")


def test_a_split_needs_a_summary_and_otherwise_changes_nothing(boss: Client, request_of: Make) -> None:
    whole = request_of(boss)

    with refused("INVALID_ARGUMENT", "INVALID", "summary"):
        boss.SplitServiceRequest(id=whole.id, etag=whole.etag)

    assert boss.GetServiceRequest(id=whole.id) == whole
