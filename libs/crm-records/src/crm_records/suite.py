"""What the contract says of record types, those of other services too."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from crm import rule_pb2
from crm_protos import DESCRIPTORS


@cache
def record_types() -> tuple[rule_pb2.Record, ...]:
    """Every record type of the suite."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    kind = cast(Any, rule_pb2.record)
    told = [cast(rule_pb2.Record, m.options.Extensions[kind]) for file in files for m in file.message_type]
    return tuple(record for record in told if record.type)
