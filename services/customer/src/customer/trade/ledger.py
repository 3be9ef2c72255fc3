"""The one way into the trade ledger, and the sums that every entry keeps in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Date, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import trade_pb2 as pb
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import changes, sql, storing, validation, writing
from crm_records.record import Row
from customer.clock import first_of_month
from customer.standing import marks
from customer.tables import customer
from customer.trade.tables import trade_entry, trade_month

FIGURES = ("order_amount", "order_count", "receipt_amount", "receipt_count")


def put(
    call: Call, source_type: str, source_id: str, version: int, message: pb.TradeEntry | None
) -> pb.TradeEntry | None:
    """Let the ledger say what a source says: one entry for a source, in the order of the source's versions.

    A version that is not newer than the one that is there changes nothing, so the same may come twice. Without a
    message the source is gone, and so is its entry. The entry as it stands is returned; None where there is none.
    """
    from customer.trade.entries import IN_STEP, MANUAL, TRADE_ENTRIES

    call.memo[IN_STEP] = source_type != MANUAL
    of_source = (trade_entry.c.source_type == source_type) & (trade_entry.c.source_id == source_id)
    found = sql.prepare(select(trade_entry).where(of_source).with_for_update()).run(call.connection).fetchone()
    if found is not None:
        row = _follow(call, storing.as_row(call, TRADE_ENTRIES, found), version, message)
        return None if row["delete_time"] else writing.answer(call, TRADE_ENTRIES, row)
    if message is None:
        return None
    source: Any = {"source_type": source_type, "source_id": source_id, "source_version": version}
    made: pb.TradeEntry = writing.create(call, TRADE_ENTRIES, message, **source)
    return made


def _follow(call: Call, before: Row, version: int, message: pb.TradeEntry | None) -> Row:
    """An entry that is there becomes what a newer version of its source says."""
    from customer.trade.entries import TRADE_ENTRIES as RECORD

    if version <= before["source_version"]:
        return before
    after, action = {**before, "source_version": version}, "deleted"
    if message is None:
        after["delete_time"] = before["delete_time"] or datetime.now(UTC)
    else:
        problems: list[Any] = []
        values = validation.row_values(message, sorted(RECORD.writable), RECORD.fields, problems)
        after.update(values, delete_time=None)
        writing.refuse(problems)
        action = "updated" if before["delete_time"] is None else "restored"
        writing.check(call, RECORD, after, before)
    storing.store(call, RECORD, before, after)
    RECORD.written_many(call, [(before, after)])
    changes.tell(call, RECORD, action, [(before, after)], after["update_time"])
    return after


_LOCK = sql.prepare(
    select(customer.c.first_order_date, customer.c.last_order_date)
    .where(customer.c.id == bindparam("customer_id", type_=customer.c.id.type))
    .with_for_update(key_share=True)
)
_NEW = {n: bindparam(n, type_=trade_month.c[n].type) for n in ("customer_id", "month", *FIGURES)}
_UPSERT = insert(trade_month).values(**_NEW)
_ADD = sql.prepare(
    _UPSERT.on_conflict_do_update(
        index_elements=["customer_id", "month"], set_={n: trade_month.c[n] + _UPSERT.excluded[n] for n in FIGURES}
    )
)
_DATES = sql.prepare(
    update(customer)
    .where(customer.c.id == bindparam("customer_id", type_=customer.c.id.type))
    .values(first_order_date=bindparam("first", type_=Date), last_order_date=bindparam("last", type_=Date))
)
_COUNTED = (trade_entry.c.kind == "order") & (trade_entry.c.amount > 0) & trade_entry.c.delete_time.is_(None)
_ENDS = sql.prepare(
    select(func.min(trade_entry.c.date), func.max(trade_entry.c.date)).where(
        trade_entry.c.customer_id == bindparam("customer_id", type_=customer.c.id.type), _COUNTED
    )
)


def count(connection: Connection, before: Row | None, after: Row) -> None:
    """The sums follow an entry that was stored. The customer's row is locked first, so its writers take turns."""
    if before is not None and before["customer_id"] != after["customer_id"]:
        count(connection, before, {**before, "delete_time": datetime.now(UTC)})
        before = None
    customer_id = after["customer_id"]
    locked = _LOCK.run(connection, {"customer_id": customer_id}).fetchone()
    if locked is None:
        return
    months: dict[date, list[Any]] = {}
    for row, sign in ((before, -1), (after, 1)):
        if row is not None and row["delete_time"] is None:
            added = months.setdefault(first_of_month(row["date"]), [Decimal(0), 0, Decimal(0), 0])
            place = 0 if row["kind"] == "order" else 2
            added[place] += sign * row["base_amount"]
            added[place + 1] += sign * (1 if row["amount"] > 0 else 0)
    rows = [
        {"customer_id": customer_id, "month": m, **dict(zip(FIGURES, added, strict=True))}
        for m, added in months.items()
    ]
    _ADD.run_many(connection, sorted(rows, key=lambda r: r["month"]))
    ends = _ends(connection, locked, before, after)
    if ends != tuple(locked):
        _DATES.run(connection, {"customer_id": customer_id, "first": ends[0], "last": ends[1]})
    marks.mark(connection, [customer_id])


def _ends(connection: Connection, now: Sequence[Any], before: Row | None, after: Row) -> tuple[Any, Any]:
    """The first and the last day of an order. A new entry needs no look at the others."""
    if before is not None:
        first, last = _ENDS.run(connection, {"customer_id": after["customer_id"]}).fetchone() or (None, None)
        return first, last
    first, last = now
    if after["kind"] != "order" or after["amount"] <= 0 or after["delete_time"] is not None:
        return first, last
    day = after["date"]
    return (day if first is None else min(first, day)), (day if last is None else max(last, day))


def recount(connection: Connection, customer_ids: Sequence[str]) -> None:
    """Make the sums of these customers anew from their entries: after entries were moved from one to another."""
    ids = sorted(customer_ids)
    held = select(customer.c.id).where(one_of(customer.c.id, ids)).order_by(customer.c.id)
    connection.execute(held.with_for_update(key_share=True)).all()
    connection.execute(delete(trade_month).where(one_of(trade_month.c.customer_id, ids)))
    e, amount = trade_entry.c, trade_entry.c.base_amount
    month = func.date_trunc("month", e.date).cast(Date)
    order, receipt = e.kind == "order", e.kind == "receipt"
    sums = [
        func.coalesce(func.sum(amount).filter(order), 0),
        func.count().filter(order, amount > 0),
        func.coalesce(func.sum(amount).filter(receipt), 0),
        func.count().filter(receipt, amount > 0),
    ]
    living = select(e.customer_id, month, *sums).where(one_of(e.customer_id, ids), e.delete_time.is_(None))
    connection.execute(
        insert(trade_month).from_select(["customer_id", "month", *FIGURES], living.group_by(e.customer_id, month))
    )
    for customer_id in ids:
        first, last = _ENDS.run(connection, {"customer_id": customer_id}).fetchone() or (None, None)
        _DATES.run(connection, {"customer_id": customer_id, "first": first, "last": last})
    marks.mark(connection, ids)
