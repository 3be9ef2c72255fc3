"""The events of a batch, looked at one by one. Bad ones are told by their place, good ones become rows.

Written out by hand instead of through the general checks: thousands of events come in a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from crm.customer.v1 import behaviour_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_records import dictionaries, validation
from crm_records import fields as kinds
from crm_records.plain_text import cleaned

FIELDS = kinds.of(pb.BehaviourEvent.DESCRIPTOR)
PROPERTIES = 20
"""Properties of an event at most."""
_LONGEST_VALUE = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_TEXTS = ("event_id", "visitor", "external_id", "subject")
_LIMITS = {name: FIELDS[name].max_length for name in _TEXTS}

errors.texts(
    {
        "behaviour_too_old": ("早于保留期限，不再接收", "It is older than what is kept"),
        "behaviour_ahead": ("时间在未来", "It lies in the future"),
        "behaviour_of_nobody": (
            "须给出访客、客户或联系人之一",
            "It names neither visitor nor customer nor contact",
        ),
        "bad_property": (
            "属性“{name}”无效：名称以字母开头，最多 40 个字符；值最多 200 个字符",
            "The property “{name}” is not valid: a name begins with a letter and has up to 40 characters, a value 200",
        ),
    }
)


@dataclass(slots=True)
class Event:
    """One event that is good as far as it can be seen by itself."""

    index: int
    event_id: str
    micros: int
    """Microseconds since 1970."""
    kind: str
    visitor: str | None
    customer_id: str | None
    external_id: str | None
    contact_id: str | None
    subject: str | None
    amount: str | None
    properties: str | None


@dataclass(slots=True)
class Batch:
    """What is to be stored, by event id, and what is not."""

    events: dict[str, Event] = field(default_factory=dict)
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the events of a batch."""

    entries: Mapping[str, Any]
    """The dictionary of kinds."""
    first: int
    """Microseconds of the earliest time that is taken."""
    end: int
    """Of the first that is not taken any more."""


def rules(entries: Mapping[str, Any], bounds: tuple[datetime, datetime]) -> Rules:
    """The rules of a batch that comes in now."""
    first, end = (round(t.timestamp() * 1_000_000) for t in bounds)
    return Rules(entries, first, end)


def look(events: Iterable[Any], by: Rules) -> Batch:
    """Sort a batch out. An event that is there twice counts once; the first is taken."""
    batch = Batch()
    for index, event in enumerate(events):
        found = _event(index, event, by)
        if isinstance(found, Problem):
            batch.problems.append((index, found))
        elif found.event_id in batch.events:
            batch.duplicates += 1
        else:
            batch.events[found.event_id] = found
    return batch


def problem(name: str, key: str, /, **params: Any) -> Problem:
    """What is wrong with a field of an event."""
    described = FIELDS[name]
    return Problem(described.json_name, key, {"label": described.label, **params})


def _event(index: int, event: Any, by: Rules) -> Event | Problem:
    # As every text is kept: an identity that is said of a visitor is of the same key.
    event_id, visitor = cleaned(event.event_id), cleaned(event.visitor)
    external_id, subject = cleaned(event.external_id), cleaned(event.subject)
    if not event_id:
        return problem("event_id", "required")
    if len(event_id) > 100 or len(visitor) > 200 or len(external_id) > 200 or len(subject) > 300:
        return _too_long(event)
    if _CONTROL.search(event_id + visitor + external_id + subject):
        return _control(event)
    time = event.time
    micros = time.seconds * 1_000_000 + time.nanos // 1000
    if not by.first <= micros < by.end:
        return _wrong_time(event, micros, by)
    kind = event.kind
    entry = by.entries.get(kind)
    if entry is None or entry.retired:
        return _wrong_kind(kind, by.entries)
    customer_id, contact_id = event.customer_id, event.contact_id
    if not (visitor or customer_id or contact_id or external_id):
        return problem("visitor", "behaviour_of_nobody")
    if customer_id and not kinds.is_id(customer_id):
        return problem("customer_id", "bad_format")
    if contact_id and not kinds.is_id(contact_id):
        return problem("contact_id", "bad_format")
    amount, properties = event.amount, None
    if amount and (wrong := _wrong_amount(amount)):
        return wrong
    if event.properties:
        given = {key: cleaned(value) for key, value in event.properties.items()}
        if wrong := _wrong_properties(given):
            return wrong
        properties = orjson.dumps(given).decode()
    return Event(
        index,
        event_id,
        micros,
        kind,
        visitor or None,
        customer_id or None,
        external_id or None,
        contact_id or None,
        subject or None,
        amount or None,
        properties,
    )


def _too_long(event: Any) -> Problem:
    name = next(n for n in _TEXTS if len(cleaned(getattr(event, n))) > _LIMITS[n])
    return problem(name, "too_long", limit=_LIMITS[name])


def _control(event: Any) -> Problem:
    name = next(n for n in _TEXTS if _CONTROL.search(cleaned(getattr(event, n))))
    return problem(name, "bad_control_character")


def _wrong_time(event: Any, micros: int, by: Rules) -> Problem:
    if not event.HasField("time"):
        return problem("time", "required")
    return problem("time", "behaviour_too_old" if micros < by.first else "behaviour_ahead")


def _wrong_kind(kind: str, known: Mapping[str, Any]) -> Problem:
    if not kind:
        return problem("kind", "required")
    return dictionaries.refusal("kind", FIELDS["kind"].label, kind, known)


def _wrong_amount(amount: str) -> Problem | None:
    value = validation.number(amount)
    if value is None:
        return problem("amount", "wrong_type", expected=("数字", "a number"))
    if value < 0:
        return problem("amount", "too_small", limit="0")
    if value >= 10**15:
        return problem("amount", "too_large", limit=str(10**15))
    return None if value == round(value, 2) else problem("amount", "too_many_decimals", limit=2)


def _wrong_properties(given: Mapping[str, str]) -> Problem | None:
    if len(given) > PROPERTIES:
        return problem("properties", "too_many", limit=PROPERTIES)
    for key, value in given.items():
        if not _KEY.fullmatch(key) or len(value) > _LONGEST_VALUE:
            return problem("properties", "bad_property", name=key[:60])
        if _CONTROL.search(value):
            return problem("properties", "bad_control_character")
    return None
