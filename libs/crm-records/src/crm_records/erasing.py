"""Erasure of one natural person: this service's part of it, made of what identity announces.

Ids and links stay; what tells of the person goes: from the records, from their change logs, from what was kept of
answers and of sent events. What is left for others to know travels as events of the records: `erased` has the record as
it is then, so copies and reports forget the name as well. One transaction does all of it, and does the same if it is
asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, delete, func, select, text, update

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1 import privacy_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.inbox import Handler
from crm_kit.rpc import Call
from crm_kit.team import team_member
from crm_records import acting, changes, exporting, handover_teams, images, personal, writing
from crm_records import fields as kinds
from crm_records.changes import HIDDEN, change_log
from crm_records.handover_tables import item
from crm_records.imports import forgetting
from crm_records.personal import ERASED, OWN, Found
from crm_records.record import Record, Registry, Row

SOURCE = "identity.privacy_request"
PART = "privacy_part"
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
            if event.action in ("created", "started"):
                request = PrivacyRequest.FromString(event.record.value)
                call = acting.call_of(connection, service, event)
                _tell(call, event, request, _part(call, registry, request, acts=event.action == "started"))
                call.send_events()

    return {SOURCE: decided}


def _part(call: Call, registry: Registry, request: PrivacyRequest, *, acts: bool) -> pb.PrivacyPart:
    """What there is, and with `acts` what was done with it."""
    part = pb.PrivacyPart(state="done" if acts else "counted")
    try:
        found = personal.find(call, registry, request.subject_type, request.subject_id, lock=acts)
    except (errors.NotFound, errors.Conflict) as refusal:
        part.problem = refusal.reason
        return part
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
        _erase(call, registry, request, found, part, acts=acts)
    elif acts:
        part.data_hash = exporting.digest(exporting.export(call, registry, request.subject_type, request.subject_id))
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
) -> None:
    """Empty what tells of the person; without `acts` only count."""
    going = [f for f in found if f.record.kept_by_law is None and f.relation in (*ERASED, OWN)]
    for one in going:
        part.log_entries += _hide_log(call, one, acts=acts)
        if acts:
            images.forget(call, [row["id"] for row in one.rows])
            forgetting.forget(call, [row["id"] for row in one.rows])
        if acts and one.record.title_field in one.record.personal:
            _empty_reports(call, one)
        if acts and one.relation == OWN:
            c = one.record.table.c
            call.connection.execute(delete(one.record.table).where(one_of(c.id, [row["id"] for row in one.rows])))
        elif acts:
            for row in one.rows:
                _empty_record(call, one.record, row, subject=one.relation == personal.SUBJECT)
    if request.subject_type == personal.USER:
        part.names = _names(call, registry, request.subject_id, acts=acts)
        part.found.extend(_teams(call, registry, request.subject_id, acts=acts))
    if part.log_entries or part.names:
        kept = part.found.add(record_type="change_log", relation=personal.REFERENCE, records=part.log_entries)
        kept.kept_zh, kept.kept_en = LOG
    types = sorted({f.record.type for f in going})
    part.messages = _messages(call, types, request, acts=acts)


def _empty_record(call: Call, record: Record, before: Row, *, subject: bool) -> None:
    """Empty a record's personal fields, log and announce it without saying what they held."""
    after = {
        **before,
        **{n: _emptied(record, before, n) for n in record.personal if before[n] not in (None, [], {}, False)},
    }
    if writing.record_changed(record, before, after):
        writing.store(call, record, before, after)
        record.written(call, after, before)
        hidden = {**before, **{n: _hidden(before[n]) for n in record.personal if after[n] != before[n]}}
        changes.tell(call, record, "erased", [(hidden, after)], after["update_time"], bulk=True)
    if subject:
        record.erase_besides(call, before, after)


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


def _hide_log(call: Call, found: Found, *, acts: bool) -> int:
    """Hide the values of personal fields in the change log: how many entries have some to hide, or had."""
    ids = [row["id"] for row in found.rows]
    mine = (change_log.c.record_type == found.record.type, one_of(change_log.c.record_id, ids))
    if found.relation == OWN:
        if acts:
            call.connection.execute(delete(change_log).where(*mine))
        return 0
    names = {found.record.fields[n].json_name for n in found.record.personal}
    count = 0
    query = select(change_log.c.id, change_log.c.changes).where(*mine).order_by(change_log.c.id)
    for row in call.connection.execute(query).all():
        if not any(_tells(one, names) for one in row.changes):
            continue
        count += 1
        if acts:
            hidden = [_without_values(one) if _tells(one, names) else one for one in row.changes]
            statement = update(change_log).where(change_log.c.id == row.id)
            call.connection.execute(statement.values(changes=hidden))
    return count


def _tells(change: Row, names: Iterable[str]) -> bool:
    return change["field"].partition(".")[0] in names


def _without_values(change: Row) -> Row:
    return {"field": change["field"], **{n: None if change[n] is None else HIDDEN for n in ("before", "after")}}


def _names(call: Call, registry: Registry, user_id: str, *, acts: bool) -> int:
    """Take the person's name out of where it stands beside an id."""
    count = 0
    for id_column, name_column in ((change_log.c.actor_id, change_log.c.actor_name), *registry.names):
        where = (id_column == user_id, name_column != "")
        count += call.connection.scalar(select(func.count()).select_from(id_column.table).where(*where)) or 0
        if acts:
            call.connection.execute(update(id_column.table).where(*where).values({name_column: NOBODY}))
    return count


def _teams(call: Call, registry: Registry, user_id: str, *, acts: bool) -> list[pb.PrivacyFound]:
    """The person's places in the teams of this service's records."""
    c = team_member.c
    query = select(team_member).where(c.user_id == user_id, one_of(c.record_type, list(registry.records)), ~c.deleted)
    places = [dict(row) for row in call.connection.execute(query.with_for_update() if acts else query).mappings()]
    if acts:
        for place in places:
            handover_teams.put(call, {**place, "deleted": True}, place, "removed")
    n = len(places)
    return [pb.PrivacyFound(record_type="team_member", relation=OWN, records=n, erased=n)] if n else []


_HOLDS = "position(convert_to(CAST(:id AS text), 'UTF8') in {column}) > 0"
_ANSWERS = "FROM idempotency_key WHERE user_id = CAST(:id AS uuid)"
"""What others were answered about the person is encrypted and forgotten within two days; nobody can look into it."""
_SENT = (
    "FROM outbox WHERE sent_time IS NOT NULL AND split_part(subject, '.', 3) = ANY(CAST(:types AS text[]))"
    f" AND {_HOLDS.format(column='payload')}"
)
_BURIED = f"FROM dead_letter WHERE {_HOLDS.format(column='payload')}"


def _messages(call: Call, types: Sequence[str], request: PrivacyRequest, *, acts: bool) -> int:
    """Drop the person's kept answers, and sent events and dead letters that hold the record; how many there were."""
    bound = {"id": request.subject_id, "types": list(types)}
    count = 0
    for what in (_ANSWERS, _SENT, _BURIED):
        gone = f"WITH gone AS (DELETE {what} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608 - our own words
        statement = gone if acts else f"SELECT count(*) {what}"
        count += call.connection.scalar(text(statement), bound) or 0
    return count


def _tell(call: Call, event: Event, request: PrivacyRequest, part: pb.PrivacyPart) -> None:
    part.id = str(uuid5(NAMESPACE_OID, f"{request.id}/{call.service}"))
    part.etag, part.request_id, part.service = str(event.version), request.id, call.service
    part.time.FromDatetime(datetime.now(UTC))
    told = Event(record_type=PART, action=part.state, record_id=part.id, version=event.version, bulk=True)
    told.record.Pack(part)
    call.announce(told)
