"""What the records that tasks and entries of the inbox are about are called, and who is told that.

Both keep a copy of it. It obeys the rules of the fields it comes from, as its reader has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_kit import field_access
from crm_kit.rpc import Call

SOURCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "customer": [("customer", "name")],
    "contact": [("contact", "name")],
    "opportunity": [("opportunity", "title")],
    "service_request": [("service_request", "summary")],
    "task": [("task", "title")],
    "care_item": [("contact", "name"), ("customer", "name")],
}
"""By record type, the (record type, field) that its title is taken from; a person's name or the company's, for care."""

COPIES = list(dict.fromkeys(source for some in SOURCES.values() for source in some))


def obey_rules(call: Call, messages: Sequence[Any]) -> None:
    """Show `record_title` of each message as the caller sees the field that it was taken from; as the strictest rule of
    all such fields says where the record type was not asked for."""
    for message in messages:
        for kind, field in SOURCES.get(message.record_type, ()) if message.record_type else COPIES:
            message.record_title = field_access.shown(call.access.fields(kind), field, message.record_title)
