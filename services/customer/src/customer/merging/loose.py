"""What is of a customer without being a record: rows of this service's own tables, and places in its team."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, cast, delete, exists, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_kit.team import READ, WRITE, team_member
from crm_records import following, rows, teams
from crm_records.record import Record
from customer.merging.tables import trace
from customer.tables import FOLLOWS_MERGES, metadata

COLUMN = "customer_id"
_OWN = (trace.name, "merge_redirect")


def tables(records: Sequence[Record]) -> Iterator[tuple[Table, Any]]:
    """(table, its key beside the customer) of every table with a `customer_id` that is no record's and where a row is
    not one customer's own value: those, like a score, stay with the customer they were computed of. What people say of
    a customer, like that it belongs to a segment, follows where its table says so."""
    taken = {r.table.name for r in records}
    for table in metadata.sorted_tables:
        if COLUMN not in table.c or table.name in taken or table.name in _OWN:
            continue
        keys = [*table.primary_key]
        unique = any(i.unique and COLUMN in i.columns for i in table.indexes)
        if len(keys) == 1 and keys[0].name != COLUMN and not unique:
            yield table, keys[0]
        elif FOLLOWS_MERGES in table.info:
            yield table, next(key for key in keys if key.name != COLUMN)


def move(call: Call, records: Sequence[Record], act_id: str, ids: Sequence[str], to_id: str) -> int:
    """Give rows of these customers to another; how many."""
    moved = 0
    for table, key in tables(records):
        if FOLLOWS_MERGES in table.info:  # one after the other: what the one that stays has already does not move
            has = table.alias()
            free = ~exists().where(has.c[key.name] == key, has.c[COLUMN] == to_id)
            moved += sum(_move(call, (table, key), act_id, (table.c[COLUMN] == i) & free, to_id) for i in ids)
        else:
            moved += _move(call, (table, key), act_id, one_of(table.c[COLUMN], ids), to_id)
    return moved


def _move(call: Call, place: tuple[Table, Any], act_id: str, which: ColumnElement[bool], to_id: str) -> int:
    table, key = place
    act = cast(literal(act_id), trace.c.act_id.type)
    theirs = select(act, literal(table.name), cast(key, Text), table.c[COLUMN]).where(which).with_for_update(of=table)
    call.connection.execute(insert(trace).from_select(["act_id", "table_name", "key", "from_id"], theirs))
    given = update(table).where(which).values({COLUMN: to_id}).returning(key)
    return len(call.connection.execute(given).all())


def move_back(call: Call, records: Sequence[Record], act_id: str, to_id: str) -> None:
    """Give back what is still where the act put it."""
    for table, key in tables(records):
        mine = (trace.c.act_id == act_id, trace.c.table_name == table.name, trace.c.key == cast(key, Text))
        back = update(table).where(*mine, table.c[COLUMN] == to_id).values({COLUMN: trace.c.from_id})
        call.connection.execute(back)
    call.connection.execute(delete(trace).where(trace.c.act_id == act_id))


def join_teams(call: Call, record: Record, act_id: str, ids: Sequence[str], place: tuple[str, int]) -> None:
    """Whoever belonged to the team of one that goes belongs to that of the one that stays, with the larger of both
    places. `place` is its (id, version)."""
    m = team_member.c
    query = select(team_member).where(m.record_type == record.team_of, ~m.deleted)
    theirs = call.connection.execute(query.where(one_of(m.record_id, ids)).order_by(m.user_id)).all()
    for member in theirs:
        before = teams.member(call, record, place[0], member.user_id)
        there = before is not None and not before.deleted
        said = {n: getattr(member, n) for n in ("user_id", "access", "end_time", "label")}
        if there:
            said["access"] = WRITE if WRITE in (before.access, member.access) else READ
            ends = (before.end_time, member.end_time)
            said["end_time"] = None if None in ends else max(ends)
            said["label"] = before.label or member.label
            if all(said[n] == getattr(before, n) for n in ("access", "end_time", "label")):
                continue
        after = teams.put(call, (record, place[1]), place[0], before, "changed" if there else "added", said)
        was = None
        if there:
            was = {"access": before.access, "end_time": rows.plain(before.end_time), "label": before.label}
        _keep(call, act_id, team_member, member.user_id, was, int(after.etag))


def part_teams(call: Call, record: Record, act_id: str, place: tuple[str, int]) -> None:
    """Places that the act gave or made larger are as before, where nobody changed them since."""
    t = trace.c
    query = select(trace).where(t.act_id == act_id, t.table_name == team_member.name).order_by(t.key)
    for kept in call.connection.execute(query).all():
        now = teams.member(call, record, place[0], kept.key)
        if now is None or now.deleted or now.version != kept.version:
            continue
        said = {"user_id": kept.key, "access": now.access, "end_time": now.end_time, "label": now.label}
        if kept.before is not None:
            ends = kept.before["end_time"]
            said |= {"access": kept.before["access"], "label": kept.before["label"]}
            said |= {"end_time": datetime.fromisoformat(ends) if ends else None}
        action = "removed" if kept.before is None else "changed"
        teams.put(call, (record, place[1]), place[0], now, action, said)


def join_followers(call: Call, record: Record, act_id: str, ids: Sequence[str], to_id: str) -> None:
    """Whoever follows one that goes follows the one that stays."""
    for users in following.of(call.connection, record.team_of, ids).values():
        for user_id in users:
            before = following.one(call.connection, record.team_of, to_id, user_id)
            if before is None or before.deleted:
                following.put(call, record.team_of, to_id, user_id, before, follows=True)
                now = following.one(call.connection, record.team_of, to_id, user_id)
                _keep(call, act_id, following.follower, user_id, None, now.version)


def part_followers(call: Call, record: Record, act_id: str, to_id: str) -> None:
    """Whoever follows since the act because of it does no longer."""
    t = trace.c
    query = select(trace).where(t.act_id == act_id, t.table_name == following.follower.name).order_by(t.key)
    for kept in call.connection.execute(query).all():
        now = following.one(call.connection, record.team_of, to_id, kept.key)
        if now is not None and not now.deleted and now.version == kept.version:
            following.put(call, record.team_of, to_id, kept.key, now, follows=False)


def _keep(call: Call, act_id: str, table: Table, user_id: str, was: dict[str, Any] | None, version: int) -> None:
    """The last of several changes of one place is what is compared with; what was before the first comes back."""
    row = {"act_id": act_id, "table_name": table.name, "key": user_id, "before": was, "version": version}
    keys = list(trace.primary_key)
    call.connection.execute(
        pg_insert(trace).values(row).on_conflict_do_update(index_elements=keys, set_={"version": version})
    )
