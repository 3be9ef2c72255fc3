"""What the contract says of all services together: whose records are whose, which of them are persons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from crm import rule_pb2
from crm_kit.settings import SERVICES
from crm_protos import DESCRIPTORS


@cache
def owned_types() -> dict[str, str]:
    """Record types that belong to somebody → the service that owns them."""
    return {
        record.type: service
        for service, record, message in _records()
        if any(f.name == "owner_id" for f in message.field)
    }


@cache
def person_types() -> dict[str, str]:
    """Record types that are natural persons → the service that owns them."""
    return {record.type: service for service, record, _ in _records() if record.person}


@cache
def services_with_records() -> tuple[str, ...]:
    """The services that have records of their own."""
    return tuple(sorted({service for service, _, _ in _records()}))


def _records() -> Iterator[tuple[str, rule_pb2.Record, DescriptorProto]]:
    by_package = {f"crm.{name.replace('-', '_')}.v1": name for name in SERVICES}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        for message in file.message_type:
            record = cast(rule_pb2.Record, message.options.Extensions[cast(Any, rule_pb2.record)])
            if record.type and file.package in by_package:
                yield by_package[file.package], record, message
