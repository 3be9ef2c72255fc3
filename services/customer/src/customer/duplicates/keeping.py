"""What a customer is compared by, kept with the customer: made in the transaction that writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, delete

from crm_kit.inserting import Insertion
from crm_kit.rpc import Call
from crm_records import sql
from crm_records.erasing import NOBODY
from crm_records.record import Row
from crm_records.rows import array
from customer import names
from customer.duplicates import hard_keys, keys
from customer.duplicates.tables import likeness
from customer.names import Parts

MADE_OF = ("name", "short_name", "kind", "website")
"""Fields that it is derived from."""
VERSION = 2
"""Goes up when names are taken apart in another way: everything there is derived again."""

_FORESEEN = "customers to compare"
_INSERT = Insertion(likeness, likeness.c.keys())
_DROP = sql.prepare(
    delete(likeness).where(likeness.c.record_id == any_(bindparam("ids", type_=ARRAY(likeness.c.record_id.type))))
)


def written(call: Call, pairs: Sequence[tuple[Row | None, Row]]) -> None:
    """Keep up with customers that were written, as (before, after). ALREADY_EXISTS where a key that only one may have
    is taken."""
    for before, after in pairs:
        hard_keys.take(call, after, before)
    differs = [(before, after) for before, after in pairs if before is None or _differs(before, after)]
    _drop(call, [after["id"] for before, after in differs if before is not None])
    _add(call, [after for _, after in differs if is_compared(after)])


def _differs(before: Row, after: Row) -> bool:
    """Whether a change makes a customer another one to compare with, or comes from the recycle bin or goes there."""
    return any(row["delete_time"] is not None for row in (before, after)) or any(after[n] != before[n] for n in MADE_OF)


def is_compared(row: Mapping[str, Any]) -> bool:
    """Whether a customer is one that may be meant: not in the recycle bin, not erased."""
    return row["delete_time"] is None and row["name"] != NOBODY


def put(call: Call, rows: Sequence[Mapping[str, Any]]) -> None:
    """Derive it anew for customers, of whom id and `MADE_OF` are known."""
    _drop(call, [row["id"] for row in rows])
    _add(call, rows)


def _drop(call: Call, customer_ids: Sequence[str]) -> None:
    if customer_ids:
        _DROP.run(call.connection, {"ids": list(customer_ids)})


def foresee(call: Call, rows: Sequence[Row]) -> None:
    """Derive it for customers that are about to be written."""
    call.memo[_FORESEEN] = {row["id"]: _derived(row) for row in rows}


def _add(call: Call, rows: Iterable[Mapping[str, Any]]) -> None:
    foreseen = call.memo.pop(_FORESEEN, {})
    _INSERT.run(call.connection, [foreseen.get(row["id"]) or _derived(row) for row in rows])


def _derived(row: Mapping[str, Any]) -> dict[str, Any]:
    one = of("customer", row)
    return {**one, "keys": array(one["keys"])}


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
