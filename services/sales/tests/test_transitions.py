"""Every action in every state: where it leads, and that it is refused everywhere else."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from sales.states import STATES

pytestmark = pytest.mark.feature("SAL-10")

WAY = {
    "unassigned": (),
    "assigned": ("assign",),
    "developing": ("assign", "move"),
    "won": ("assign", "win"),
    "lost": ("assign", "lose"),
    "archived": ("assign", "win", "archive"),
}
"""How a new opportunity without an owner gets into each state."""
EVENTS = {t.action: t.event for t in STATES.transitions}
EXPECTED = {
    (state, action): next((t.to for t in STATES.transitions if t.action == action and state in t.of), None)
    for state in STATES.labels
    for action in EVENTS
}


def act(client: Client, record: Any, action: str, owner: str = "") -> Any:
    verb = getattr(client, f"{action.capitalize()}Opportunity")
    along = {
        "assign": {"owner_id": owner or client.user_id},
        "move": {"stage": "proposal" if record.stage != "proposal" else "negotiation"},
        "lose": {"lost_reason": "price"},
    }
    return verb(id=record.id, etag=record.etag, **along.get(action, {}))


def one_in(client: Client, server: Server, state: str) -> Any:
    made = client.CreateOpportunity(opportunity={"title": "状态", "department_id": server.department()})
    for action in WAY[state]:
        made = act(client, made, action)
    assert made.state == state
    return made


@pytest.mark.parametrize(("state", "action"), [k for k, to in EXPECTED.items() if to])
def test_an_action_leads_where_the_table_says_and_is_announced(
    boss: Client, server: Server, state: str, action: str
) -> None:
    before = one_in(boss, server, state)

    after = act(boss, before, action, server.person().user_id)

    assert after.state == EXPECTED[state, action]
    assert int(after.etag) == int(before.etag) + 1
    last = server.events("opportunity")[-1]
    assert (last.action, last.record_id, str(last.version)) == (EVENTS[action], after.id, after.etag)


@pytest.mark.parametrize(("state", "action"), [k for k, to in EXPECTED.items() if not to])
def test_an_action_that_the_table_lacks_says_why_and_changes_nothing(
    boss: Client, server: Server, state: str, action: str
) -> None:
    before = one_in(boss, server, state)
    told = len(server.events())

    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED") as refusal:
        act(boss, before, action)

    assert STATES.labels[state][0] in refusal.message
    assert boss.GetOpportunity(id=before.id) == before
    assert len(server.events()) == told


def test_the_table_can_be_read_and_tells_what_is_allowed_now(boss: Client, server: Server) -> None:
    table = boss.GetStates(record_type="opportunity")
    won = one_in(boss, server, "won")
    actions = boss.ListActions(record_type="opportunity", id=won.id).actions

    assert {(t.to) for t in table.transitions if getattr(t, "from") == "won"} == {"developing", "archived"}
    assert {a.action for a in actions if a.allowed} == {"reopen", "archive"}
    assert all(a.reason for a in actions if not a.allowed)


@pytest.mark.parametrize("action", list(EVENTS))
def test_every_action_asks_for_the_version_that_was_seen(boss: Client, server: Server, action: str) -> None:
    state = {"reopen": "won", "archive": "won"}.get(action, "assigned")
    before = one_in(boss, server, state)
    current, before.etag = before.etag, "1"

    with refused("ABORTED", "STALE"):
        act(boss, before, action)
    before.etag = ""
    with refused("FAILED_PRECONDITION", "ETAG_REQUIRED"):
        act(boss, before, action)

    assert boss.GetOpportunity(id=before.id).etag == current
