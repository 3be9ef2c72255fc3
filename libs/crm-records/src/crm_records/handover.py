"""Handover (离职交接): this service's part of it, made of what identity announces.

`created` is answered by a count, `started` and `undo_started` by moving the records of the person in batches. After
each batch the service announces how far it is and hears that itself, which brings the next batch: every batch is one
transaction with its announcement, so a process that is killed goes on where the last commit ended, and between two
batches other events are applied.

Nothing of a record changes but whose it is: no rule of the noun runs, no state, link, text or clock is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from crm.identity.v1.handovers_pb2 import Handover
from crm.records.v1 import handover_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit.inbox import Handler
from crm_kit.rpc import Call
from crm_records import acting, handover_moves, handover_teams
from crm_records.handover_tables import TEAM, item, job, part_id, takers_of
from crm_records.record import Record, Row
from crm_records.registry import Registry

SOURCE = "identity.handover"
PART = "handover_part"


def handlers(service: str, registry: Registry) -> dict[str, Handler]:
    """What a service listens to for its part of handovers; nothing where nothing of it has an owner."""
    if not owned(registry):
        return {}
    part = _Part(service, registry)
    return {SOURCE: part.decided, f"{service}.{PART}": part.goes_on}


def owned(registry: Registry) -> list[Record]:
    """The record types that belong to somebody."""
    return [r for r in registry.records.values() if "owner_id" in r.stored]


def counts(connection: Connection, record: Record, user_id: str) -> Row:
    """How many records a person owns: all, those on which something is to be done, those in the recycle bin."""
    c = record.table.c
    living = c.delete_time.is_(None)
    is_open: ColumnElement[bool] = living
    if record.states is not None and record.closed_states:
        is_open = living & c[record.states.column].not_in(record.closed_states)
    numbers = (func.count(), func.count().filter(is_open), func.count().filter(~living))
    query = select(*(n.label(name) for n, name in zip(numbers, ("owned", "open", "deleted"), strict=True)))
    return dict(connection.execute(query.where(c.owner_id == user_id)).mappings().one())


class _Part:
    """The handlers of one service."""

    def __init__(self, service: str, registry: Registry) -> None:
        self._service, self._registry = service, registry

    def decided(self, connection: Connection, events: Sequence[Event]) -> None:
        """Identity says what was decided about a handover."""
        steps: dict[str, Callable[[Call, Handover], None]] = {
            "created": self._count,
            "started": self._start,
            "undo_started": self._undo,
        }
        for event in events:
            step = steps.get(event.action)
            if step is not None:
                handover = Handover.FromString(event.record.value)
                call = acting.call_of(connection, self._service, event)
                step(call, handover)
                call.send_events()

    def goes_on(self, connection: Connection, events: Sequence[Event]) -> None:
        """What this service announced of itself: the next batch is due. A repeat finds that the part went on."""
        for event in events:
            if event.action not in ("moving", "undoing"):
                continue
            told = pb.HandoverPart.FromString(event.record.value)
            call = acting.call_of(connection, self._service, event)
            row = _locked(call, told.handover_id, told.record_type)
            if row is not None and row["version"] == event.version:
                self._batch(call, row)
                call.send_events()

    def _count(self, call: Call, handover: Handover) -> None:
        for record_type in self._types(handover):
            row = self._new(handover, record_type)
            row.update(self._counted(call, handover, record_type))
            call.connection.execute(insert(job).values(row))
            self._tell(call, row)

    def _start(self, call: Call, handover: Handover) -> None:
        for record_type in self._types(handover):
            row = _locked(call, handover.id, record_type)
            if row is None:  # it was counted before this service knew its records
                row = self._new(handover, record_type)
                call.connection.execute(insert(job).values(row))
            has = self._counted(call, handover, record_type)
            takers = self._takers(handover, record_type)
            row |= {"takers": takers, "position": None, "start_time": datetime.now(UTC), "finish_time": None}
            row |= {"failed": 0, "counted": has["counted"] + row["moved"], "open": has["open"]}
            if any(takers.values()):
                row |= {"state": "moving", "skipped": 0}
            else:
                row |= {"state": "moved", "skipped": has["counted"], "finish_time": datetime.now(UTC)}
            self._save(call, row)

    def _undo(self, call: Call, handover: Handover) -> None:
        for record_type in self._types(handover):
            row = _locked(call, handover.id, record_type)
            if row is not None:
                row |= {"state": "undoing", "position": None, "finish_time": None}
                self._save(call, row)

    def _batch(self, call: Call, row: Row) -> None:
        """Move or give back the next records; what is told of it brings the batch after it."""
        if row["record_type"] == TEAM:
            step = handover_teams.move if row["state"] == "moving" else handover_teams.give_back
            done, last = step(call, self._registry, row)
        else:
            record = self._registry.records[row["record_type"]]
            step_of = handover_moves.move if row["state"] == "moving" else handover_moves.give_back
            done, last = step_of(call, record, row)
        for name, n in done.items():
            row[name] += n
        if last is None:
            row |= {"state": "moved" if row["state"] == "moving" else "undone", "finish_time": datetime.now(UTC)}
        row["position"] = last
        self._save(call, row)

    def _types(self, handover: Handover) -> list[str]:
        return [*(r.type for r in owned(self._registry)), *([TEAM] if handover.team_memberships else [])]

    def _takers(self, handover: Handover, record_type: str) -> dict[str, list[str]]:
        types = [r.type for r in owned(self._registry)] if record_type == TEAM else [record_type]
        return {t: takers_of(handover, t) for t in types}

    def _counted(self, call: Call, handover: Handover, record_type: str) -> Row:
        if record_type == TEAM:
            types = [r.type for r in owned(self._registry)]
            n = handover_teams.count(call.connection, types, handover.from_user_id)
            return {"counted": n, "open": n}
        has = counts(call.connection, self._registry.records[record_type], handover.from_user_id)
        return {"counted": has["owned"], "open": has["open"]}

    def _new(self, handover: Handover, record_type: str) -> Row:
        numbers = dict.fromkeys(("counted", "open", "moved", "skipped", "failed", "undone", "kept"), 0)
        return {
            "handover_id": handover.id,
            "record_type": record_type,
            "from_user_id": handover.from_user_id,
            "takers": self._takers(handover, record_type),
            "state": "counted",
            "position": None,
            **numbers,
            "start_time": None,
            "finish_time": None,
            "version": 1,
        }

    def _save(self, call: Call, row: Row) -> None:
        row["version"] += 1
        this = (job.c.handover_id == row["handover_id"], job.c.record_type == row["record_type"])
        call.connection.execute(update(job).where(*this).values(row))
        self._tell(call, row)

    def _tell(self, call: Call, row: Row) -> None:
        names = (
            "handover_id",
            "record_type",
            "state",
            "counted",
            "open",
            "moved",
            "skipped",
            "failed",
            "undone",
            "kept",
        )
        part = pb.HandoverPart(
            id=part_id(row["handover_id"], self._service, row["record_type"]),
            etag=str(row["version"]),
            service=self._service,
            start_time=row["start_time"],
            finish_time=row["finish_time"],
            **{n: row[n] for n in names},
        )
        if row["finish_time"] is not None:
            part.taken.extend(_taken(call, row))
        told = Event(record_type=PART, action=row["state"], record_id=part.id, version=row["version"], bulk=True)
        told.record.Pack(part)
        call.announce(told)


def _locked(call: Call, handover_id: str, record_type: str) -> Row | None:
    query = select(job).where(job.c.handover_id == handover_id, job.c.record_type == record_type).with_for_update()
    found = call.connection.execute(query).mappings().one_or_none()
    return dict(found) if found is not None else None


def _taken(call: Call, row: Row) -> list[Any]:
    """What each taker has got and kept."""
    query = select(item.c.to_user_id, func.count().label("n")).where(
        item.c.handover_id == row["handover_id"], item.c.outcome.in_(("moved", "kept"))
    )
    if row["record_type"] == TEAM:
        query = query.where(item.c.kind == "member")
    else:
        query = query.where(item.c.record_type == row["record_type"], item.c.kind == "owner")
    found = call.connection.execute(query.group_by(item.c.to_user_id).order_by(item.c.to_user_id))
    return [pb.Taken(user_id=r.to_user_id, moved=r.n) for r in found]
