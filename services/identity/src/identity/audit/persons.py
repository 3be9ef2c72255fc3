"""What the trail does not keep of natural persons: nobody can take a value out of a chain of hashes later.

The contract says which records are persons and which fields tell of one. Their values never enter the trail: that a
field changed does, and the service that has the record keeps the values in its change log, where an erasure reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, cast

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from crm import rule_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit.field_names import camel
from crm_protos import DESCRIPTORS

STARS = "***"
Change = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the contract says of a record type."""

    person: str
    """`*`, a field with its value, or nothing where the record may be about a person without being one."""
    fields: frozenset[str]
    """Which tell of a person, as JSON calls them."""
    module: str
    message: str


@cache
def _kinds() -> dict[str, _Kind]:
    found = {}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        module = file.name.removesuffix(".proto").replace("/", ".") + "_pb2"
        for message in file.message_type:
            said = cast(rule_pb2.Record, message.options.Extensions[cast(Any, rule_pb2.record)])
            if said.personal:
                fields = frozenset(camel(name) for name in said.personal)
                found[said.type] = _Kind(said.person, fields, module, message.name)
    return found


@cache
def _message(kind: _Kind) -> Any:
    return getattr(import_module(kind.module), kind.message)


def without_values(event: Event, changes: list[Change]) -> list[Change]:
    """The changes of an event, the values of what tells of a person as `***`; none stays none.

    Of records that are persons only where a field says so, those of others stay. What belongs to a person or is about
    one (a demand, a task) does not say so itself: it is taken as such.
    """
    kind = _kinds().get(event.record_type)
    if kind is None:
        return changes
    telling = [change["field"].partition(".")[0] in kind.fields for change in changes]
    if not any(telling) or not _may_be(kind, event, changes):
        return changes
    return [hidden(change) if tells else change for change, tells in zip(changes, telling, strict=True)]


def _may_be(kind: _Kind, event: Event, changes: list[Change]) -> bool:
    """Whether the record is or was a person, as far as the event tells; it may be where it does not."""
    field, _, value = kind.person.partition("=")
    if not value:
        return True
    record = _message(kind)()
    if not event.record.Unpack(record):
        return True
    name = camel(field)
    was = [change.get("before") for change in changes if change["field"] == name]
    return value in (getattr(record, field), *was)


def hidden(change: Change) -> Change:
    """A change whose values are not told; that there was none is."""
    return {n: v if n == "field" or v is None else STARS for n, v in change.items()}
