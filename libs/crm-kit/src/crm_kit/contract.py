"""The contract as it is generated: its services, and its options: rule of an RPC, rule of a field, kind of a record."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, cast

from google.api import annotations_pb2, field_behavior_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import ServiceDescriptor

from crm import rule_pb2

Descriptor = Any
"""A descriptor of whichever implementation protobuf runs on; their stubs do not agree on a type."""


def services(package: str) -> dict[str, ServiceDescriptor]:
    """The services of a package of the contract, by their short name."""
    home = importlib.import_module(package)
    names = sorted(m.name for m in pkgutil.iter_modules(home.__path__) if m.name.endswith("_pb2"))
    files = [importlib.import_module(f"{package}.{name}").DESCRIPTOR for name in names]
    return {s.name: s for file in files for s in file.services_by_name.values()}


def rule(method: Descriptor) -> rule_pb2.Rule:
    """Who may call an RPC and what it announces."""
    return cast(rule_pb2.Rule, method.GetOptions().Extensions[cast(Any, rule_pb2.rule)])


def http(method: Descriptor) -> HttpRule:
    """The HTTP mapping of an RPC."""
    return cast(HttpRule, method.GetOptions().Extensions[cast(Any, annotations_pb2.http)])


def only_reads(method: Descriptor) -> bool:
    """Whether an RPC changes nothing: it is a GET, or says so."""
    return rule(method).read_only or http(method).HasField("get")


def field(descriptor: Descriptor) -> rule_pb2.Field:
    """How a field is called and checked."""
    return cast(rule_pb2.Field, descriptor.GetOptions().Extensions[cast(Any, rule_pb2.field)])


def behaviour(descriptor: Descriptor) -> list[int]:
    """REQUIRED, OUTPUT_ONLY, IMMUTABLE."""
    return list(descriptor.GetOptions().Extensions[cast(Any, field_behavior_pb2.field_behavior)])


def secrets(message: Descriptor) -> list[str]:
    """Fields of an answer that hold a secret or messages with one, where none of it is of a record."""
    if record(message).type:
        return []
    parts = {f.name: f.message_type for f in message.fields if f.message_type is not None}
    crm = {n: part for n, part in parts.items() if part.full_name.startswith("crm.") and part is not message}
    return [f.name for f in message.fields if field(f).sensitive or (f.name in crm and secrets(crm[f.name]))]


def holds_record(message: Descriptor) -> bool:
    """Whether an answer tells of a record beside what else it tells."""
    return any(f.message_type is not None and record(f.message_type).type for f in message.fields)


def record(descriptor: Descriptor) -> rule_pb2.Record:
    """The kind of record that a message is."""
    return cast(rule_pb2.Record, descriptor.GetOptions().Extensions[cast(Any, rule_pb2.record)])
