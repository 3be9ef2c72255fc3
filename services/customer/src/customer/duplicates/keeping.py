"""What a customer is compared by, kept with the customer: made in the transaction that writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Text, bindparam, delete, func
from sqlalchemy.dialects.postgresql import insert

from crm_kit.rpc import Call
from crm_records import sql
from crm_records.erasing import NOBODY
from crm_records.record import Row
from customer import names
from customer.duplicates import hard_keys, keys
from customer.duplicates.tables import likeness
from customer.names import Parts

MADE_OF = ("name", "short_name", "kind", "website")
"""Fields that it is derived from."""
VERSION = 1
"""Goes up when names are taken apart in another way: everything there is derived again."""

_COLUMNS = tuple(likeness.c.keys())
_values: dict[str, Any] = {n: bindparam(n, type_=likeness.c[n].type) for n in _COLUMNS}
# One text, taken apart by the database: the driver takes four times as long over a list.
_values["keys"] = func.string_to_array(bindparam("keys", type_=Text), "\n")
_statement = insert(likeness).values(_values)
_PUT = sql.prepare(
    _statement.on_conflict_do_update(
        index_elements=["record_id"], set_={n: _statement.excluded[n] for n in _COLUMNS if n != "record_id"}
    )
)
_DROP = sql.prepare(
    delete(likeness).where(likeness.c.record_id == bindparam("record_id", type_=likeness.c.record_id.type))
)


def written(call: Call, row: Row, before: Row | None) -> None:
    """Keep up with a customer that was written. ALREADY_EXISTS where a key that only one may have is taken."""
    hard_keys.take(call, row, before)
    if not is_compared(row):
        _DROP.run(call.connection, {"record_id": row["id"]})
    elif before is None or before["delete_time"] is not None or any(row[n] != before[n] for n in MADE_OF):
        put(call, [row])


def is_compared(row: Mapping[str, Any]) -> bool:
    """Whether a customer is one that may be meant: not in the recycle bin, not erased."""
    return row["delete_time"] is None and row["name"] != NOBODY


def put(call: Call, rows: Iterable[Mapping[str, Any]]) -> None:
    """Derive it for customers, of whom id and `MADE_OF` are known."""
    derived = [{**one, "keys": "\n".join(one["keys"])} for one in (of("customer", row) for row in rows)]
    if derived:
        _PUT.run_many(call.connection, derived)


def of(record_type: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `likeness` for a record with a name; other sources than customers give what they have."""
    parts, short = apart(row["name"], row["kind"]), apart(row["short_name"] or "", row["kind"])
    domain = keys.domain_of(row["website"] or "")
    return {
        "record_id": row["id"],
        "record_type": record_type,
        "kind": row["kind"] or "organization",
        "full_name": parts.full,
        "core": parts.core,
        "province": parts.province,
        "city": parts.city,
        "trade": parts.trade,
        "form": parts.form,
        "branch": parts.branch,
        "short_core": short.core,
        "domain": domain,
        "keys": keys.of(parts, short if short.core else None, domain),
    }


def apart(name: str, kind: str | None) -> Parts:
    """A company's name taken apart; a person's is one piece."""
    return names.take_apart(name) if kind != "individual" else Parts(full=names.key(name), core=names.key(name))
