"""What a field is called: by programs (camelCase in JSON, snake_case in the contract) and by people."""

import re
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor

from crm.rule_pb2 import field as field_rule


@cache
def labels(field: FieldDescriptor) -> tuple[str, str]:
    """What people call the field: (zh, en). English defaults to the field's name in words."""
    options = field.GetOptions().Extensions[cast(Any, field_rule)]
    words = field.name.replace("_", " ")
    english = options.en or words[:1].upper() + words[1:]
    return options.zh or english, english


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)
