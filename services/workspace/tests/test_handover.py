"""Handover of tasks, and what both sides find in their inboxes."""

from __future__ import annotations

from typing import Any

import pytest

from crm.identity.v1.handovers_pb2 import Handover
from crm.records.v1.handover_pb2 import HandoverPart, Taken
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from crm_records.testing import Handing

pytestmark = pytest.mark.feature("IDN-05")


def test_open_and_done_tasks_move_and_nobody_is_notified_of_each(
    server: Server, boss: Client, task_of: Any, in_state: Any
) -> None:
    leaver, taker = server.person(name="离职者"), server.person(name="接收人")
    task_of(leaver)
    done = in_state("done")
    server.sql("UPDATE task SET owner_id = :owner WHERE id = :id", owner=leaver.user_id, id=done.id)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    assert (handing.part("task").counted, handing.part("task").open) == (2, 1)

    handing.decide("started")
    server.deliver("workspace", *server.events("task"))

    assert {str(r[0]) for r in server.sql("SELECT owner_id FROM task")} == {taker.user_id}
    assert sorted(r[0] for r in server.sql("SELECT state FROM task")) == ["done", "open"]
    assert taker.ListNotifications().notifications == []


def test_both_sides_are_told_once_with_their_counts(server: Server, measured: Any) -> None:
    leaver, one, two = (server.person(name=n) for n in ("离职者", "甲", "乙"))
    handover = Handover(id=ids.uuid7(), number="JJ20261124-0001", from_user_id=leaver.user_id, state="done")
    handover.taker_ids.extend([one.user_id, two.user_id])
    for record_type, counts in (("customer", (3, 4)), ("task", (5, 0))):
        taken = [Taken(user_id=w.user_id, moved=n) for w, n in zip((one, two), counts, strict=True) if n]
        handover.parts.append(HandoverPart(record_type=record_type, moved=sum(counts), taken=taken))
    told = event(handover, "done", 3)
    told.actor_name = "总经理"

    server.deliver("identity", told)
    server.deliver("identity", told)

    inbox = {w.user_id: list(w.ListNotifications().notifications) for w in (leaver, one, two)}
    assert {u: [n.records for n in found] for u, found in inbox.items()} == {
        leaver.user_id: [12],
        one.user_id: [8],
        two.user_id: [4],
    }
    assert inbox[one.user_id][0].body == "总经理将 8 条记录移交给您（JJ20261124-0001）"
    assert inbox[leaver.user_id][0].record_id == handover.id
    english = one.ListNotifications(metadata={"accept-language": "en"}).notifications[0]
    assert english.title == "Records were handed over to you"
    measured("12 given = 8 + 4 taken")


def test_an_undone_handover_is_told_with_what_came_back(server: Server) -> None:
    leaver, taker = server.person(name="离职者"), server.person(name="接收人")
    handover = Handover(id=ids.uuid7(), number="JJ1", from_user_id=leaver.user_id, taker_ids=[taker.user_id])
    part = HandoverPart(record_type="customer", moved=5, undone=4, kept=1)
    part.taken.append(Taken(user_id=taker.user_id, moved=1))
    handover.parts.append(part)

    server.deliver("identity", event(handover, "undone", 5))

    assert [n.records for n in leaver.ListNotifications().notifications] == [4]
    assert [n.records for n in taker.ListNotifications().notifications] == [1]
