"""Where people and departments stood in the organisation, from when to when."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("IDN-06")


@pytest.fixture
def branches(admin: Client, root_id: str) -> list[str]:
    return [admin.CreateDepartment(department={"name": n, "parent_id": root_id}).id for n in ("华东", "华南")]


def test_a_persons_stays_follow_one_another_without_a_gap(
    admin: Client, hire: Any, change: Any, root_id: str, branches: list[str], measured: Any
) -> None:
    boss, person = hire("boss", name="王总"), hire("mover")
    for department_id in branches:
        change(admin, person.id, department_id=department_id)
    change(admin, person.id, manager_id=boss.id)
    change(admin, person.id, position="经理")
    change(admin, person.id, manager_id="")

    stays = admin.ListUserMoves(id=person.id).moves

    told = [(m.kind, m.place_name, m.HasField("end_time")) for m in stays]
    assert told == [
        ("manager", "", False),
        ("manager", "王总", True),
        ("department", "华南", False),
        ("department", "华东", True),
        ("department", admin.GetDepartment(id=root_id).name, True),
    ]
    assert [m.place_id for m in stays if m.kind == "department"] == [branches[1], branches[0], root_id]
    for newer, older in ((stays[0], stays[1]), (stays[2], stays[3]), (stays[3], stays[4])):
        assert newer.start_time == older.end_time
    assert {m.actor_id for m in stays} == {admin.user_id}
    measured(f"{len(stays)} stays of 5 moves, none overlapping")


def test_a_department_stood_below_others_and_had_managers(
    admin: Client, hire: Any, root_id: str, branches: list[str]
) -> None:
    boss = hire("boss", name="王总")
    made = admin.CreateDepartment(department={"name": "杭州", "parent_id": branches[0]})
    for fields in ({"parent_id": branches[1]}, {"manager_id": boss.id}):
        etag = admin.GetDepartment(id=made.id).etag
        paths = list(fields)
        admin.UpdateDepartment(department={"id": made.id, **fields}, update_mask={"paths": paths}, etag=etag)

    stays = admin.ListDepartmentMoves(id=made.id).moves

    assert [(m.kind, m.place_name) for m in stays] == [("manager", "王总"), ("parent", "华南"), ("parent", "华东")]
    assert stays[1].start_time == stays[2].end_time


def test_stays_come_in_pages_and_what_was_before_the_log_has_no_start(
    admin: Client, server: Server, hire: Any, change: Any, branches: list[str], root_id: str
) -> None:
    person = hire("mover")
    server.sql("DELETE FROM change_log WHERE record_id = :id", id=person.id)
    for n in range(6):
        change(admin, person.id, department_id=branches[n % 2])

    paged, token = [], ""
    while True:
        answer = admin.ListUserMoves(id=person.id, page_size=2, page_token=token)
        paged += answer.moves
        token = answer.next_page_token
        assert len(answer.moves) <= 2
        if not token:
            break

    assert paged == list(admin.ListUserMoves(id=person.id).moves)
    assert [m.place_id for m in paged] == [*[branches[n % 2] for n in range(5, -1, -1)], root_id]
    assert [m.HasField("start_time") for m in paged] == [True] * 6 + [False]
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        admin.ListUserMoves(id=person.id, page_token="nonsense")


def test_only_who_may_read_a_person_or_a_department_sees_the_moves(
    admin: Client, employ: Any, hire: Any, branches: list[str]
) -> None:
    person = hire("mover")
    blind, own = employ("blind", ["customer.read"]), employ("own", ["user.read", "department.read"], "self")

    for ask in (lambda c: c.ListUserMoves(id=person.id), lambda c: c.ListDepartmentMoves(id=branches[0])):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            ask(blind)
        with refused("NOT_FOUND"):
            ask(own)
    with refused("NOT_FOUND"):
        admin.ListUserMoves(id=ids.uuid7())
    assert [m.kind for m in own.ListUserMoves(id=own.user_id).moves] == ["department"]


def test_field_rules_hold_for_moves(admin: Client, hire: Any, sign_in: Any) -> None:
    boss = hire("boss", name="王总")
    person = hire("mover", manager_id=boss.id)
    rules = [{"resource": "user", "field": "manager_id", "rule": "hidden"}]
    scopes = [{"resource": "*", "scope": "all"}]
    made = {"code": "narrow", "name": "窄", "rights": ["user.read"], "scopes": scopes, "field_rules": rules}
    admin.CreateRole(role=made)
    hire("reader", "narrow")

    assert {m.kind for m in admin.ListUserMoves(id=person.id).moves} == {"department", "manager"}
    assert {m.kind for m in sign_in("reader").ListUserMoves(id=person.id).moves} == {"department"}
