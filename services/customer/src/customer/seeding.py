"""Records that a new installation starts with."""

from __future__ import annotations

from google.protobuf.message import Message
from sqlalchemy import select

from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record


def create_once(call: Call, record: Record, record_id: str, message: Message) -> None:
    """Its id is fixed, so it is known however often this runs, even from the recycle bin."""
    if not call.connection.scalar(select(record.table.c.id).where(record.table.c.id == record_id)):
        writing.create(call, record, message, id=record_id)
