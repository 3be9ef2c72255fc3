"""The part of a handover that moves somebody's places in the teams of this service's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_kit.team import team_member
from crm_records import team_places
from crm_records.handover_moves import BATCH, Done
from crm_records.handover_tables import MEMBER, chosen, item
from crm_records.record import Record, Row
from crm_records.registry import Registry

_m = team_member.c


def count(connection: Connection, record_types: Sequence[str], user_id: str) -> int:
    """In how many teams somebody has a place."""
    query = select(func.count()).where(_m.user_id == user_id, one_of(_m.record_type, record_types), ~_m.deleted)
    return int(connection.scalar(query) or 0)


def move(call: Call, registry: Registry, job: Row) -> tuple[Done, str | None]:
    """Give the next places to whoever takes records of that type; those of other types stay."""
    types = [t for t, takers in job["takers"].items() if takers]
    query = select(team_member).where(_m.user_id == job["from_user_id"], one_of(_m.record_type, types), ~_m.deleted)
    if job["position"]:
        query = query.where(tuple_(_m.record_type, _m.record_id) > tuple(job["position"].split(" ")))
    query = query.order_by(_m.record_type, _m.record_id).limit(BATCH).with_for_update()
    places = [dict(row) for row in call.connection.execute(query).mappings()]
    about = _about(call, registry, places)
    for place in places:
        record = about.get(place["record_id"], {})
        key = str(record.get("key") or place["record_id"])
        to_id = chosen(job["takers"][place["record_type"]], key)
        team = (registry.records[place["record_type"]], int(record.get("version") or 0))
        taker_version = _take_over(call, team, place, to_id)
        left = _put(call, team, place, place, "removed")
        row = {
            "handover_id": job["handover_id"],
            "record_type": place["record_type"],
            "kind": MEMBER,
            "record_id": place["record_id"],
            "number": record.get("number") or "",
            "title": str(record.get("title") or ""),
            "from_user_id": place["user_id"],
            "to_user_id": to_id,
            "version": left,
            "taker_version": taker_version,
            "outcome": "moved",
            "time": datetime.now(UTC),
        }
        call.connection.execute(insert(item).values(row).on_conflict_do_nothing())
    last = f"{places[-1]['record_type']} {places[-1]['record_id']}" if len(places) == BATCH else None
    return {"moved": len(places)}, last


def give_back(call: Call, registry: Registry, job: Row) -> tuple[Done, str | None]:
    """Put the next places back where neither person's was changed since."""
    mine = (item.c.handover_id == job["handover_id"], item.c.kind == MEMBER, item.c.outcome == "moved")
    query = select(item).where(*mine).order_by(item.c.record_type, item.c.record_id).limit(BATCH)
    items = list(call.connection.execute(query).mappings())
    about = _about(call, registry, items)
    done = {"undone": 0, "kept": 0}
    for one in items:
        before = team_places.find(call, one["record_type"], one["record_id"], one["from_user_id"])
        taker = team_places.find(call, one["record_type"], one["record_id"], one["to_user_id"])
        unchanged = before is not None and before["version"] == one["version"]
        if one["taker_version"] is not None:
            unchanged = unchanged and taker is not None and taker["version"] == one["taker_version"]
        if unchanged and before is not None:
            team = (registry.records[one["record_type"]], int(about.get(one["record_id"], {}).get("version") or 0))
            _put(call, team, before, before, "added")
            if one["taker_version"] is not None and taker is not None:
                _put(call, team, taker, taker, "removed")
        outcome = "undone" if unchanged else "kept"
        done[outcome] += 1
        this = (*mine, item.c.record_type == one["record_type"], item.c.record_id == one["record_id"])
        call.connection.execute(update(item).where(*this).values(outcome=outcome, time=datetime.now(UTC)))
    return done, f"{items[-1]['record_type']} {items[-1]['record_id']}" if len(items) == BATCH else None


def _about(call: Call, registry: Registry, places: Sequence[Mapping[Any, Any]]) -> dict[str, Row]:
    """Number, name, version and what they are kept together by, of the records that the places are in."""
    found: dict[str, Row] = {}
    for record_type in {p["record_type"] for p in places}:
        record = registry.records[record_type]
        c = record.table.c
        columns = {"id": c.id, "version": c.version, "key": c[record.kept_together_by], "title": c[record.title_field]}
        if "number" in record.stored:
            columns["number"] = c.number
        ids = [p["record_id"] for p in places if p["record_type"] == record_type]
        query = select(*(column.label(name) for name, column in columns.items())).where(one_of(c.id, ids))
        found |= {row["id"]: dict(row) for row in call.connection.execute(query).mappings()}
    return found


def _take_over(call: Call, team: tuple[Record, int], place: Row, to_id: str) -> int | None:
    """The version of the taker's place; None where the taker had one already, which stays as it is."""
    there = team_places.find(call, place["record_type"], place["record_id"], to_id)
    if there is not None and not there["deleted"]:
        return None
    return _put(call, team, {**place, "user_id": to_id}, there, "added")


def _put(call: Call, team: tuple[Record, int], after: Row, before: Row | None, action: str) -> int:
    """Store somebody's place in the team of a record (type, version); the version of the place."""
    return int(team_places.put(call, after, before, action, team, bulk=True).etag)
