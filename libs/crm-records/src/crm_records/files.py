"""Files that an RPC answers: their bytes, and the name that they are saved under.

A name tells the day and time as its reader's clock shows them, and ends with what no other file has: of two that are
made in the same second neither takes the other's place.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from google.api.httpbody_pb2 import HttpBody

from crm.records.v1.exports_pb2 import FileName
from crm_kit.rpc import Call

CSV = "text/csv; charset=utf-8"
HTML = "text/html; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ENDINGS = {"text/csv": "csv", "text/html": "html", XLSX: "xlsx", "application/json": "json"}
_MARK = 6
"""Characters that tell a file from others of the same second."""


def answer(
    call: Call, what: str, content_type: str, data: bytes, *, made: datetime | None = None, mark: str = ""
) -> HttpBody:
    """The file. `what` it holds begins its name; `made` is when, now where it is not given; `mark` (lower-case letters,
    digits, hyphens) tells it from others, by chance where it is not given."""
    local = (made or datetime.now(UTC)).astimezone(ZoneInfo(call.access.time_zone))
    name = f"{what}-{local:%Y%m%d-%H%M%S}-{mark or secrets.token_hex(_MARK // 2)}"
    body = HttpBody(content_type=content_type, data=data)
    ending = _ENDINGS.get(content_type.partition(";")[0], "bin")
    body.extensions.add().Pack(FileName(name=f"{name}.{ending}"))
    return body


def mark_of(record_id: str, part: int) -> str:
    """The mark of what is kept under an id, or of one of its parts, from 1: the same each time it is asked for."""
    return record_id[-_MARK:] + (f"-part{part}" if part else "")
