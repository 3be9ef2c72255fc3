"""Privacy requests: what a natural person asked for, what the services found and did, and the proof of it."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.identity.v1 import privacy_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm.records.v1.privacy_pb2 import PrivacyPart
from crm_kit import errors
from crm_kit.codec import from_dict, to_dict
from crm_kit.errors import Problem
from crm_kit.inbox import Handler
from crm_kit.rpc import Call
from crm_records import acting, rows, writing
from crm_records.personal import USER
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from identity import users
from identity.contract import person_types, services_with_records
from identity.tables import privacy_part, privacy_request, user

errors.texts(
    {
        "no_person_type": ("“{value}”不是自然人类型的记录", "Records “{value}” are no natural persons"),
        "account_still_active": ("须先停用该账号", "The account must be disabled first"),
        "no_erasure": ("只有抹除请求可以再次执行", "Only an erasure can be repeated"),
        "subject_unknown": ("没有该主体，或它不是自然人", "There is no such person, or the record is none"),
    }
)

STATES = States(
    pb.PrivacyRequest,
    initial="preview",
    transitions=[
        Transition(("preview",), "start", "running", "privacy_request.approve", ("开始", "start it"), "started"),
        Transition(
            ("running", "done"), "repeat", "running", "privacy_request.approve", ("再次执行", "repeat it"), "started"
        ),
        Transition(("running",), "finish", "done", "privacy_request.approve", ("完成", "finish it"), "done"),
    ],
)
_PROVEN = ("id", "number", "kind", "subject_type", "subject_id", "reason", "requested_by", "creator_id", "start_time")


class PrivacyRequests(Record):
    """See the contract for the fields."""

    message = pb.PrivacyRequest
    table = privacy_request
    plural = "privacy_requests"
    number = "YS{yyyyMMdd}-{seq:4}"
    search = ("number", "reason")
    states = STATES
    made_of = {"waiting_for": ("id", "state")}  # noqa: RUF012
    list_fields = ("number", "kind", "subject_type", "subject_id", "state", "creator_id", "create_time", "finish_time")

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None and row["subject_type"] not in person_types():
            value = {"value": row["subject_type"]}
            raise errors.Invalid(Problem("subjectType", "no_person_type", value))

    def decorate_wanted(self, call: Call, messages: Sequence[pb.PrivacyRequest], wanted: Container[str]) -> None:
        """While it is under way, what was said so far stands in for what is kept at the end."""
        for message in messages:
            if "parts" in wanted and not message.parts:
                message.parts.extend(parts(call.connection, message.id))
            if "waiting_for" in wanted:
                message.waiting_for.extend(_waiting_for(call.connection, message.id, message.state))


REQUESTS = PrivacyRequests()


def start(call: Call, request: pb.StartPrivacyRequestRequest) -> Any:
    """Let every service do its part; the subject must be one, and a user gone."""

    def begin(before: Row) -> Row:
        missing = _waiting_for(call.connection, before["id"], "preview")
        if missing:
            raise errors.Conflict("not_counted", what=", ".join(missing), retry_after=1)
        counted = parts(call.connection, before["id"])
        if any(p.problem for p in counted):
            raise errors.Conflict("subject_unknown")
        if before["kind"] == "erasure" and before["subject_type"] == USER:
            _refuse_active(call, before["subject_id"])
        _wait_anew(call, before["id"])
        return {"start_time": datetime.now(UTC), "merged_ids": _merged(counted)}

    return writing.act(call, REQUESTS, request.id, request.etag, "start", begin)


def repeat(call: Call, request: pb.RepeatPrivacyRequestRequest) -> Any:
    """Let every service do its part of an erasure once more; the proof is made anew."""

    def begin(before: Row) -> Row:
        if before["kind"] != "erasure":
            raise errors.Conflict("no_erasure")
        if before["subject_type"] == USER:
            _refuse_active(call, before["subject_id"])
        said = _merged(parts(call.connection, before["id"]))
        _wait_anew(call, before["id"])
        nothing: Row = {"finish_time": None, "empty_time": None, "report_hash": None, "parts": []}
        return {**nothing, "start_time": datetime.now(UTC), "merged_ids": sorted({*before["merged_ids"], *said})}

    return writing.act(call, REQUESTS, request.id, request.etag, "repeat", begin)


def _merged(said: Sequence[PrivacyPart]) -> list[str]:
    """What became one with the subject by merges, as the service says that has it: the others do not know."""
    return sorted({i for part in said for i in part.merged_ids})


def _wait_anew(call: Call, request_id: str) -> None:
    these = update(privacy_part).where(privacy_part.c.request_id == request_id)
    call.connection.execute(these.values(state="waiting"))


def handlers(service: str) -> dict[str, Handler]:
    """Identity hears what every service, it among them, says of its part."""

    def said(connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            part = PrivacyPart.FromString(event.record.value)
            row = {"request_id": part.request_id, "service": part.service, "state": part.state, "part": to_dict(part)}
            new = insert(privacy_part).values(**row, version=event.version)
            values = {n: new.excluded[n] for n in ("state", "part", "version")}
            newer = privacy_part.c.version < new.excluded.version
            keys = list(privacy_part.primary_key)
            connection.execute(new.on_conflict_do_update(index_elements=keys, set_=values, where=newer))
            call = acting.call_of(connection, service, event)
            _settle(call, part.request_id)
            call.send_events()

    return {f"{name}.privacy_part": said for name in services_with_records()}


def parts(connection: Connection, request_id: str) -> list[PrivacyPart]:
    """The parts as they were told last."""
    c = privacy_part.c
    found = []
    for row in connection.execute(select(c.part, c.state).where(c.request_id == request_id).order_by(c.service)):
        part = PrivacyPart()
        from_dict(row.part, part)
        part.state = row.state
        found.append(part)
    return found


def _waiting_for(connection: Connection, request_id: str, state: str) -> list[str]:
    states = {"preview": ("counted", "done"), "running": ("done",), "emptied": ("emptied", "done")}
    wanted = states.get(state, ())
    said = {p.service for p in parts(connection, request_id) if p.state in wanted}
    return [name for name in services_with_records() if name not in said] if wanted else []


def _settle(call: Call, request_id: str) -> None:
    """When the last database is emptied, what was sent may go; when the last part is in, the report is complete.

    By the order of the stream the audit trail, made in the same transaction, has by then every event that came before
    the services' parts.
    """
    query = select(privacy_request).where(privacy_request.c.id == request_id).with_for_update()
    row = call.connection.execute(query).mappings().one_or_none()
    if row is None or row["state"] != "running":
        return
    states = {p.state for p in parts(call.connection, request_id)}
    if row["empty_time"] is None and "emptied" in states and not _waiting_for(call.connection, request_id, "emptied"):
        writing.write(call, REQUESTS, request_id, None, "emptied", lambda _before: {"empty_time": datetime.now(UTC)})
    if _waiting_for(call.connection, request_id, "running"):
        return
    kept = {"state": "done", "finish_time": datetime.now(UTC), "parts": []}
    kept["parts"] = [to_dict(p) for p in parts(call.connection, request_id)]
    report = {**{n: rows.plain(row[n]) for n in _PROVEN}, "finish_time": rows.plain(kept["finish_time"])}
    kept["report_hash"] = report_hash({**report, "parts": kept["parts"]})
    writing.write(call, REQUESTS, request_id, None, "done", lambda _before: kept)


def report_hash(report: dict[str, Any]) -> str:
    """SHA-256 of a report as JSON with sorted keys: who has the report can compare it with what is kept here."""
    return hashlib.sha256(orjson.dumps(report, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _refuse_active(call: Call, user_id: str) -> None:
    found = call.connection.execute(select(user).where(user.c.id == user_id).with_for_update()).mappings().one_or_none()
    if found is None:
        raise errors.Conflict("subject_unknown")
    if found["active"] and found["delete_time"] is None:
        raise errors.Conflict("account_still_active")
    users.refuse_mightier(call, dict(found))
