"""What customers are compared by, and in which readings some are found, made for those that were there before."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, Uuid, bindparam, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit import jobs, sealing
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import blind, rows, sql
from crm_records.record import Record
from customer import pinyin
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS, find_again
from customer.duplicates import keeping

DERIVE = "duplicates.derive"
ROWS = 500
_NONE = "00000000-0000-0000-0000-000000000000"


def seed(call: Call) -> None:
    """After a migration: derive once for everybody that is there, and again when the way to do it changed."""
    if call.connection.scalar(select(CUSTOMERS.table.c.id).limit(1)) is not None:
        jobs.start(call, DERIVE, "customer", {}, key=f"{DERIVE} {keeping.VERSION}")


def derive(call: Call, job: Job) -> Step:
    """The next customers, then the next contacts."""
    position = job.position or ["customer", _NONE]
    record = CUSTOMERS if position[0] == "customer" else CONTACTS
    found = _next(call, record, position[1])
    if not found:
        return Step(position=["contact", _NONE]) if record is CUSTOMERS else Step()
    if record is CUSTOMERS:
        keeping.put(call, [row for row in found if keeping.is_compared(row)])
        for row in found:
            if any(word in row["name"] for word in pinyin.MISREAD):
                find_again(call, row["id"])
    _index_again(call, record, [row for row in found if row["email"]])
    return Step(position=[position[0], found[-1]["id"]], done=len(found))


def _next(call: Call, record: Record, after: str) -> list[dict[str, Any]]:
    """Locked, so that nobody changes a name that is being derived from."""
    encrypted = [n for n, f in record.stored.items() if f.encrypted]
    names = ("id", "delete_time", *(keeping.MADE_OF if record is CUSTOMERS else ()), *encrypted)
    c = record.table.c
    query = select(*(c[n] for n in names)).where(c.id > bindparam("after", type_=Uuid(as_uuid=False)))
    query = query.order_by(c.id).limit(ROWS).with_for_update(key_share=True)
    found = sql.prepare(query).run(call.connection, {"after": after}).fetchall()
    opened = (rows.opened(call.connection, record, names, values) for values in found)
    return [dict(zip(names, values, strict=True)) for values in opened]


def _index_again(call: Call, record: Record, found: list[dict[str, Any]]) -> None:
    """Addresses are found by their domain, too, since what duplicates are is looked for."""
    if not found:
        return
    ring, index, table = sealing.of(call.connection), blind.of(record.table), record.table
    changed = update(table).where(table.c.id == bindparam("row", type_=table.c.id.type))
    statement = sql.prepare(changed.values(blind_index=bindparam("tokens", type_=ARRAY(Text))))
    statement.run_many(
        call.connection, [{"row": row["id"], "tokens": index.tokens(ring, call.connection, row)} for row in found]
    )
