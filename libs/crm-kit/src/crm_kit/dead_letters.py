"""Events that cannot be applied: kept with the reason, holding back what comes later of their record, tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm_kit import metrics
from crm_kit.db import one_of
from crm_kit.delivery import Delivery
from crm_kit.inbox_tables import dead_letter, inbox

log = logging.getLogger(__name__)

HandOver = Callable[[Connection, Sequence[tuple[str, Event]]], None]
"""Gives events, with their subjects, to whom they concern."""


def held(connection: Connection, record_ids: list[str]) -> set[str]:
    """Records with a buried event. One that is being retried is waited for, so that none is held without reason."""
    query = select(dead_letter.c.record_id).where(one_of(dead_letter.c.record_id, [_text(i) for i in record_ids]))
    return set(connection.scalars(query.with_for_update(read=True, key_share=True))) - {""}


def bury(connection: Connection, delivery: Delivery, event: Event, reason: str) -> None:
    """Keep an event that cannot be applied; once, however often it comes."""
    metrics.DEAD_LETTERS.inc()
    connection.execute(
        insert(dead_letter)
        .values(
            stream_seq=delivery.sequence,
            event_id=_id_of(event, delivery.payload),
            subject=_text(delivery.subject),
            record_id=_text(event.record_id),
            payload=delivery.payload,
            reason=_text(reason),
        )
        .on_conflict_do_nothing()
    )


def retry(engine: Engine, hand_over: HandOver) -> tuple[int, int]:
    """Apply buried events again, oldest first and also those buried meanwhile: (applied, still failing)."""
    applied = failing = last = 0
    failed_records: set[str] = set()
    while True:
        with engine.connect() as connection:
            query = select(dead_letter.c.id, dead_letter.c.record_id).where(dead_letter.c.id > last)
            row = connection.execute(query.order_by(dead_letter.c.id).limit(1)).one_or_none()
        if row is None:
            return applied, failing
        last = row.id
        if row.record_id in failed_records:
            failing += 1
            continue
        try:
            applied += _retry(engine, hand_over, row.id)
        except Exception:
            log.exception("dead letter %d still cannot be applied", row.id)
            failing += 1
            failed_records |= {row.record_id} - {""}


def _retry(engine: Engine, hand_over: HandOver, dead_letter_id: int) -> bool:
    with engine.begin() as connection:
        query = select(dead_letter).where(dead_letter.c.id == dead_letter_id).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            return False
        mark = insert(inbox).values(event_id=row.event_id).on_conflict_do_nothing().returning(inbox.c.event_id)
        if connection.scalar(mark):
            hand_over(connection, [(row.subject, Event.FromString(row.payload))])
        connection.execute(delete(dead_letter).where(dead_letter.c.id == dead_letter_id))
    metrics.DEAD_LETTERS.dec()
    return True


def parse(payload: bytes) -> Event:
    """The event, or an empty one where the bytes are none."""
    try:
        return Event.FromString(payload)
    except Exception:
        return Event()


def _id_of(event: Event, payload: bytes) -> str:
    """The id of an event, or one made of its bytes where it has none."""
    try:
        return str(UUID(event.id))
    except ValueError:
        return str(uuid5(NAMESPACE_OID, payload.hex()))


def _text(value: str) -> str:
    """What PostgreSQL can store of a text."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
