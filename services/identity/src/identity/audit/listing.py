"""Reading the trail: which entries, page by page, and as a file.

Whose acts somebody sees is said by the scope of `audit_entry`. Pages are found by key in an index that holds the
order, so they cost the same however deep they lie.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from sqlalchemy import Select, literal, select, tuple_, union_all

from crm.identity.v1 import audit_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.field_names import camel
from crm_kit.rpc import Call
from crm_records import cells
from crm_records import fields as kinds
from identity.audit import disclosure
from identity.audit.persons import STARS
from identity.audit.trail import ACCESS, CHANGE, COLUMNS, SESSION, audit_entry

DEFAULT, LARGEST = 20, 200
EXPORTED = 10_000
EXPORTED_BYTES = 12 * 1024 * 1024
_EQUAL = ("record_type", "record_id", "action", "service", "kind")
_WHICH = (*_EQUAL, "user_id", "start_time", "end_time")
_CODE = re.compile(
    r"[a-z][a-z_]*(?::[a-z0-9_-]+)*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z"
)
_KINDS = (CHANGE, SESSION, ACCESS)
_TAMPERED = (ValueError, ParseError, AttributeError, TypeError, KeyError)
"""What comes of reading changes that somebody tampered with."""
_e = audit_entry.c

errors.texts(
    {
        "export_too_large": (
            "符合条件的审计记录超过 {limit} 条或文件过大，请缩小范围",
            "More than {limit} entries fit, or the file would be too large; narrow the conditions",
        ),
    }
)


def page(call: Call, request: pb.ListAuditEntriesRequest) -> pb.ListAuditEntriesResponse:
    """One page, newest first."""
    if not 0 <= request.page_size <= LARGEST:
        key, limit = ("too_small", 0) if request.page_size < 0 else ("too_large", LARGEST)
        raise errors.Invalid(Problem("pageSize", key, {"label": ("每页条数", "Page size"), "limit": limit}))
    size = request.page_size or DEFAULT
    query = _wanted(call, request)
    which = hashlib.blake2b(said(request).encode(), digest_size=6).hexdigest()
    if request.page_token:
        time, seq = _read_token(request.page_token, which)
        query = query.where(tuple_(_e.time, _e.seq) < tuple_(literal(time, _e.time.type), literal(seq, _e.seq.type)))
    rows = _newest(call, query, request.user_id, size + 1)
    answer = pb.ListAuditEntriesResponse(audit_entries=[message(call, row) for row in rows[:size]])
    if len(rows) > size:
        last = rows[size - 1]
        token = orjson.dumps([which, last.time.isoformat(), last.seq])
        answer.next_page_token = base64.urlsafe_b64encode(token).decode()
    return answer


def one(call: Call, entry_id: str) -> pb.AuditEntry:
    """One entry within the caller's scope."""
    rows: Sequence[Any] = []
    if kinds.is_id(entry_id):
        rows = _newest(call, _wanted(call, pb.ListAuditEntriesRequest()).where(_e.id == entry_id), "", 1)
    if not rows:
        raise errors.NotFound()
    return message(call, rows[0])


def table(call: Call, request: pb.ExportAuditEntriesRequest) -> tuple[bytes, int]:
    """The entries as a CSV file, newest first, and how many they are."""
    rows = _newest(call, _wanted(call, request), request.user_id, EXPORTED + 1)
    out = io.StringIO()
    out.write("\ufeff")  # without it Excel takes Chinese for something else
    lines = csv.writer(out)
    lines.writerow([camel(name) for name in COLUMNS])
    for row in rows:
        values = {**row._mapping, "changes": _changes_text(call, row)}
        lines.writerow([cells.safe(v.isoformat() if isinstance(v := values[n], datetime) else str(v)) for n in COLUMNS])
        if out.tell() > EXPORTED_BYTES:
            break
    data = out.getvalue().encode()
    if len(rows) > EXPORTED or len(data) > EXPORTED_BYTES:
        raise errors.Conflict("export_too_large", limit=EXPORTED)
    return data, len(rows)


def said(request: Any) -> str:
    """The conditions of a request as one text; what is neither a code nor an id nor a time is not repeated."""
    given = [(n, getattr(request, n)) for n in _WHICH]
    parts = [(n, v if isinstance(v, str) else v.ToJsonString() if request.HasField(n) else "") for n, v in given]
    told = [(name, value if _CODE.fullmatch(value) else STARS) for name, value in parts if value]
    return " AND ".join(f'{name} = "{value}"' for name, value in told)


def message(call: Call, row: Any) -> pb.AuditEntry:
    """An entry as it is answered: see `disclosure` for what the caller sees of it."""
    values = {n: v for n, v in row._mapping.items() if n != "changes"}
    entry = pb.AuditEntry(**values, etag=row.hash)
    try:
        for change in disclosure.changes(call.access, row):
            ParseDict(change, entry.changes.add())
    except _TAMPERED:
        del entry.changes[:]
        entry.changes.add(field="changes").after.string_value = _as_it_stands(call, row)
    return entry


def _changes_text(call: Call, row: Any) -> str:
    """The changes of an entry in a file; the very characters that were stored where the caller sees all of them."""
    if disclosure.is_whole(call.access, row):
        return str(row.changes)
    try:
        return orjson.dumps(disclosure.changes(call.access, row)).decode()
    except _TAMPERED:
        return _as_it_stands(call, row)


def _as_it_stands(call: Call, row: Any) -> str:
    """What somebody made of the changes by tampering, for those who see every field of the record type."""
    return str(row.changes) if disclosure.is_whole(call.access, row) else STARS


def _wanted(call: Call, request: Any) -> Select[Any]:
    """Entries that fit all conditions and lie within the caller's scope. The user is asked for by `_newest`."""
    problems = []
    if request.kind not in ("", *_KINDS):
        params = {"label": ("类别", "Kind"), "value": request.kind[:60], "choices": ", ".join(_KINDS)}
        problems.append(Problem("kind", "not_a_choice", params))
    if request.user_id and not kinds.is_id(request.user_id):
        problems.append(Problem("userId", "bad_format", {"label": ("操作人", "User")}))
    start, end = (_moment(request, name, problems) for name in ("start_time", "end_time"))
    if problems:
        raise errors.Invalid(*problems)
    query = select(*(_e[name] for name in COLUMNS))
    reach = call.access.reach("audit_entry", call.caller.right)
    if not reach.all:
        query = query.where(one_of(_e.actor_id, sorted(reach.owner_ids)))
    for name in _EQUAL:
        if value := getattr(request, name):
            query = query.where(_e[name] == value)
    if start:
        query = query.where(_e.time >= start)
    if end:
        query = query.where(_e.time < end)
    return query


def _moment(request: Any, name: str, problems: list[Problem]) -> datetime | None:
    try:
        found: datetime | None = getattr(request, name).ToDatetime(UTC) if request.HasField(name) else None
    except (ValueError, OverflowError):
        problems.append(Problem(camel(name), "bad_format", {"label": ("时间", "Time")}))
        return None
    return found


def _newest(call: Call, query: Select[Any], user_id: str, limit: int) -> Sequence[Any]:
    """The newest of them; of a user in their own name and, from an index of its own, through others' eyes."""
    order = (_e.time.desc(), _e.seq.desc())
    if not user_id:
        return call.connection.execute(query.order_by(*order).limit(limit)).all()
    own = query.where(_e.actor_id == user_id)
    others = query.where(_e.acting_id == user_id, _e.acting_id != "", _e.actor_id != user_id)
    both = union_all(*(q.order_by(*order).limit(limit) for q in (own, others))).subquery()
    return call.connection.execute(select(both).order_by(both.c.time.desc(), both.c.seq.desc()).limit(limit)).all()


def _read_token(token: str, which: str) -> tuple[datetime, int]:
    try:
        of, time, seq = orjson.loads(base64.urlsafe_b64decode(token))
        if of != which or not isinstance(seq, int):
            raise ValueError(token)
        return datetime.fromisoformat(time), seq
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
