"""Merging: the rows that belong to it, what moves, what the record that stays becomes, and taking it back.

One act, in this order, since it is taken back in the opposite one: everything around the records is made to point at
the one that stays; those that go are put into the recycle bin, so that their unique values are free; the one that stays
takes the chosen values. What is not changed since comes back by its images, what is no record by its trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from crm_kit import errors, ids, jobs
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import changes, images, reaching, recycling, relinking, storing, writing
from crm_records.following_merges import MERGE, MERGED, UNMERGED
from crm_records.record import Record, Row
from customer import checks, last_contact, valid_demands
from customer.behaviour.work import look_again
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS, find_again
from customer.merging import choosing, loose, redirects
from customer.pools import capacity
from customer.relationships import circles

errors.texts(
    {
        "merged_with_itself": ("记录不能与自己合并", "A record cannot be merged into itself"),
        "merged_twice": ("同一记录出现了两次", "A record is named twice"),
        "nothing_to_merge": ("请给出被合并的记录", "Name the records that go into it"),
        "not_of_one_customer": ("只能合并同一客户的联系人", "Only contacts of the same customer are merged"),
    }
)

MOST = 20
"""Records that go into one at once."""
AT_ONCE = 500
"""Records that move within the call; beyond, they move as a job."""
COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A merge as it was asked for: what a job keeps of it."""

    record: Record
    to_id: str
    merged_ids: tuple[str, ...]
    chosen: Mapping[str, Any]
    fill_empty: bool

    @property
    def ids(self) -> list[str]:
        """The one that stays first."""
        return [self.to_id, *self.merged_ids]


def begin(call: Call, record: Record, request: Any) -> tuple[str, Row | None]:
    """Do a merge, or queue it where much moves: (act, the record that stayed; None where it is a job)."""
    merged = [m.id for m in request.merged]
    check_ids([request.id, *merged])
    etags = {request.id: request.etag, **{m.id: m.etag for m in request.merged}}
    rows = locked(call, record, [request.id, *merged], etags)
    chosen = choosing.check(call, record, rows, request.choices)
    asked = Asked(record, request.id, tuple(merged), chosen, request.fill_empty)
    if record is CONTACTS:
        circles.refuse_merge(call, asked.ids)
    act_id = ids.uuid7()
    what = {"into": request.id, "merged": merged, "choices": dict(asked.chosen), "fillEmpty": request.fill_empty}
    images.begin(call, act_id, MERGE, record.type, what)
    moving = relinking.count(call, record.registry, record.type, merged, AT_ONCE + 1)
    if sum(moving.values()) > AT_ONCE:
        if record.parent is None:  # what is wrong is better said now than by the job
            _refuse_own_parent(call, settled(call, asked, rows), asked)
        parameters = {"into": request.id, "merged": merged, "chosen": dict(asked.chosen), "fill": request.fill_empty}
        jobs.start(call, MERGE, record.type, parameters, job_id=act_id)
        return act_id, None
    while relinking.relink(call, record.registry, record.type, merged, request.id) == relinking.BATCH:
        pass
    return act_id, _complete(call, asked, act_id)


def step(call: Call, records: Mapping[str, Record], job: Job) -> Step:
    """The next piece of a merge as a job: a batch of what moves, at last the records themselves."""
    p = job.parameters
    asked = Asked(records[job.record_type], p["into"], tuple(p["merged"]), p["chosen"], p["fill"])
    locked(call, asked.record, asked.ids)  # nothing moves to a record that went meanwhile
    if job.position is None and asked.record is CONTACTS:
        circles.refuse_merge(call, asked.ids)  # nor before it is known that all of it can
    images.go_on(call, job.id)
    n = relinking.relink(call, asked.record.registry, job.record_type, p["merged"], p["into"])
    result = {"moved": job.result.get("moved", 0) + n}
    if n == relinking.BATCH:
        return Step({"going": True}, done=n, result=result)
    _complete(call, asked, job.id)
    return Step(None, done=n, result=result)


def given_up(call: Call, job: Job, _how: str) -> None:
    """The job ended early: what it moved is an act that can be taken back."""
    images.finish(call, job.id)


def undone(call: Call, record: Record, act_id: str) -> None:
    """An act is taken back: what left no image comes back, ids lead nowhere any more, and everybody is told."""
    to_id, merged = redirects.lead_back(call, act_id)
    if not to_id:
        return
    found = call.connection.execute(select(record.table).where(record.table.c.id == to_id).with_for_update()).one()
    before = storing.as_row(call, record, found)
    if record is CUSTOMERS:
        loose.part_teams(call, record, act_id, (to_id, before["version"]))
        loose.part_followers(call, record, act_id, to_id)
        loose.move_back(call, list(record.registry.records.values()), act_id, to_id)
        last_contact.renew(call, (to_id, *merged))
        for customer_id in (to_id, *merged):
            valid_demands.flag(call, customer_id)
            find_again(call, customer_id)
        look_again(call, [to_id, *merged])
    _tell(call, record, UNMERGED, before, {**before}, act_id, merged)


def check_ids(named: Sequence[str]) -> None:
    """Refuse what is no merge: nothing to merge, too much, a record with itself or twice."""
    problem = ""
    if len(named) < 2:
        problem = "nothing_to_merge"
    elif named[0] in named[1:]:
        problem = "merged_with_itself"
    elif len({*named}) < len(named):
        problem = "merged_twice"
    elif len(named) > MOST + 1:
        label = ("被合并记录", "Merged records")
        raise errors.Invalid(Problem("merged", "too_many", {"label": label, "limit": MOST}))
    if problem:
        raise errors.Invalid(Problem("merged", problem))


def locked(call: Call, record: Record, named: Sequence[str], etags: Mapping[str, str] | None = None) -> list[Row]:
    """The rows of a merge, the one that stays first.

    Locked in one order whoever merges what, so that two that cross do not wait for each other. Each must be the
    caller's to change, and those that go the caller's to delete.
    """
    call.need(f"{record.type}.delete")
    rows = {}
    for record_id in sorted(named):
        goes = record_id != named[0]
        etag = etags[record_id] if etags is not None else None
        with asking(call, f"{record.type}.delete" if goes else f"{record.type}.update"):
            rows[record_id] = storing.locked(call, record, record_id, etag, alone=True)
        change = record.reach_of(call.access, f"{record.type}.update")
        if goes and not reaching.holds(call, record, record_id, change):
            raise reaching.refusal(call, record, record_id)
    found = [rows[i] for i in named]
    if record.parent is not None and len({row[record.parent[0]] for row in found}) > 1:
        raise errors.Conflict("not_of_one_customer")
    return found


@contextmanager
def asking(call: Call, right: str) -> Iterator[None]:
    """Within it, it is this right whose reach decides."""
    call.need(right)
    before, call.caller.right = call.caller.right, right
    try:
        yield
    finally:
        call.caller.right = before


def settled(call: Call, asked: Asked, rows: Sequence[Row]) -> Row:
    """What the record that stays becomes; refused where it would break a rule."""
    record, before = asked.record, rows[0]
    after = choosing.settle(call, record, rows, asked.chosen, asked.fill_empty)
    for pointer in relinking.pointers(call, record.registry, record.type):
        if pointer.record is record:
            pointer.turn(after, record.type, asked.ids, None)
    if record is CUSTOMERS:
        times = [row["last_contact_time"] for row in rows if row["last_contact_time"]]
        after["last_contact_time"] = max(times, default=None)
    elif any(row["primary"] for row in rows):
        after["primary"] = True
    writing.check(call, record, after, before)
    return after


def _complete(call: Call, asked: Asked, act_id: str) -> Row:
    """Nothing points at those that go any more: they go, and the one that stays takes the chosen values."""
    record = asked.record
    rows = locked(call, record, asked.ids)
    before, merged = rows[0], list(asked.merged_ids)
    if record is CUSTOMERS:
        loose.move(call, list(record.registry.records.values()), act_id, merged, asked.to_id)
    for row in rows[1:]:
        recycling.bin_one(call, record, row)
    after = settled(call, asked, rows)
    if record is CUSTOMERS:
        _refuse_own_parent(call, after, asked)
    _tell(call, record, MERGED, before, after, act_id, merged)
    if record is CUSTOMERS:
        capacity.do_not_ask(call)
    record.written_many(call, [(before, after)])
    redirects.lead(call, record, act_id, merged, asked.to_id)
    if record is CUSTOMERS:
        loose.join_teams(call, record, act_id, merged, (asked.to_id, after["version"]))
        loose.join_followers(call, record, act_id, merged, asked.to_id)
        find_again(call, asked.to_id)
        look_again(call, [asked.to_id])
    images.finish(call, act_id)
    return after


def _refuse_own_parent(call: Call, after: Row, asked: Asked) -> None:
    """Above the customer that stays stands none of the merge: what is below those that go comes to be below it."""
    if after["parent_id"]:
        checks.parent(call, after, asked.merged_ids)


def _tell(call: Call, record: Record, action: str, before: Row, after: Row, act_id: str, merged: Sequence[str]) -> None:
    """Store the record that stays and say what went into it, or came out again, and by which act."""
    storing.store(call, record, before, after)
    now = after["update_time"]
    differences = changes.between(record, before, after)
    differences += [("actId", None, act_id), ("mergedIds", None, list(merged))]
    changes.note(call, record, after["id"], after["version"], action, differences, now)
    told = changes.event(record, action, after, differences, now)
    told.bulk = True
    call.announce(told)
