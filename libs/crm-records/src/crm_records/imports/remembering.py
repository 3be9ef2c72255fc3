"""How the same person mapped the same headings before: proposed anew, so that nobody maps a monthly file twice and the
corrected rows of an import become what the others became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

from crm_kit.rpc import Call
from crm_records import images, references
from crm_records.imports import mapping
from crm_records.imports.error_book import REASON
from crm_records.imports.tables import BUSY, DONE, FAILED, record_import
from crm_records.imports.targets import Target
from crm_records.record import Record

EARLIER = "earlier"
"""Why a column is mapped as it is."""


def recall(
    call: Call, record: Record, import_id: str, columns: Sequence[dict[str, Any]], known: Mapping[str, Target]
) -> Any:
    """Map columns as the importer did last time; that import, or None. A column that was neither mapped nor left out by
    hand says nothing: a proposal made today may be better."""
    before = _before(call, record, import_id, [c["header"] for c in columns])
    if before is None:
        return None
    by_header = {c["header"]: c for c in before.columns if c["header"]}
    for column in columns:
        then = by_header.get(column["header"])
        if then is None:
            continue
        field = then["field"]
        decided = field in known if field else then["proposed"] or then["why"] == EARLIER
        if decided:
            column.update(field=field, proposed=field, why=EARLIER)
    return before


def options(call: Call, record: Record, before: Any, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The options of the import before, as far as they still can be; else those that nobody chose."""
    found = {"existing": "update"} if before is None else dict(before.options)
    if not any(c["field"] == found.get("key") for c in columns if c["field"]):
        found["key"] = mapping.default_key(record, columns)
    if found.get("ownerId") and references.not_an_owner(call, record, found["ownerId"]):
        found["ownerId"] = ""
    if found.get("departmentId") and not references.existing(call, record, "department", [found["departmentId"]]):
        found["departmentId"] = ""
    return found


def stored_already(call: Call, record: Record, digest: str, detail: str) -> str | None:
    """The newest import of this content, of a workbook this sheet of it, that was stored and not taken back."""
    query = (
        select(record_import.c.id)
        .join(images.act, images.act.c.id == record_import.c.act_id)
        .where(record_import.c.hash == digest, record_import.c.record_type == record.type)
        .where(record_import.c.detail == detail, record_import.c.state == DONE, images.act.c.state == "done")
        .order_by(record_import.c.id.desc())
        .limit(1)
    )
    return call.connection.scalar(query)


def _before(call: Call, record: Record, import_id: str, headers: Sequence[str]) -> Any:
    """The newest import of the caller's with these headings that was stored and not taken back; for rejected rows that
    are sent again, also one that was only tried."""
    corrected = headers[-1] in REASON
    plain = list(headers[:-1]) if corrected else list(headers)
    c = record_import.c
    query = select(c.columns, c.options).where(
        c.record_type == record.type,
        c.creator_id == call.access.user_id,
        c.id != import_id,
        or_(*(_headings() == cast(some, JSONB) for some in _with_reason(plain))),
    )
    if corrected:
        query = query.where(c.state.not_in((*BUSY, FAILED)))
    else:
        query = query.join(images.act, images.act.c.id == c.act_id)
        query = query.where(c.state == DONE, images.act.c.state == "done")
    return call.connection.execute(query.order_by(c.id.desc()).limit(1)).one_or_none()


def _headings() -> ColumnElement[Any]:
    return func.jsonb_path_query_array(record_import.c.columns, cast("$[*].header", JSONPATH))


def _with_reason(headers: list[str]) -> list[list[str]]:
    """The headings as a file has them that was not, or was, sent back with its rejected rows."""
    return [headers, *([*headers, reason] for reason in REASON)]
