"""What several nouns of this service share: the caller's day, a document's currency, the one default."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select, text

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import changes, sql, storing
from crm_records.record import Record, Row

errors.texts(
    {
        "default_needed": (
            "必须有一个默认的{what}，请先将另一个设为默认",
            "There must be a default {what}: make another one the default first",
        )
    }
)

CURRENCY = "CNY"
_ISO_4217 = re.compile(r"[A-Z]{3}")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:what))")


def today(call: Call) -> date:
    """The day where the caller is."""
    return datetime.now(ZoneInfo(call.access.time_zone)).date()


def set_currency(record: Record, row: Row) -> None:
    """Three letters; the company's own currency when none is given."""
    row["currency"] = (row["currency"] or CURRENCY).upper()
    if not _ISO_4217.fullmatch(row["currency"]):
        raise errors.Invalid(Problem("currency", "bad_format", {"label": record.fields["currency"].label}))


def in_turn(call: Call, what: str) -> None:
    """One writer at a time until the transaction ends, for rules that concern several rows."""
    call.connection.execute(_LOCK, {"what": what})


def keep_one_default(call: Call, record: Record, row: Row, before: Row | None) -> None:
    """Exactly one row of the record type is the default: setting it takes the mark from the other."""
    was = before is not None and before["default"]
    if was and not row["default"]:
        raise errors.Invalid(Problem("default", "default_needed", {"what": record.label}))
    if row["default"] and not was:
        in_turn(call, record.type)
        for values in _marked(record).run(call.connection, {"id": row["id"]}).fetchall():
            other = storing.as_row(call, record, values)
            unmarked = {**other, "default": False}
            storing.store(call, record, other, unmarked)
            changes.tell(call, record, "updated", [(other, unmarked)], unmarked["update_time"])


def refuse_deleting_default(record: Record, row: Row) -> None:
    """The default stays until another one takes over."""
    if row["default"]:
        raise errors.Conflict("default_needed", what=record.label)


_statements: dict[Record, sql.Prepared] = {}


def _marked(record: Record) -> sql.Prepared:
    if record not in _statements:
        table = record.table
        others = table.c.id != bindparam("id", type_=table.c.id.type)
        query = select(table).where(table.c.default, table.c.delete_time.is_(None), others).with_for_update()
        _statements[record] = sql.prepare(query)
    return _statements[record]
