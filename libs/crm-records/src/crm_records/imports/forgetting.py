"""A person is erased: what rows of files said of the records goes, too."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from crm_kit import sealing
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records.imports.tables import import_row
from crm_records.record import Record, Row


def forget(call: Call, record: Record, erased: Sequence[Row]) -> None:
    """Empty the rows that became these records or brought them along, and what they changed."""
    record_ids = [e["id"] for e in erased]
    if record.parent is not None and any(c.type == record.type for c in record.parent[1].companions):
        record_ids += [e[record.parent[0]] for e in erased]
    row = import_row.c
    these = select(row.import_id, row.row).where(one_of(row.record_id, record_ids))
    for found in call.connection.execute(these).all():
        place = sealing.place(import_row.name, "cells", found.import_id, found.row)
        empty = sealing.of(call.connection).seal(call.connection, place, b"[]")
        mine = (row.import_id == found.import_id, row.row == found.row)
        call.connection.execute(update(import_row).where(*mine).values(cells=empty, result=None))
