"""The fields of a record as the contract describes them: kind, label, limits. Read once from the descriptor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from crm import rule_pb2
from crm_kit import codec, contract
from crm_kit.contract import Descriptor

TEXT, DECIMAL, DATE, ID, TIME, INTEGER, BOOLEAN = "text", "decimal", "date", "id", "time", "integer", "boolean"
TEXTS, IDS, DATA, CUSTOM = "texts", "ids", "data", "custom"
"""Kinds. TEXTS and IDS are lists, DATA is a message or a list of messages kept as JSON."""

PHONES = (rule_pb2.FORMAT_PHONE, rule_pb2.FORMAT_MOBILE)
"""Formats of numbers that are dialled: searched, compared and masked alike."""
LIMIT = 200
"""Characters of a text unless the contract says otherwise."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    json_name: str
    kind: str
    label: tuple[str, str]
    required: bool
    output_only: bool
    immutable: bool
    sensitive: bool
    encrypted: bool
    computed: bool
    max_length: int
    format: int
    min: Decimal | None
    max: Decimal | None
    past: bool
    earliest: date | None
    scale: int
    dictionary: str
    references: str
    mentions: str
    values: tuple[str, ...]
    value_labels: tuple[tuple[str, str], ...]
    """What people call the values (zh, en), in their order."""
    nested: Descriptor | None
    repeated: bool

    @property
    def labels_of_values(self) -> dict[str, tuple[str, str]]:
        """What people call each of the values: (zh, en)."""
        return dict(zip(self.values, self.value_labels, strict=True))

    @property
    def choices(self) -> tuple[str, str]:
        """The values as a refusal names them (zh, en), with what people call them."""
        said = self.labels_of_values.items()
        if all(zh == value for value, (zh, _) in said):
            return (", ".join(self.values),) * 2
        return "、".join(f"{v}（{zh}）" for v, (zh, _) in said), ", ".join(f"{v} ({en})" for v, (_, en) in said)


@cache
def of(descriptor: Descriptor) -> dict[str, Field]:
    """Every field of a message, by name. Not to be changed: it is read once."""
    return {f.name: _field(f) for f in descriptor.fields}


def _field(f: FieldDescriptor) -> Field:
    rule = contract.field(f)
    behaviour = contract.behaviour(f)
    kind = _kind(f, rule)
    if rule.encrypted and (not rule.sensitive or kind not in (TEXT, DATA)):
        raise TypeError(f"{f.full_name}: only what is sensitive is encrypted, and only texts and messages are")
    return Field(
        name=f.name,
        json_name=f.json_name,
        kind=kind,
        label=codec.labels(f),
        required=field_behavior_pb2.REQUIRED in behaviour,
        output_only=field_behavior_pb2.OUTPUT_ONLY in behaviour,
        immutable=field_behavior_pb2.IMMUTABLE in behaviour,
        sensitive=rule.sensitive,
        encrypted=rule.encrypted,
        computed=rule.computed,
        max_length=rule.max_length or LIMIT,
        format=rule.format,
        min=Decimal(rule.min) if rule.min else None,
        max=Decimal(rule.max) if rule.max else None,
        past=rule.past,
        earliest=date.fromisoformat(rule.earliest) if rule.earliest else None,
        scale=rule.scale or 2,
        dictionary=rule.dictionary,
        references=rule.references,
        mentions=rule.mentions,
        values=tuple(rule.values),
        value_labels=codec.value_labels(f),
        nested=f.message_type,
        repeated=f.is_repeated,
    )


def _kind(f: FieldDescriptor, rule: rule_pb2.Field) -> str:
    if f.message_type is not None:
        match f.message_type.full_name:
            case "google.protobuf.Timestamp":
                return TIME
            case "google.protobuf.Struct":
                return CUSTOM
            case _:
                return DATA
    match f.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if f.is_repeated:
                return IDS if rule.references else TEXTS
            return {rule_pb2.FORMAT_DECIMAL: DECIMAL, rule_pb2.FORMAT_DATE: DATE, rule_pb2.FORMAT_ID: ID}.get(
                rule.format, TEXT
            )
        case FieldDescriptor.CPPTYPE_BOOL:
            return BOOLEAN
        case FieldDescriptor.CPPTYPE_INT32:
            return INTEGER
    raise TypeError(f"{f.full_name}: a record has no such field")


ID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_id(value: Any) -> bool:
    """Whether a text is a UUID as we write them."""
    return isinstance(value, str) and ID_FORM.fullmatch(value) is not None
