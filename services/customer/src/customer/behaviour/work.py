"""What the clock does: who did something is looked at again, rules go through the customers, counts are announced.

Each look is one transaction and takes what waits, so a process that is killed loses and doubles nothing. `now` is told,
so that tests drive the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import behaviour_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import ids
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_kit.timers import Timer
from customer.behaviour import partitions, reading, rules, tags
from customer.behaviour.tables import active, pending, rule_progress, tag
from customer.standing import marks
from customer.value.models import count_behaviour

BATCHES = 20
"""Batches that are taken at once, so often in one look …"""
ROUNDS = 10
ENOUGH = 2000
"""… unless so many customers are found."""
CUSTOMERS = 500
"""Customers that a rule is asked about at once, and that are announced at once."""
EACH = timedelta(minutes=1)
"""A customer's counts are announced once in this time at most."""
RECENT = timedelta(days=3)
FEW = 20
"""Of whom more than the last days changed, so many are announced at once."""
LARGE = 300_000
"""Bytes of an event, unless one customer takes more."""
DAYS = 400
"""Days that are told of one customer at most, the newest ones."""
SECOND = 1.0
"""Seconds after which a look begins no further piece."""
_TAKE = text(
    "DELETE FROM behaviour_pending WHERE id IN (SELECT id FROM behaviour_pending ORDER BY id LIMIT :n FOR UPDATE SKIP"
    " LOCKED) RETURNING source, visitors, customer_ids, from_time, last_time"
)
_WHO = text(
    "SELECT DISTINCT customer_id FROM behaviour_identity WHERE source = :source AND visitor = ANY(CAST(:visitors AS"
    " text[]))"
)
_NOTE = text(
    "INSERT INTO behaviour_customer AS b (customer_id, changed_from, last_time, version) SELECT n.*, 0 FROM"
    " unnest(CAST(:ids AS uuid[]), CAST(:first AS timestamptz[]), CAST(:last AS timestamptz[])) AS n"
    " ON CONFLICT (customer_id) DO UPDATE SET last_time = greatest(b.last_time, excluded.last_time),"
    " changed_from = least(b.changed_from, excluded.changed_from)"
)
"""When each was last active, and since when its counts are different."""


def take(call: Call, now: datetime) -> int:
    """Look again at who did something: how many batches there were."""
    who: dict[str, tuple[datetime, datetime | None]] = {}
    taken = 0
    for _ in range(ROUNDS):
        waiting = call.connection.execute(_TAKE, {"n": BATCHES}).all()
        taken += len(waiting)
        for row in waiting:
            for customer_id in _of(call, row):
                first, last = who.get(customer_id, (row.from_time, row.last_time))
                latest = max((t for t in (last, row.last_time) if t), default=None)
                who[customer_id] = (min(first, row.from_time), latest)
        if len(waiting) < BATCHES or len(who) > ENOUGH:
            break
    if who:
        every = sorted(who)
        bound = {"ids": every, "first": [who[c][0] for c in every], "last": [who[c][1] for c in every]}
        call.connection.execute(_NOTE, bound)
        for rule in rules.in_force(call):
            for start in range(0, len(every), CUSTOMERS):
                tags.judge(call, rule, every[start : start + CUSTOMERS], now)
        if count_behaviour(call):
            marks.mark(call.connection, every)
    return taken


def look_again(call: Call, customer_ids: Sequence[str]) -> None:
    """Others' events are these customers' now, or are not any more: the next look counts all they did anew."""
    first, last = call.connection.execute(reading.SPAN, {"customers": list(customer_ids)}).one()
    if first is not None:
        values = {"source": "", "visitors": [], "customer_ids": list(customer_ids), "from_time": first}
        call.connection.execute(insert(pending).values(values | {"last_time": last}))


def _of(call: Call, row: Any) -> set[str]:
    """The customers of a batch: those it names, and whoever its visitors ever were."""
    found = set(row.customer_ids)
    if row.visitors:
        found |= set(call.connection.scalars(_WHO, {"source": row.source, "visitors": row.visitors}))
    return found


def go_on(call: Call, now: datetime) -> None:
    """A new or changed rule goes through the customers; what no longer holds goes."""
    in_force = {rule["id"]: rule for rule in rules.in_force(call)}
    _drop_orphans(call, in_force)
    _expire(call, in_force, now)
    query = select(rule_progress).where(one_of(rule_progress.c.rule_id, list(in_force)))
    progress = {row.rule_id: row for row in call.connection.execute(query)}
    began = monotonic()
    for rule in in_force.values():
        at = progress.get(rule["id"])
        known = at if at is not None and at.rule_version == rule["version"] else None
        done, position = (known.done, known.position) if known is not None else (False, None)
        while not done and monotonic() - began < SECOND:
            done, position = _go_through(call, rule, position, now)


def _go_through(call: Call, rule: dict[str, Any], position: str | None, now: datetime) -> tuple[bool, str | None]:
    """The next customers that did anything at all: whether they were the last, and which was."""
    query = select(active.c.customer_id).order_by(active.c.customer_id).limit(CUSTOMERS)
    if position:
        query = query.where(active.c.customer_id > position)
    found = list(call.connection.scalars(query))
    if found:
        tags.judge(call, rule, found, now)
    values: dict[str, Any] = {
        "rule_version": rule["version"],
        "position": found[-1] if found else position,
        "done": len(found) < CUSTOMERS,
    }
    statement = insert(rule_progress).values(rule_id=rule["id"], **values)
    call.connection.execute(statement.on_conflict_do_update(index_elements=["rule_id"], set_=values))
    return values["done"], values["position"]


def _drop_orphans(call: Call, in_force: Iterable[str]) -> None:
    """Tags of rules that are deleted or paused go, and what a person said about them with them."""
    known = list(in_force)
    c = tag.c
    query = select(tag).where(~one_of(c.rule_id, known)).limit(CUSTOMERS)
    tags.take_back(call, [dict(row) for row in call.connection.execute(query).mappings()])
    call.connection.execute(delete(rule_progress).where(~one_of(rule_progress.c.rule_id, known)))


def _expire(call: Call, in_force: dict[str, dict[str, Any]], now: datetime) -> None:
    """Nothing happened again in time."""
    c = tag.c
    query = select(c.rule_id, c.customer_id).where(c.valid_until <= now, c.removed_time.is_(None)).limit(CUSTOMERS)
    by_rule: dict[str, list[str]] = {}
    for row in call.connection.execute(query):
        by_rule.setdefault(row.rule_id, []).append(row.customer_id)
    for rule_id, customer_ids in by_rule.items():
        if rule_id in in_force:
            tags.judge(call, in_force[rule_id], sorted(customer_ids), now)


def announce(call: Call, now: datetime) -> None:
    """Tell the counts of customers of whom something changed: since the first changed day, all of them."""
    c = active.c
    due = c.told_time.is_(None) | (c.told_time <= now - EACH)
    query = select(active).where(c.changed_from.is_not(None), due).order_by(c.told_time.nulls_first(), c.customer_id)
    waiting = query.limit(CUSTOMERS).with_for_update(skip_locked=True)
    rows = [dict(row) for row in call.connection.execute(waiting).mappings()]
    recent = [row for row in rows if row["changed_from"] > now - RECENT]
    old = [row for row in rows if row["changed_from"] <= now - RECENT][:FEW]
    for some in (recent, old):
        if some:
            _tell(call, some, now)


def _tell(call: Call, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    zone = ZoneInfo(call.access.time_zone)
    since = {row["customer_id"]: row["changed_from"].astimezone(zone).date() for row in rows}
    start = datetime.combine(min(since.values()), time(), zone)
    days: dict[str, list[pb.BehaviourDay]] = {}
    for customer_id, day, counted in reading.by_day(call, list(since), start, now + timedelta(days=1), zone.key):
        if day >= since[customer_id]:
            days.setdefault(customer_id, []).append(reading.day_message(day, counted))
    told = pb.BehaviourCounts(id=ids.uuid7(), etag="1")
    for row in rows:
        customer_id = row["customer_id"]
        newest = days.get(customer_id, [])[:DAYS]
        first = newest[-1].date if len(newest) == DAYS else since[customer_id].isoformat()
        one = pb.BehaviourCounts.Customer(
            customer_id=customer_id,
            version=row["version"] + 1,
            last_time=row["last_time"],
            from_date=first,
            days=newest,
        )
        if told.customers and told.ByteSize() + one.ByteSize() > LARGE:
            _send(call, told)
            told = pb.BehaviourCounts(id=ids.uuid7(), etag="1")
        told.customers.append(one)
    _send(call, told)
    c = active.c
    done = update(active).where(one_of(c.customer_id, list(since)))
    call.connection.execute(done.values(changed_from=None, told_time=now, version=c.version + 1))


def _send(call: Call, told: pb.BehaviourCounts) -> None:
    event = Event(record_type="behaviour_counts", action="counted", record_id=told.id, version=1, bulk=True)
    event.record.Pack(told)
    call.announce(event)


def _now(look: Callable[[Call, datetime], object]) -> Callable[[Call], None]:
    def act(call: Call) -> None:
        look(call, datetime.now(UTC))

    return act


TIMERS = (
    Timer(2.0, _now(take)),
    Timer(2.0, _now(go_on)),
    Timer(5.0, _now(announce)),
    Timer(partitions.HOURLY, partitions.tick),
)
"""Each a transaction of its own, so that one that fails holds up none of the others."""
