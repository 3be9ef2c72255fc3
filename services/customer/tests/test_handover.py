"""Handover (离职交接): this service's part, as identity's events ask for it and as its own events carry it on."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from crm_records import handover_moves
from crm_records.handover_tables import chosen
from crm_records.testing import DECIDER, Handing

pytestmark = pytest.mark.feature("IDN-05")


@pytest.fixture
def leaver(server: Server) -> Client:
    return server.person(name="离职者")


@pytest.fixture
def taker(server: Server) -> Client:
    return server.person(name="接收人")


def rows(server: Server) -> dict[str, dict[str, Any]]:
    """Every column of every customer."""
    found = server.sql("SELECT to_jsonb(customer.*) FROM customer")
    return {row[0]["id"]: row[0] for row in found}


def several(client: Client, count: int) -> list[Any]:
    return [client.CreateCustomer(customer={"name": f"客户{n}", "phone": "13800138000"}) for n in range(count)]


def test_the_preview_counts_and_moves_nothing(server: Server, boss: Client, leaver: Client, taker: Client) -> None:
    made = several(leaver, 3)
    leaver.DeleteCustomer(id=made[0].id, etag=made[0].etag)
    before = rows(server)
    handing = Handing(server, leaver, taker)

    handing.decide("created")

    assert (handing.part().state, handing.part().counted, handing.part().open) == ("counted", 3, 2)
    assert rows(server) == before
    has = {b.record_type: (b.owned, b.open, b.deleted) for b in boss.ListBelongings(user_id=leaver.user_id).belongings}
    assert {t: n for t, n in has.items() if any(n)} == {"customer": (3, 2, 1)}


def test_everything_moves_and_nothing_else_of_it_changes(
    server: Server, boss: Client, leaver: Client, taker: Client, measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover_moves, "BATCH", 4)
    made = several(leaver, 10)
    leaver.DeleteCustomer(id=made[0].id, etag=made[0].etag)
    other = boss.CreateCustomer(customer={"name": "别人的客户"})
    before = rows(server)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    told = len(server.events("customer"))

    handing.decide("started")

    after = rows(server)
    assert after[other.id] == before[other.id]
    for one in made:
        changed = {n for n in after[one.id] if after[one.id][n] != before[one.id][n]}
        assert changed == {"owner_id", "owner_time", "version", "updater_id"}
        assert after[one.id]["owner_id"] == taker.user_id
        assert after[one.id]["updater_id"] == DECIDER
    part = handing.part()
    assert (part.state, part.counted, part.moved, part.failed, part.skipped) == ("moved", 10, 10, 0, 0)
    assert [(t.user_id, t.moved) for t in part.taken] == [(taker.user_id, 10)]
    events = server.events("customer")[told:]
    assert {e.action for e in events} == {"handed_over"}
    assert all(e.bulk and e.actor_name == "总经理" for e in events)
    assert [[c.field for c in e.changes] for e in events] == [["ownerId", "ownerTime"]] * 10
    last = boss.ListChanges(record_type="customer", id=made[1].id).changes[-1]
    assert (last.action, last.actor_name) == ("handed_over", "总经理")
    assert [c.field for c in last.changes] == ["ownerId", "ownerTime"]
    measured("10 records moved in 3 batches")


def test_the_report_is_for_both_sides_and_for_nobody_else(
    server: Server, boss: Client, leaver: Client, taker: Client
) -> None:
    several(leaver, 5)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    handing.decide("started")
    asked = {"handover_id": handing.record.id, "record_type": "customer"}
    plain = server.person(["customer.read"], "self")

    seen = {}
    for who in (boss, leaver, taker):
        page = who.ListHandoverItems(**asked, page_size=3)
        rest = who.ListHandoverItems(**asked, page_size=3, page_token=page.next_page_token)
        assert not rest.next_page_token
        seen[who.user_id] = [*page.items, *rest.items]

    assert seen[boss.user_id] == seen[leaver.user_id] == seen[taker.user_id]
    items = seen[boss.user_id]
    assert {i.title for i in items} == {f"客户{n}" for n in range(5)}
    assert {(i.from_name, i.to_name, i.outcome, i.kind) for i in items} == {("离职者", "接收人", "moved", "owner")}
    with refused("NOT_FOUND"):
        plain.ListHandoverItems(**asked)


def test_the_report_shows_names_as_the_field_rules_do(server: Server, leaver: Client, taker: Client) -> None:
    several(leaver, 1)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    handing.decide("started")

    told = {}
    for level in ("masked", "hidden", "read_only"):
        rules = [{"resource": "customer", "field": name, "rule": level} for name in ("name", "number")]
        reader = server.person(["customer.read", "handover.read"], fields=rules)
        (one,) = reader.ListHandoverItems(handover_id=handing.record.id, record_type="customer").items
        told[level] = (one.title, one.number)

    assert told["hidden"] == ("", "")
    assert told["read_only"][0] == "客户0"
    assert told["masked"][0] not in ("", "客户0")
    assert told["masked"][1] not in ("", told["read_only"][1])


def test_two_takers_share_it_out_and_the_counts_are_equal_on_both_sides(
    server: Server, boss: Client, leaver: Client, taker: Client
) -> None:
    second = server.person(name="另一位")
    made = several(leaver, 40)
    handing = Handing(server, leaver, taker, second)
    handing.decide("created")
    handing.decide("started")

    part = handing.part()
    got = {t.user_id: t.moved for t in part.taken}
    owners = {row["id"]: row["owner_id"] for row in rows(server).values()}
    assert sum(got.values()) == part.moved == part.counted == 40
    assert got == {w: list(owners.values()).count(w) for w in (taker.user_id, second.user_id)}
    assert min(got.values()) > 5

    assert owners == {c.id: chosen([second.user_id, taker.user_id], c.id) for c in made}


def test_a_batch_that_was_killed_goes_on_where_the_last_commit_ended(
    server: Server, boss: Client, leaver: Client, taker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover_moves, "BATCH", 3)
    several(leaver, 8)
    customers_only = [{"to_user_id": taker.user_id, "record_types": ["customer"]}]
    handing = Handing(server, leaver, taker, assignments=customers_only)
    handing.decide("created")
    handing.say("started")
    real, batches = handover_moves._note, []

    class Killed(BaseException):
        """As a process that ends in the middle of a transaction: nothing catches it."""

    def killed(*arguments: Any) -> None:
        real(*arguments)
        batches.append(1)
        if len(batches) == 2:
            raise Killed

    monkeypatch.setattr(handover_moves, "_note", killed)
    with pytest.raises(Killed):
        handing.go_on()
    owners = [row["owner_id"] for row in rows(server).values()]
    assert owners.count(taker.user_id) == 3, "the first batch is there, the second left nothing"

    monkeypatch.setattr(handover_moves, "_note", real)
    handing.heard = 0  # the stream gives everything that is not known as applied
    handing.go_on()

    assert {row["owner_id"] for row in rows(server).values()} == {taker.user_id}
    assert {row["version"] for row in rows(server).values()} == {2}, "nothing was moved twice"
    assert (handing.part().state, handing.part().moved) == ("moved", 8)


def test_one_record_that_cannot_be_moved_is_named_and_does_not_hold_the_others(
    server: Server, boss: Client, leaver: Client, taker: Client
) -> None:
    made = several(leaver, 4)
    stuck = made[2].id
    server.sql(
        "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF NEW.id = '{stuck}' THEN RAISE EXCEPTION 'stuck'; END IF; RETURN NEW; END $$"
    )
    server.sql("CREATE TRIGGER stuck BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION stuck()")
    handing = Handing(server, leaver, taker)
    try:
        handing.decide("created")
        handing.decide("started")
    finally:
        server.sql("DROP TRIGGER stuck ON customer")
        server.sql("DROP FUNCTION stuck")

    assert (handing.part().moved, handing.part().failed) == (3, 1)
    (failed,) = boss.ListHandoverItems(handover_id=handing.record.id, record_type="customer", outcome="failed").items
    assert (failed.record_id, failed.title, bool(failed.reason)) == (stuck, "客户2", True)
    assert rows(server)[stuck]["owner_id"] == leaver.user_id

    handing.decide("started")

    assert (handing.part().counted, handing.part().moved, handing.part().failed) == (4, 4, 0)
    assert rows(server)[stuck]["owner_id"] == taker.user_id


def test_undo_gives_back_what_nobody_changed_and_names_the_rest(
    server: Server, boss: Client, leaver: Client, taker: Client, order: Any, recompute: Any, today: date
) -> None:
    several(leaver, 6)
    before = rows(server)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    handing.decide("started")
    moved = sorted(rows(server))
    edited, given = (boss.GetCustomer(id=i) for i in moved[:2])
    taker.UpdateCustomer(customer={"id": edited.id, "city": "苏州"}, update_mask={"paths": ["city"]}, etag=edited.etag)
    boss.AssignCustomer(id=given.id, etag=given.etag, owner_id=boss.user_id)
    order(moved[5], today.isoformat(), "100")
    recompute(today)
    assert rows(server)[moved[5]]["lifecycle"] == "trading"

    handing.decide("undo_started")

    part, now = handing.part(), rows(server)
    assert (part.state, part.moved, part.undone, part.kept) == ("undone", 6, 4, 2)
    assert [now[i]["owner_id"] for i in moved[2:]] == [leaver.user_id] * 4
    assert (now[edited.id]["owner_id"], now[given.id]["owner_id"]) == (taker.user_id, boss.user_id)
    assert now[moved[3]]["update_time"] == before[moved[3]]["update_time"]
    kept = boss.ListHandoverItems(handover_id=handing.record.id, record_type="customer", outcome="kept").items
    assert {i.record_id for i in kept} == {edited.id, given.id}
    assert all(i.reason for i in kept)
    assert server.events("customer")[-1].action == "handed_back"


def test_what_nobody_takes_stays(server: Server, leaver: Client, taker: Client) -> None:
    several(leaver, 2)
    elsewhere = [{"to_user_id": taker.user_id, "record_types": ["opportunity"]}]
    handing = Handing(server, leaver, assignments=elsewhere)

    handing.decide("created")
    handing.decide("started")

    assert (handing.part().state, handing.part().moved, handing.part().skipped) == ("moved", 0, 2)
    assert {row["owner_id"] for row in rows(server).values()} == {leaver.user_id}


def test_events_that_come_twice_or_late_move_nothing_twice(server: Server, leaver: Client, taker: Client) -> None:
    several(leaver, 3)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    handing.decide("started")
    before, said = rows(server), len(server.events("handover_part"))

    for old in server.events("handover_part"):
        old.id = ids.uuid7()  # announced anew, so that not even the inbox knows it
        server.deliver("customer", old)

    assert rows(server) == before
    assert len(server.events("handover_part")) == said


def test_places_in_teams_go_along_and_come_back(server: Server, boss: Client, leaver: Client, taker: Client) -> None:
    made = [boss.CreateCustomer(customer={"name": f"团队客户{n}"}) for n in range(3)]
    insert = (
        "INSERT INTO team_member (record_type, record_id, user_id, access, deleted, version)"
        " VALUES ('customer', :r, :u, :a, false, 1)"
    )
    for one in made:
        server.sql(insert, r=one.id, u=leaver.user_id, a="write")
    server.sql(insert, r=made[0].id, u=taker.user_id, a="read")
    places = "SELECT record_id, user_id, access FROM team_member WHERE NOT deleted ORDER BY record_id, user_id"
    before = server.sql(places)
    handing = Handing(server, leaver, taker, team_memberships=True)
    handing.decide("created")
    assert handing.part("team_member").counted == 3

    handing.decide("started")

    held = server.sql(places)
    assert {str(row.user_id) for row in held} == {taker.user_id}
    assert [row.access for row in held] == ["read", "write", "write"], "a place the taker had stays as it was"
    assert handing.part("team_member").moved == 3
    noted = boss.ListChanges(record_type="customer", id=made[1].id).changes[1:]
    assert {(c.action, c.actor_name, c.changes[0].field) for c in noted} == {("team_changed", "总经理", "team")}
    ways = [(n.changes[0].before, n.changes[0].after) for n in noted]
    who = [[dict(value.struct_value).get("userId") for value in way] for way in ways]
    assert who == [[None, taker.user_id], [leaver.user_id, None]]
    told = [(e.action, e.version) for e in server.events("team_member")]
    assert sorted(told) == [("added", 1), ("added", 1), *[("removed", 2)] * 3]

    handing.decide("undo_started")

    assert server.sql(places) == before
    assert (handing.part("team_member").undone, handing.part("team_member").kept) == (3, 0)
    assert len(boss.ListChanges(record_type="customer", id=made[1].id).changes) == 1 + 2 + 2


def test_belongings_are_told_only_to_who_reaches_the_person(server: Server, leaver: Client) -> None:
    mine = server.person(["handover.create"], "self")

    with refused("NOT_FOUND"):
        mine.ListBelongings(user_id=leaver.user_id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(["customer.read"]).ListBelongings(user_id=leaver.user_id)
