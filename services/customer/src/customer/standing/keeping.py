"""Keeping results: what was computed, what counts, how it changed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert

from crm_kit import errors, ids
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import sql, writing
from customer.customers import CUSTOMERS
from customer.standing.bunch import Bunch
from customer.standing.computing import Apply, Computation, Result
from customer.standing.tables import history, overruling
from customer.standing.tables import result as results

log = logging.getLogger(__name__)

_KEPT = ("value", "since_date", "rule_id", "rule_version", "reasons")
_values = {n: bindparam(n, type_=results.c[n].type) for n in ("customer_id", "topic", *_KEPT)}
_insert = insert(results).values(_values)
_KEEP = sql.prepare(
    _insert.on_conflict_do_update(index_elements=["customer_id", "topic"], set_={n: _insert.excluded[n] for n in _KEPT})
)
_LOGGED = (
    *("id", "customer_id", "topic", "from_value", "to_value", "date", "action"),
    *("rule_id", "rule_version", "reasons", "note", "user_id", "user_name"),
)
_LOG = sql.prepare(plain_insert(history).values({n: bindparam(n, type_=history.c[n].type) for n in _LOGGED}))


def keep(bunch: Bunch, computation: Computation, computed: Sequence[Result], today: date) -> None:
    """Store what differs from the last time; let new values count where nobody said something else."""
    parts: dict[str, list[Result]] = {}
    for one in computed:
        parts.setdefault(one.part, []).append(one)
    for part, these in parts.items():
        _keep(bunch, computation, f"{computation.topic}.{part}" if part else computation.topic, these, today)


def _keep(bunch: Bunch, computation: Computation, topic: str, computed: Sequence[Result], today: date) -> None:
    call = bunch.call
    ids_of = [r.customer_id for r in computed]
    query = select(results).where(one_of(results.c.customer_id, ids_of), results.c.topic == topic)
    before = {row.customer_id: row for row in call.connection.execute(query)}
    said = overruled(call, topic, ids_of)
    shown = {c.id: getattr(c, computation.field) if computation.field else None for c in bunch.customers}
    stored, logged = [], []
    for one in computed:
        old = before.get(one.customer_id)
        if old is not None and _same(old, one):
            continue
        changed = old is None or old.value != one.value
        if changed and one.customer_id not in said:
            was = shown[one.customer_id] or (old.value if old is not None else None)
            if was != one.value:
                if computation.apply is not None and not computation.apply(call, one.customer_id, one.value, today):
                    continue
                logged.append(entry(topic, one, was, one.value, today, "computed"))
        stored.append(_row(topic, one, today if old is None or changed else old.since_date))
    _KEEP.run_many(call.connection, stored)
    _LOG.run_many(call.connection, logged)


def overruled(call: Call, topic: str, customer_ids: Sequence[str]) -> dict[str, Any]:
    """What people say instead, by customer."""
    query = select(overruling).where(
        one_of(overruling.c.customer_id, list(customer_ids)),
        overruling.c.topic == topic,
        overruling.c.end_time.is_(None),
    )
    return {row.customer_id: row for row in call.connection.execute(query)}


def entry(
    topic: str, of: Result, was: str | None, to: str | None, today: date, action: str, **by: Any
) -> dict[str, Any]:
    """A line of the history; `by` names a person and the note."""
    return {
        **dict.fromkeys(("note", "user_id", "user_name")),
        "id": ids.uuid7(),
        "topic": topic,
        "customer_id": of.customer_id,
        "from_value": was,
        "to_value": to,
        "date": today,
        "action": action,
        "rule_id": of.rule_id,
        "rule_version": of.rule_version,
        "reasons": Jsonb(of.reasons),
        **by,
    }


def log_entries(call: Call, entries: Sequence[dict[str, Any]]) -> None:
    """Add lines to the history."""
    _LOG.run_many(call.connection, entries)


def column(name: str, event: str, since: str = "") -> Apply:
    """Let a value count by writing it into a field of the customer, as an act of its own called `event`."""

    def apply(call: Call, customer_id: str, value: str, today: date) -> bool:
        def change(before: Any) -> dict[str, Any]:
            if before[name] == value:
                return {}
            return {name: value, since: today} if since else {name: value}

        try:
            writing.write(call, CUSTOMERS, customer_id, None, event, change)
        except errors.Invalid as refusal:
            # Nothing is stored yet when a value is refused: a code was retired, for example.
            log.warning("%s of customer %s cannot become %s: %s", name, customer_id, value, refusal.message("en"))
            return False
        return True

    return apply


def _same(old: Any, new: Result) -> bool:
    return (old.value, old.rule_id, old.rule_version, old.reasons) == (
        new.value,
        new.rule_id,
        new.rule_version,
        new.reasons,
    )


def _row(topic: str, of: Result, since: date) -> dict[str, Any]:
    return {
        "customer_id": of.customer_id,
        "topic": topic,
        "value": of.value,
        "since_date": since,
        "rule_id": of.rule_id,
        "rule_version": of.rule_version,
        "reasons": Jsonb(of.reasons),
    }
