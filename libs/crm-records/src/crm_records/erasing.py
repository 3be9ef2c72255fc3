"""Erasure of one natural person: this service's part of it, made of what identity announces.

Ids and links stay; what tells of the person goes: from the records, from their change logs, from what was kept of
answers. What is left for others to know travels as events of the records: `erased` has the record as it is then, so
copies and reports forget the name as well. One transaction does all of it, and does the same if it is asked again.
Earlier events go when every service has come that far: see `erasing_events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, delete, func, select, text, update

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1 import privacy_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, sweeping
from crm_kit.db import one_of
from crm_kit.inbox import Handler
from crm_kit.rpc import Call
from crm_kit.team import team_member
from crm_records import acting, changes, erasing_events, exporting, images, personal, storing, team_places
from crm_records import fields as kinds
from crm_records.changes import HIDDEN, change_log
from crm_records.handover_tables import item
from crm_records.imports import forgetting
from crm_records.personal import ERASED, OWN, Found
from crm_records.record import Record, Row
from crm_records.registry import Registry

SOURCE = "identity.privacy_request"
NOBODY = "已抹除 (erased)"
"""What stands where there must be a text."""
POINTS = (
    "指向该人的业务记录，保留编号和关联；如正文提及此人须人工核对",
    "Business records that point at the person keep their links; look into them where their text speaks of the person",
)
LOG = (
    "操作记录依法留存，其中的个人信息已隐藏",
    "Who did what and when is kept as the law asks, without the personal values",
)


def handlers(service: str, registry: Registry) -> dict[str, Handler]:
    """What a service listens to for its part of privacy requests."""

    def decided(connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            request = PrivacyRequest.FromString(event.record.value)
            if event.action in ("created", "started"):
                call = acting.call_of(connection, service, event)
                _take_part(call, registry, event, request)
                call.send_events()
            if event.action == "emptied":
                sweeping.make_ready(connection, request.id)

    return {SOURCE: decided}


def _take_part(call: Call, registry: Registry, event: Event, request: PrivacyRequest) -> None:
    """Count, or do, this service's part and say so; of what was sent only what is to go is noted."""
    acts = event.action == "started"
    kept_from: dict[tuple[str, str], int] = {}
    part = _part(call, registry, request, kept_from, acts=acts)
    part.id = str(uuid5(NAMESPACE_OID, f"{request.id}/{call.service}"))
    part.request_id, part.service = request.id, call.service
    state = "done" if acts else "counted"
    if acts and request.kind == "erasure" and not part.problem:
        subject = registry.records.get(request.subject_type)
        beside = subject.told_beside if subject is not None else ()
        state = "emptied" if erasing_events.note(call, beside, event, part, kept_from) else state
    erasing_events.tell(call, event.version, part, state)


def _part(
    call: Call, registry: Registry, request: PrivacyRequest, kept_from: dict[tuple[str, str], int], *, acts: bool
) -> pb.PrivacyPart:
    """What there is, and with `acts` what was done with it and from where on events may stay."""
    part = pb.PrivacyPart()
    try:
        found = personal.find(call, registry, request.subject_type, request.subject_id, request.merged_ids, lock=acts)
    except (errors.NotFound, errors.Conflict) as refusal:
        part.problem = refusal.reason
        return part
    if request.subject_type in registry.records:
        part.merged_ids.extend(row["id"] for row in found[0].rows[1:])
    erasing = request.kind == "erasure"
    for one in found:
        entry = part.found.add(record_type=one.record.type, relation=one.relation, records=len(one.rows))
        entry.fields.extend(one.record.fields[n].json_name for n in one.record.personal if one.relation in ERASED)
        if erasing:
            _say_what_goes(entry, one)
    if request.subject_type == personal.USER:
        for record, name, n in personal.named_in(call, registry, request.subject_id):
            said = part.found.add(record_type=record.type, relation=personal.REFERENCE, records=n)
            said.fields.append(record.fields[name].json_name)
            said.kept_zh, said.kept_en = POINTS
    if erasing:
        kept_from |= _erase(call, registry, request, found, part, acts=acts)
    elif acts:
        data = exporting.export(call, registry, request.subject_type, request.subject_id, request.merged_ids)
        part.data_hash = exporting.digest(data)
    return part


def _say_what_goes(entry: pb.PrivacyFound, found: Found) -> None:
    if found.record.kept_by_law is not None:
        entry.kept_zh, entry.kept_en = found.record.kept_by_law
    elif found.relation in (*ERASED, OWN):
        entry.erased = entry.records
    else:
        entry.kept_zh, entry.kept_en = POINTS


def _erase(
    call: Call, registry: Registry, request: PrivacyRequest, found: Sequence[Found], part: pb.PrivacyPart, *, acts: bool
) -> erasing_events.Versions:
    """Empty what tells of the person; without `acts` only count. From where on events of records may stay."""
    going = [f for f in found if f.record.kept_by_law is None and f.relation in (*ERASED, OWN)]
    kept_from: dict[tuple[str, str], int] = {}
    for one in going:
        entries, told = _hide_log(call, one, acts=acts)
        part.log_entries += entries
        if acts:
            images.forget(call, [row["id"] for row in one.rows])
            forgetting.forget(call, one.record, one.rows)
        if acts and one.record.title_field in one.record.personal:
            _empty_reports(call, one)
        if acts and one.relation == OWN:
            c = one.record.table.c
            call.connection.execute(delete(one.record.table).where(one_of(c.id, [row["id"] for row in one.rows])))
            kept_from |= {(one.record.type, row["id"]): erasing_events.ALL for row in one.rows}
        elif acts:
            for row in one.rows:
                version = _empty_record(call, one, row, anew=row["id"] in told)
                kept_from[one.record.type, row["id"]] = version
    if request.subject_type == personal.USER:
        part.names = _names(call, registry, request.subject_id, acts=acts)
        part.found.extend(_teams(call, registry, request.subject_id, acts=acts))
        kept_from |= erasing_events.places(call, registry, request.subject_id)
    if part.log_entries or part.names:
        kept = part.found.add(record_type="change_log", relation=personal.REFERENCE, records=part.log_entries)
        kept.kept_zh, kept.kept_en = LOG
    types = sorted({f.record.type for f in going})
    part.messages = _messages(call, types, [request.subject_id, *(part.merged_ids or request.merged_ids)], acts=acts)
    return kept_from


def _empty_record(call: Call, found: Found, before: Row, *, anew: bool) -> int:
    """Empty a record's personal fields, log and announce it without saying what they held; its version then.

    With `anew` also one that is empty: an event of it said what it held, and only the newest one stays.
    """
    record = found.record
    after = {
        **before,
        **{n: _emptied(record, before, n) for n in record.personal if before[n] not in (None, [], {}, False)},
    }
    if anew or storing.record_changed(record, before, after):
        storing.store(call, record, before, after)
        record.written_many(call, [(before, after)])
        hidden = {**before, **{n: _hidden(before[n]) for n in record.personal if after[n] != before[n]}}
        changes.tell(call, record, "erased", [(hidden, after)], after["update_time"], bulk=True)
    if found.relation == personal.SUBJECT:
        record.erase_besides(call, before, after)
    return int(after["version"])


def _empty_reports(call: Call, found: Found) -> None:
    """Take the records' names out of the reports of handovers that they were in."""
    these = one_of(item.c.record_id, [row["id"] for row in found.rows])
    call.connection.execute(update(item).where(these, item.c.title != "").values(title=""))


def _emptied(record: Record, row: Row, name: str) -> Any:
    f = record.fields[name]
    if f.kind in (kinds.TEXTS, kinds.IDS) or (f.kind == kinds.DATA and f.repeated):
        return []
    if f.kind == kinds.CUSTOM:
        return {}
    if f.kind == kinds.BOOLEAN:
        return False
    if not f.required:
        return None
    return f"erased-{row['id']}" if name == record.key else NOBODY


def _hidden(value: Any) -> Any:
    return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN


def _hide_log(call: Call, found: Found, *, acts: bool) -> tuple[int, set[str]]:
    """Hide the values of personal fields in the change log: how many entries have some to hide, or had; and the
    records of which some were not hidden until now."""
    ids = [row["id"] for row in found.rows]
    mine = (change_log.c.record_type == found.record.type, one_of(change_log.c.record_id, ids))
    if found.relation == OWN:
        if acts:
            call.connection.execute(delete(change_log).where(*mine))
        return 0, set()
    names = {found.record.fields[n].json_name for n in found.record.personal}
    count, told = 0, set()
    c = change_log.c
    query = select(c.id, c.record_id, c.action, c.changes).where(*mine).order_by(c.id)
    for row in call.connection.execute(query).all():
        if not any(_tells(one, names) for one in row.changes):
            continue
        count += 1
        hidden = [_without_values(one) if _tells(one, names) else one for one in row.changes]
        if hidden != row.changes and row.action != "erased":
            told.add(row.record_id)
        if acts:
            call.connection.execute(update(change_log).where(c.id == row.id).values(changes=hidden))
    return count, told


def _tells(change: Row, names: Iterable[str]) -> bool:
    return change["field"].partition(".")[0] in names


def _without_values(change: Row) -> Row:
    return {"field": change["field"], **{n: None if change[n] is None else HIDDEN for n in ("before", "after")}}


def _names(call: Call, registry: Registry, user_id: str, *, acts: bool) -> int:
    """Take the person's name out of where it stands beside an id."""
    count = _team_names(call, user_id, acts=acts)
    for id_column, name_column in ((change_log.c.actor_id, change_log.c.actor_name), *registry.names):
        where = (id_column == user_id, name_column != "")
        count += call.connection.scalar(select(func.count()).select_from(id_column.table).where(*where)) or 0
        if acts:
            call.connection.execute(update(id_column.table).where(*where).values({name_column: NOBODY}))
    return count


def _team_names(call: Call, user_id: str, *, acts: bool) -> int:
    """The same where a change log says who came into a team or left it."""
    m, c = team_member.c, change_log.c
    records = select(m.record_id).where(m.user_id == user_id)
    query = select(c.id, c.changes).where(c.record_id.in_(records), c.action == "team_changed").order_by(c.id)
    count = 0
    for row in call.connection.execute(query).all():
        named = [_without_name(one, user_id) for one in row.changes]
        count += named != row.changes
        if acts and named != row.changes:
            call.connection.execute(update(change_log).where(c.id == row.id).values(changes=named))
    return count


def _without_name(change: Row, user_id: str) -> Row:
    def side(value: Any) -> Any:
        return {**value, "name": NOBODY} if isinstance(value, dict) and value.get("userId") == user_id else value

    return {n: side(value) for n, value in change.items()}


def _teams(call: Call, registry: Registry, user_id: str, *, acts: bool) -> list[pb.PrivacyFound]:
    """The person's places in the teams of this service's records."""
    c = team_member.c
    query = select(team_member).where(c.user_id == user_id, one_of(c.record_type, list(registry.records)), ~c.deleted)
    places = [dict(row) for row in call.connection.execute(query.with_for_update() if acts else query).mappings()]
    if acts:
        for place in places:
            team_places.put(call, place, place, "removed", bulk=True)
    n = len(places)
    return [pb.PrivacyFound(record_type="team_member", relation=OWN, records=n, erased=n)] if n else []


_HOLDS = (
    "EXISTS (SELECT FROM unnest(CAST(:ids AS text[])) subject_id"
    " WHERE position(convert_to(subject_id, 'UTF8') in {column}) > 0)"
)
_ANSWERS = "FROM idempotency_key WHERE user_id = ANY(CAST(:ids AS uuid[]))"
"""What others were answered about the person is encrypted and forgotten within two days; nobody can look into it."""
_SENT = (
    "FROM outbox WHERE sent_time IS NOT NULL AND split_part(subject, '.', 3) = ANY(CAST(:types AS text[]))"
    f" AND {_HOLDS.format(column='payload')}"
)
_BURIED = f"FROM dead_letter WHERE {_HOLDS.format(column='payload')}"


def _messages(call: Call, types: Sequence[str], subjects: Sequence[str], *, acts: bool) -> int:
    """Drop the person's kept answers, and dead letters that hold the record; how many there were, with sent events."""
    bound = {"ids": list(subjects), "types": list(types)}
    count = call.connection.scalar(text(f"SELECT count(*) {_SENT}"), bound) or 0
    for what in (_ANSWERS, _BURIED):
        gone = f"WITH gone AS (DELETE {what} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608 - our own words
        statement = gone if acts else f"SELECT count(*) {what}"
        count += call.connection.scalar(text(statement), bound) or 0
    return count
