"""Where a page begins: the order of a list, and the place in it where the page before ended.

Pages are found by key, never by counting from the start: a page costs the same however deep it lies.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, and_, bindparam, literal_column, or_

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_records import fields as kinds
from crm_records import rows
from crm_records.record import Record

errors.texts(
    {"order_encrypted": ("{name}加密保存，不能用来排序", "{name} is kept encrypted: nothing can be sorted by it")}
)

DEFAULT_PAGE, LARGEST_PAGE = 20, 200


@dataclass(frozen=True, slots=True)
class Key:
    """One field of an order."""

    name: str
    descending: bool


def parse_order(record: Record, text: str, blind: frozenset[str] = frozenset()) -> tuple[Key, ...]:
    """`create_time desc, name` → keys; the id comes last so that the order is total. Nothing is sorted by `blind`."""
    keys: list[Key] = []
    by_json = {f.json_name: n for n, f in record.stored.items()}
    for part in (p.strip() for p in text.split(",") if p.strip()):
        name, _, direction = part.partition(" ")
        name = name if name in record.stored else by_json.get(name, "")
        direction = direction.strip().lower()
        sortable = (
            name
            and name not in blind
            and record.stored[name].kind not in (kinds.TEXTS, kinds.IDS, kinds.DATA, kinds.CUSTOM)
        )
        if not sortable or direction not in ("", "asc", "desc") or len(keys) == 3:
            raise errors.Invalid(key="bad_order", name=part[:60])
        if record.stored[name].encrypted:
            raise errors.Invalid(key="order_encrypted", name=record.stored[name].label)
        keys.append(Key(name, direction == "desc"))
    if not any(k.name == "id" for k in keys):
        keys.append(Key("id", keys[-1].descending if keys else True))
    return tuple(keys)


def behind(record: Record, order: tuple[Key, ...], nulls: tuple[bool, ...]) -> ColumnElement[bool]:
    """Rows that come after the cursor. PostgreSQL sorts NULL as larger than everything."""
    ways = []
    equal: list[ColumnElement[bool]] = []
    first: ColumnElement[bool] | None = None
    for i, (key, is_null) in enumerate(zip(order, nulls, strict=True)):
        column: Column[Any] = record.table.c[key.name]
        value = bindparam(f"cursor_{i}", type_=column.type)
        if is_null:
            beyond = column.is_not(None) if key.descending else literal_column("false")
            same: ColumnElement[bool] = column.is_(None)
        else:
            beyond = column < value if key.descending else column > value
            if not key.descending and column.nullable:
                beyond = or_(beyond, column.is_(None))
            same = column == value
        if i == 0 and not is_null and (key.descending or not column.nullable):
            # Said once more in a form that an index can start from.
            first = column <= value if key.descending else column >= value
        ways.append(and_(*equal, beyond))
        equal.append(same)
    behind = or_(*ways)
    return behind if first is None else and_(first, behind)


def hash_of(record: Record, request: pb.ListRequest) -> str:
    """What a query is, so that the token of a page is good for no other."""
    words = "\0".join([record.type, request.filter, request.order_by, request.search, str(request.deleted)])
    return hashlib.blake2b(words.encode(), digest_size=6).hexdigest()


def write_token(values: Sequence[Any], query_hash: str) -> str:
    """The token of a page that begins behind these values."""
    plain = [v if isinstance(v, (bool, int)) else rows.plain(v) for v in values]
    return base64.urlsafe_b64encode(orjson.dumps([query_hash, *plain])).decode().rstrip("=")


def read_token(token: str, query_hash: str, order: tuple[Key, ...], record: Record) -> tuple[Any, ...]:
    """The values behind which a page begins; a refusal if the token is none or of another query."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(found, list) or found[0] != query_hash or len(found) != len(order) + 1:
            raise ValueError
        return tuple(_cursor_value(v, record.stored[k.name].kind) for v, k in zip(found[1:], order, strict=True))
    except (ValueError, TypeError, IndexError, ArithmeticError):  # a decimal that is none, a time without end
        raise errors.Invalid(key="bad_page_token") from None


def _cursor_value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    match kind:
        case kinds.TIME:
            return datetime.fromisoformat(value).astimezone(UTC)
        case kinds.DECIMAL:
            return Decimal(value)
        case kinds.INTEGER:
            return int(value)
        case kinds.BOOLEAN:
            return bool(value)
        case kinds.ID if not kinds.is_id(value):
            raise ValueError(value)
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def page_size(request: Any) -> int:
    """How many rows a request asks for; INVALID_ARGUMENT where it is too many or less than none."""
    if not 0 <= request.page_size <= LARGEST_PAGE:
        label = ("每页条数", "Page size")
        key, limit = ("too_small", 0) if request.page_size < 0 else ("too_large", LARGEST_PAGE)
        raise errors.Invalid(errors.Problem("pageSize", key, {"label": label, "limit": limit}))
    return request.page_size or DEFAULT_PAGE
