"""The way of a request from hand to hand: each action where it is allowed, and a refusal everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from service_desk.requests import STATES

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("SRV-01")

ALLOWED = [(state, t) for t in STATES.transitions for state in t.of]
REFUSED = sorted(
    {(s, t.action) for s in STATES.labels for t in STATES.transitions} - {(s, t.action) for s, t in ALLOWED}
)


def act(client: Client, action: str, request: Any, *, to: str = "", into: str = "", owner: str = "") -> Any:
    """Carry out an action of the state table with what it needs."""
    on = {"id": request.id, "etag": request.etag}
    match action:
        case "assign":
            return client.AssignServiceRequest(**on, owner_id=owner or client.user_id)
        case "handle":
            return client.HandleServiceRequest(**on, handling="更换了轴承")
        case "feedBack":
            return client.FeedBackServiceRequest(**on, satisfaction=2 if to == "assigned" else 4)
        case "archive":
            return client.ArchiveServiceRequest(**on)
        case "merge":
            return client.MergeServiceRequest(**on, into_id=into)
    raise AssertionError(action)


@pytest.mark.parametrize(("state", "transition"), ALLOWED, ids=[f"{s}-{t.action}-{t.to}" for s, t in ALLOWED])
def test_an_action_leads_where_the_table_says(
    boss: Client, server: Server, in_state: Make, request_of: Make, state: str, transition: Any
) -> None:
    request, other = in_state(state), server.person(name="张工")
    into = request_of(boss, customer_id=request.customer_id)

    after = act(boss, transition.action, request, to=transition.to, into=into.id, owner=other.user_id)

    assert after.state == transition.to
    assert after == boss.GetServiceRequest(id=request.id)
    announced = [e.action for e in server.events("service_request") if e.record_id == request.id]
    assert announced[-1] == transition.event
    log = boss.ListChanges(record_type="service_request", id=request.id).changes
    assert [c.action for c in log] == announced


@pytest.mark.parametrize(("state", "action"), REFUSED)
def test_an_action_is_refused_in_every_other_state(
    boss: Client, in_state: Make, request_of: Make, state: str, action: str
) -> None:
    request = in_state(state)
    into = request_of(boss, customer_id=request.customer_id)

    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED") as refusal:
        act(boss, action, request, into=into.id)

    assert STATES.labels[state][0] in refusal.message
    assert boss.GetServiceRequest(id=request.id) == request


@pytest.mark.parametrize("state", STATES.labels)
def test_the_service_tells_which_actions_it_would_refuse(boss: Client, in_state: Make, state: str) -> None:
    request = in_state(state)

    actions = boss.ListActions(record_type="service_request", id=request.id).actions

    assert {a.action for a in actions if a.allowed} == {t.action for s, t in ALLOWED if s == state}
    assert all(a.reason for a in actions if not a.allowed)


def test_who_assigned_and_when_is_kept(boss: Client, server: Server, request_of: Make) -> None:
    request, agent = request_of(boss), server.person(name="张工")

    given = boss.AssignServiceRequest(id=request.id, etag=request.etag, owner_id=agent.user_id)

    assert (given.owner_id, given.owner_name, given.assigner_id) == (agent.user_id, "张工", boss.user_id)
    assert given.HasField("assign_time")


def test_another_one_takes_over_what_is_assigned(boss: Client, server: Server, in_state: Make) -> None:
    request, agent = in_state("assigned"), server.person()

    taken = agent.AssignServiceRequest(id=request.id, etag=request.etag, owner_id=agent.user_id)

    assert (taken.state, taken.owner_id, taken.assigner_id) == ("assigned", agent.user_id, agent.user_id)


def test_a_request_made_for_somebody_is_assigned_from_the_start(boss: Client, server: Server, request_of: Make) -> None:
    agent = server.person()

    made = request_of(boss, owner_id=agent.user_id)

    assert (made.state, made.owner_id, made.assigner_id) == ("assigned", agent.user_id, boss.user_id)


def test_an_update_that_names_another_owner_is_an_assignment_too(boss: Client, server: Server, in_state: Make) -> None:
    agent, request, done = server.person(), in_state("created"), in_state("handled")

    def give(to: Any) -> Any:
        changed = {"id": to.id, "owner_id": agent.user_id}
        return boss.UpdateServiceRequest(service_request=changed, update_mask={"paths": ["owner_id"]}, etag=to.etag)

    assert give(request).state == "assigned"
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        give(done)


def test_an_assigned_request_cannot_be_left_to_nobody(boss: Client, in_state: Make) -> None:
    request = in_state("assigned")

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.AssignServiceRequest(id=request.id, etag=request.etag)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.UpdateServiceRequest(
            service_request={"id": request.id}, update_mask={"paths": ["owner_id"]}, etag=request.etag
        )


def test_what_was_done_is_kept_with_who_and_how_often(boss: Client, server: Server, in_state: Make) -> None:
    request, agent = in_state("handled"), server.person()
    request = boss.FeedBackServiceRequest(id=request.id, etag=request.etag, satisfaction=1, feedback="又停机了")

    again = agent.HandleServiceRequest(id=request.id, etag=request.etag, handling="更换了电机")

    assert (again.handling, again.handler_id, again.rounds) == ("更换了电机", agent.user_id, 2)
    assert again.feedback == "又停机了"
    log = boss.ListChanges(record_type="service_request", id=request.id).changes
    said = [c.after.string_value for one in log for c in one.changes if c.field == "handling"]
    assert said == ["更换了轴承", "更换了电机"]


def test_handling_says_what_was_done(boss: Client, in_state: Make) -> None:
    request = in_state("assigned")

    with refused("INVALID_ARGUMENT", "INVALID", "handling"):
        boss.HandleServiceRequest(id=request.id, etag=request.etag, handling="  ")


@pytest.mark.parametrize(
    ("satisfaction", "state", "event"),
    [
        (1, "assigned", "sent_back"),
        (2, "assigned", "sent_back"),
        (3, "feedback", "feedback_given"),
        (4, "feedback", "feedback_given"),
        (5, "feedback", "feedback_given"),
    ],
)
def test_three_and_more_closes_the_matter_and_less_sends_it_back(
    boss: Client, server: Server, in_state: Make, satisfaction: int, state: str, event: str
) -> None:
    request = in_state("handled")

    after = boss.FeedBackServiceRequest(id=request.id, etag=request.etag, satisfaction=satisfaction)

    assert (after.state, after.satisfaction, after.owner_id) == (state, satisfaction, request.owner_id)
    assert after.HasField("feedback_time")
    assert server.events("service_request")[-1].action == event


@pytest.mark.parametrize("satisfaction", [-1, 0, 6, 100, None])
def test_satisfaction_is_one_to_five(boss: Client, in_state: Make, satisfaction: int | None) -> None:
    request = in_state("handled")

    with refused("INVALID_ARGUMENT", "INVALID", "satisfaction"):
        boss.FeedBackServiceRequest(id=request.id, etag=request.etag, satisfaction=satisfaction)

    assert boss.GetServiceRequest(id=request.id).state == "handled"
