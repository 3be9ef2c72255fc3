"""What is confirmed leaves at its time, if the person still wants it; what nobody confirmed in time lapses.

Leaving announces `care_item.due`: who delivers it takes channel, subject and text from there and the address from the
person's record, which no event carries. Each round is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, or_, select

from crm_kit import organisation
from crm_kit.db import one_of
from crm_kit.jobs import ZONE
from crm_kit.rpc import Call
from crm_kit.timers import Timer
from crm_records import changes, sql, storing
from crm_records.record import Row
from customer.care import holding, items, people
from customer.care.items import CARE_ITEMS
from customer.care.tables import care_item, care_plan

MOST = 200
"""Items at a time; the rest wait for the next round."""
STOPPED, NOBODY, LAPSED, MOVED = "plan_stopped", "no_performer", "lapsed", "date_changed"

_c = care_item.c
_DUE = sql.prepare(
    select(care_item)
    .where(_c.state == items.CONFIRMED, _c.send_time <= bindparam("now", type_=_c.send_time.type))
    .order_by(_c.send_time, _c.id)
    .limit(MOST)
    .with_for_update(skip_locked=True)
)
_LAPSED = sql.prepare(
    select(care_item)
    .where(
        _c.state == items.PROPOSED,
        # Who is erased has no day any more.
        or_(_c.occasion_date.is_(None), _c.occasion_date < bindparam("day", type_=_c.occasion_date.type)),
    )
    .order_by(_c.occasion_date, _c.id)
    .limit(MOST)
    .with_for_update(skip_locked=True)
)


def leave(call: Call, now: datetime) -> int:
    """Let go what is due by `now`; how many items were looked at."""
    found = [storing.as_row(call, CARE_ITEMS, row) for row in _DUE.run(call.connection, {"now": now}).fetchall()]
    if found:
        recipients = {t: people.load(call, t, _ids(found, t)) for t in ("contact", "customer")}
        whom = {row["id"]: recipients[row["record_type"]].get(row["record_id"]) for row in found}
        working = _working(call, found, whom)
        stopped = _stopped(call, found)
        moved = holding.holds_not(call, [(row, one) for row in found if (one := whom[row["id"]])])
    for before in found:
        one = whom[before["id"]]
        performer = next((i for i in _performers(before, one) if i in working), None)
        why = MOVED if before["id"] in moved else _why_not(before, one, performer, stopped)
        if why:
            _move(call, before, items.NOT_SENT, items.NOT_SENT, now, reason=why)
        else:
            _move(call, before, items.SENT, "due", now, leave_time=now, performer_id=performer)
    return len(found)


def lapse(call: Call, now: datetime) -> int:
    """Skip what was proposed and whose day has passed; how many items they were."""
    found = _LAPSED.run(call.connection, {"day": now.astimezone(ZONE).date()}).fetchall()
    for before in (storing.as_row(call, CARE_ITEMS, row) for row in found):
        _move(call, before, items.SKIPPED, items.SKIPPED, now, reason=LAPSED)
    return len(found)


def _by_the_clock(call: Call) -> None:
    now = datetime.now(UTC)
    leave(call, now)
    lapse(call, now)


TIMER = Timer(30, _by_the_clock)


def _why_not(row: Row, one: people.Recipient | None, performer: str | None, stopped: set[str]) -> str:
    """Why it does not leave, empty where it does."""
    if one is None:
        return people.GONE
    if row["confirmer_id"] is None and row["plan_id"] in stopped:
        return STOPPED
    refused = one.why_not(row["channel"])
    if not refused and performer is None and row["channel"] in (people.CALL, people.TASK):
        return NOBODY
    return refused


def _performers(row: Row, one: people.Recipient | None) -> Sequence[str]:
    """Whose task it may be: who looks after the customer now, else who confirmed it."""
    return [i for i in ((one.owner_id if one else None), row["confirmer_id"]) if i]


def _working(call: Call, found: Sequence[Row], whom: Mapping[str, people.Recipient | None]) -> set[str]:
    ids = {i for row in found for i in _performers(row, whom[row["id"]])}
    user = organisation.user.c
    return set(call.connection.scalars(select(user.id).where(one_of(user.id, ids), user.active, ~user.deleted)))


def _stopped(call: Call, found: Sequence[Row]) -> set[str]:
    """Plans that run no more: what they would do by themselves does not leave."""
    c = care_plan.c
    going = select(c.id).where(one_of(c.id, {r["plan_id"] for r in found}), c.delete_time.is_(None), ~c.paused)
    return {r["plan_id"] for r in found} - set(call.connection.scalars(going))


def _ids(found: Sequence[Row], record_type: str) -> list[str]:
    return [row["record_id"] for row in found if row["record_type"] == record_type]


def _move(call: Call, before: Row, state: str, action: str, now: datetime, **values: Any) -> None:
    after = {**before, "state": state, **values}
    storing.store(call, CARE_ITEMS, before, after)
    changes.tell(call, CARE_ITEMS, action, [(before, after)], now)
