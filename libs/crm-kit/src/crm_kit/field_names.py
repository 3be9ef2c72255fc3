"""What a field is called: by programs (camelCase in JSON, snake_case in the contract) and by people."""

import re
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor

from crm.rule_pb2 import FORMAT_ID
from crm.rule_pb2 import field as field_rule


@cache
def labels(field: FieldDescriptor) -> tuple[str, str]:
    """What people call the field: (zh, en). English defaults to the field's name in words.

    An id that points at a record is called what it points at: whoever reads it sees an owner, not an id.
    """
    options = field.GetOptions().Extensions[cast(Any, field_rule)]
    words = (_pointed_at(field.name) if _points(options) else field.name).replace("_", " ")
    english = options.en or words[:1].upper() + words[1:]
    return options.zh or english, english


@cache
def value_labels(field: FieldDescriptor) -> tuple[tuple[str, str], ...]:
    """What people call the values that the contract fixes for a field: (zh, en), in their order. English defaults to
    the value in words. Raises TypeError where some have a label and some have none."""
    rule = field.GetOptions().Extensions[cast(Any, field_rule)]
    for named in (rule.values_zh, rule.values_en):
        if named and len(named) != len(rule.values):
            raise TypeError(f"{field.full_name}: each of the values is called something, or none of them is")
    english = rule.values_en or [value.replace("_", " ").capitalize() for value in rule.values]
    return tuple(zip(rule.values_zh or rule.values, english, strict=True))


def _points(options: Any) -> bool:
    """Whether an id is one of ours. What another system calls its own is labelled and says no record type."""
    return bool(options.references or options.mentions or options.format == FORMAT_ID or not options.zh)


def _pointed_at(name: str) -> str:
    return f"{name.removesuffix('_ids')}s" if name.endswith("_ids") else name.removesuffix("_id")


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)
