"""Handovers as identity decides them: who may, what is counted first, what the services' words come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.records.v1.handover_pb2 import HandoverPart, Taken
from crm_kit.testing import Client, Server, event, refused
from crm_records.handover_tables import part_id
from identity.contract import owned_types

pytestmark = pytest.mark.feature("IDN-05")


@pytest.fixture
def services(server: Server) -> Callable[..., None]:
    """Every service says what it did of a handover, all with the same numbers; `but` says it otherwise."""
    versions: dict[str, int] = {}

    def say(handover: Any, state: str, *, but: dict[str, dict[str, Any]] | None = None, **numbers: Any) -> None:
        for record_type, service in owned_types().items():
            one = part_id(handover.id, service, record_type)
            versions[one] = versions.get(one, 0) + 1
            fields = {**numbers, **(but or {}).get(record_type, {})}
            part = HandoverPart(id=one, handover_id=handover.id, service=service, record_type=record_type, **fields)
            part.state = state
            told = event(part, state, versions[one])
            told.actor_name = "总经理"
            server.deliver(service, told)

    return say


@pytest.fixture
def people(hire: Any) -> Any:
    return hire("leaver", "account_manager"), hire("taker", "account_manager")


def create(client: Client, leaver: Any, *takers: Any, **fields: Any) -> Any:
    assignments = [{"to_user_id": t.id} for t in takers]
    return client.CreateHandover(handover={"from_user_id": leaver.id, "assignments": assignments, **fields})


def test_a_handover_is_counted_started_done_undone(
    admin: Client, server: Server, people: Any, services: Any, measured: Any
) -> None:
    leaver, taker = people
    made = create(admin, leaver, taker, reason="离职")
    assert (made.state, made.taker_ids, made.number[:2]) == ("preview", [taker.id], "JJ")
    assert set(made.waiting_for) == set(owned_types().values())
    with refused("FAILED_PRECONDITION", "NOT_COUNTED"):
        admin.StartHandover(id=made.id, etag=made.etag)

    services(made, "counted", counted=5, open=2)
    counted = admin.GetHandover(id=made.id)
    assert not counted.waiting_for
    assert {p.record_type: p.counted for p in counted.parts if p.record_type in owned_types()} == dict.fromkeys(
        owned_types(), 5
    )

    running = admin.StartHandover(id=made.id, etag=counted.etag)
    assert running.state == "running"
    services(running, "moving", counted=5, moved=2)
    assert {p.moved for p in admin.GetHandover(id=made.id).parts if p.record_type in owned_types()} == {2}
    services(running, "moved", counted=5, moved=5, taken=[Taken(user_id=taker.id, moved=5)])
    done = admin.GetHandover(id=made.id)
    assert (done.state, done.HasField("finish_time")) == ("done", True)
    told = server.events("handover")[-1]
    assert (told.action, told.actor_name) == ("done", "总经理")
    total = sum(p.moved for p in done.parts)
    assert total == 5 * len(owned_types())

    undoing = admin.UndoHandover(id=made.id, etag=done.etag)
    assert undoing.state == "undoing"
    services(undoing, "undone", counted=5, moved=5, undone=4, kept=1)
    undone = admin.GetHandover(id=made.id)
    assert undone.state == "undone"
    assert {(p.undone, p.kept) for p in undone.parts if p.record_type in owned_types()} == {(4, 1)}
    assert [e.action for e in server.events("handover")] == ["created", "started", "done", "undo_started", "undone"]
    measured(f"{total} records of {len(owned_types())} types")


def test_words_that_come_twice_or_late_are_added_up_once(
    admin: Client, server: Server, people: Any, services: Any
) -> None:
    made = create(admin, *people)
    services(made, "counted", counted=3)
    running = admin.StartHandover(id=made.id, etag=made.etag)
    services(running, "moved", counted=3, moved=3)
    before, events = admin.GetHandover(id=made.id), len(server.events("handover"))

    for record_type, service in owned_types().items():
        old = HandoverPart(id=part_id(made.id, service, record_type), handover_id=made.id, service=service, moved=1)
        old.record_type, old.state = record_type, "moving"
        server.deliver(service, event(old, "moving", 1))

    assert admin.GetHandover(id=made.id) == before
    assert len(server.events("handover")) == events


def test_what_failed_is_tried_again_and_what_did_not_is_not(admin: Client, people: Any, services: Any) -> None:
    made = create(admin, *people)
    services(made, "counted", counted=3)
    running = admin.StartHandover(id=made.id, etag=made.etag)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        admin.StartHandover(id=made.id, etag=running.etag)
    services(running, "moved", counted=3, moved=3, but={"task": {"moved": 2, "failed": 1}})

    done = admin.GetHandover(id=made.id)
    again = admin.StartHandover(id=made.id, etag=done.etag)
    assert again.state == "running"
    services(again, "moved", counted=3, moved=3)

    last = admin.GetHandover(id=made.id)
    assert last.state == "done"
    with refused("FAILED_PRECONDITION", "NOTHING_FAILED"):
        admin.StartHandover(id=made.id, etag=last.etag)


def test_a_wrong_handover_names_everything_that_is_wrong(admin: Client, hire: Any, people: Any) -> None:
    leaver, taker = people
    gone = hire("gone")
    admin.DeactivateUser(id=gone.id, etag=gone.etag)
    nobody = "01890000-0000-7000-8000-000000000000"
    wrong = [
        {"to_user_id": leaver.id},
        {"to_user_id": gone.id},
        {"to_user_id": nobody},
        {"to_user_id": taker.id, "record_types": ["customer", "weather"]},
    ]

    with refused("INVALID_ARGUMENT") as refusal:
        admin.CreateHandover(handover={"from_user_id": leaver.id, "assignments": wrong})
    assert set(refusal.fields) == {
        "assignments[0].toUserId",
        "assignments[1].toUserId",
        "assignments[2].toUserId",
        "assignments[3].recordTypes[1]",
    }
    with refused("INVALID_ARGUMENT"):
        admin.CreateHandover(handover={"from_user_id": leaver.id})


def test_nobody_hands_over_what_they_may_not_assign_or_do_not_reach(
    admin: Client, server: Server, hire: Any, employ: Any, people: Any
) -> None:
    leaver, taker = people
    rights = ["handover.*", "customer.assign", "user.read"]
    scopes = [{"resource": "*", "scope": "subordinates"}, {"resource": "user", "scope": "all"}]
    near = employ("near", rights, scopes)
    below = [hire(name, "account_manager", manager_id=near.user_id) for name in ("one", "other")]
    only = {"record_types": ["customer"]}

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        create(near, below[0], below[1])
    for giver, receiver in ((leaver, below[0]), (below[0], taker)):
        with refused("PERMISSION_DENIED", "BEYOND_REACH"):
            near.CreateHandover(
                handover={"from_user_id": giver.id, "assignments": [{"to_user_id": receiver.id, **only}]}
            )
    made = near.CreateHandover(
        handover={"from_user_id": below[0].id, "assignments": [{"to_user_id": below[1].id, **only}]}
    )
    assert made.state == "preview"
    assert server.events("handover")[-1].action == "created"


def test_both_persons_concerned_see_it_and_nobody_else(
    admin: Client, hire: Any, people: Any, sign_in: Any, services: Any
) -> None:
    hire("other", "account_manager")
    made = create(admin, *people)

    for name in ("leaver", "taker"):
        assert sign_in(name).GetHandover(id=made.id).number == made.number
        assert [h.id for h in sign_in(name).ListHandovers().handovers] == [made.id]
    stranger = sign_in("other")
    assert list(stranger.ListHandovers().handovers) == []
    with refused("NOT_FOUND"):
        stranger.GetHandover(id=made.id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        sign_in("taker").StartHandover(id=made.id, etag=made.etag)


def test_who_reports_to_the_leaver_and_what_the_leaver_manages_go_along_and_come_back(
    admin: Client, hire: Any, services: Any, root_id: str, change: Any
) -> None:
    above, other = hire("above"), hire("other")
    leaver = hire("leaver", manager_id=above.id)
    taker, clerk, changed = (hire(n, manager_id=leaver.id) for n in ("taker", "clerk", "changed"))
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id, "manager_id": leaver.id})
    made = create(admin, leaver, taker, manager_to_id=taker.id)
    services(made, "counted", counted=0)
    mine = {p.record_type: p.counted for p in admin.GetHandover(id=made.id).parts if p.service == "identity"}
    assert mine == {"user": 3, "department": 1}

    running = admin.StartHandover(id=made.id, etag=made.etag)

    def managers() -> dict[str, str]:
        return {n: admin.GetUser(id=u.id).manager_id for n, u in (("taker", taker), ("clerk", clerk))}

    assert managers() == {"taker": above.id, "clerk": taker.id}
    assert admin.GetDepartment(id=north.id).manager_id == taker.id
    services(running, "moved", counted=0)
    done = admin.GetHandover(id=made.id)
    assert {p.record_type: p.moved for p in done.parts if p.service == "identity"} == {"user": 3, "department": 1}
    items = admin.ListHandoverItems(handover_id=made.id, record_type="user").items
    assert {(i.record_id, i.kind) for i in items} == {(u.id, "manager") for u in (taker, clerk, changed)}
    change(admin, changed.id, manager_id=other.id)

    admin.UndoHandover(id=made.id, etag=done.etag)

    assert managers() == {"taker": leaver.id, "clerk": leaver.id}
    assert admin.GetUser(id=changed.id).manager_id == other.id
    assert admin.GetDepartment(id=north.id).manager_id == leaver.id


def test_the_account_is_left_alone_unless_it_is_asked_for(
    admin: Client, people: Any, services: Any, sign_in: Any
) -> None:
    leaver, taker = people
    mine = sign_in("leaver")
    for deactivate, active in ((False, True), (True, False)):
        made = create(admin, leaver, taker, deactivate=deactivate)
        services(made, "counted", counted=0)
        assert admin.GetUser(id=leaver.id).active
        running = admin.StartHandover(id=made.id, etag=made.etag)
        services(running, "moved", counted=0)
        assert admin.GetUser(id=leaver.id).active is active
    with refused("UNAUTHENTICATED"):
        mine.GetMe()


def test_places_in_teams_are_handed_over_by_whoever_reaches_all_records(
    admin: Client, employ: Any, people: Any
) -> None:
    scopes = [{"resource": "*", "scope": "all"}, {"resource": "task", "scope": "department"}]
    near = employ("near", ["handover.*", "*"], scopes)

    with refused("PERMISSION_DENIED", "TEAMS_ASK_ALL"):
        create(near, *people, team_memberships=True)
    made = create(admin, *people, team_memberships=True)
    with refused("PERMISSION_DENIED", "TEAMS_ASK_ALL"):
        near.StartHandover(id=made.id, etag=made.etag)
    assert create(near, *people).state == "preview"


def test_nobody_is_deactivated_or_gets_another_manager_beyond_the_right_to_change_them(
    admin: Client, sign_in: Any, hire: Any, root_id: str, services: Any
) -> None:
    far = admin.CreateDepartment(department={"name": "远方", "parent_id": root_id})
    wide = ["handover.*", "user.read", "department.read", *(f"{kind}.assign" for kind in owned_types())]
    starters = []
    for narrow, other in (("user", "department"), ("department", "user")):
        scopes = {"scopes": [{"resource": "*", "scope": "all"}, {"resource": narrow, "scope": "department"}]}
        rights = {"rights": [f"{narrow}.update", f"{other}.update"]}
        admin.CreateRole(role={"code": f"narrow_{narrow}", "name": narrow, **rights, **scopes})
        everywhere = {"rights": wide, "scopes": [{"resource": "*", "scope": "all"}]}
        admin.CreateRole(role={"code": f"wide_{narrow}", "name": f"{narrow} wide", **everywhere})
        hire(f"near_{narrow}", f"narrow_{narrow}", f"wide_{narrow}")
        starters.append(sign_in(f"near_{narrow}"))
    near, close = starters
    leaver, boss, taker = hire("leaver", department_id=far.id), hire("boss"), hire("taker")
    clerk = hire("clerk", department_id=far.id, manager_id=boss.id)
    lead = hire("lead")
    managed = admin.CreateDepartment(department={"name": "华东", "parent_id": root_id, "manager_id": lead.id})

    cases: list[tuple[Client, Any, dict[str, Any]]] = [
        (near, leaver, {"deactivate": True}),
        (near, boss, {"manager_to_id": taker.id}),
        (close, lead, {"manager_to_id": taker.id}),
    ]
    for starter, from_, fields in cases:
        with refused("PERMISSION_DENIED", "REPORTS_BEYOND_REACH"):
            create(starter, from_, taker, **fields)
        made = create(admin, from_, taker, **fields)
        services(made, "counted", counted=0)
        with refused("PERMISSION_DENIED", "REPORTS_BEYOND_REACH"):
            starter.StartHandover(id=made.id, etag=made.etag)
    assert admin.GetUser(id=leaver.id).active
    assert admin.GetUser(id=clerk.id).manager_id == boss.id
    assert admin.GetDepartment(id=managed.id).manager_id == lead.id

    made = create(admin, boss, taker, manager_to_id=taker.id)
    services(made, "counted", counted=0)
    services(admin.StartHandover(id=made.id, etag=made.etag), "moved", counted=0)
    with refused("PERMISSION_DENIED", "REPORTS_BEYOND_REACH"):
        near.UndoHandover(id=made.id, etag=admin.GetHandover(id=made.id).etag)


def test_a_taker_whose_account_was_closed_since_the_preview_gets_nothing(
    admin: Client, people: Any, services: Any
) -> None:
    made = create(admin, *people)
    services(made, "counted", counted=1)
    admin.DeactivateUser(id=people[1].id, etag=admin.GetUser(id=people[1].id).etag)

    with refused("INVALID_ARGUMENT") as refusal:
        admin.StartHandover(id=made.id, etag=made.etag)
    assert set(refusal.fields) == {"assignments[0].toUserId"}
    assert admin.GetHandover(id=made.id).state == "preview"


def test_a_role_is_given_the_right_to_read_handovers_alone(admin: Client, employ: Any, people: Any) -> None:
    made = create(admin, *people)

    reader = employ("reader", ["handover.read"])

    assert reader.GetHandover(id=made.id).number == made.number
    assert [h.id for h in reader.ListHandovers().handovers] == [made.id]
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.StartHandover(id=made.id, etag=made.etag)
    for action in ("export", "print"):
        assert employ(action, ["handover.read", f"handover.{action}"]).GetHandover(id=made.id).id == made.id
