"""JSON values → protobuf: `from_dict`, which names every wrong field."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.field_names import labels, snake
from crm_kit.json_scalars import EXACT, TEXT, Wrong, number, reader

MAX_DEPTH = 32
OBJECT, LIST = ("对象", "an object"), ("数组", "an array")
TIME = ("时间(如 2026-01-31T08:00:00Z)", "a time such as 2026-01-31T08:00:00Z")

errors.texts({"too_deep": ("{label}嵌套超过 {limit} 层", "{label} is nested more than {limit} deep")})

M = TypeVar("M", bound=Message)
Filler = Callable[[Any, Any, str, int, list[Problem]], None]  # message, JSON value, path, depth, problems

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62135596800, 253402300799  # seconds of the years 1 to 9999
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def from_dict(data: Any, message: M) -> M:
    """Fills the message, or raises Invalid with every wrong field.

    Names may be camelCase or snake_case; null means unset.
    """
    problems: list[Problem] = []
    if type(data) is not dict:
        raise errors.Invalid(key="not_an_object")
    filler(message.DESCRIPTOR)(message, data, "", 1, problems)
    if problems:
        raise errors.Invalid(*problems)
    return message


@cache
def filler(descriptor: Descriptor) -> Filler:
    """The function that fills messages of one type from a JSON object; compiled at its first use."""
    table: dict[str, tuple[str, Filler]] = {}

    def fill(message: Any, data: Any, path: str, depth: int, problems: list[Problem]) -> None:
        nonlocal table
        if not table:
            # Built aside and put in place at once: other threads read it.
            built = {}
            for field in descriptor.fields:
                built[field.json_name] = built[field.name] = (field.json_name, _field_filler(field))
            table = built
        for name, value in data.items():
            if known := table.get(name):
                if value is not None:
                    known[1](message, value, path + known[0], depth, problems)
            else:
                problems.append(Problem(path + name[:60], "unknown_field", {"name": name[:60]}))

    return fill


def _field_filler(field: FieldDescriptor) -> Filler:
    """Wraps what reads one value: says where it is wrong, and repeats it for lists and maps."""
    name, label, kind = field.name, labels(field), field.message_type
    is_map = bool(kind and kind.GetOptions().map_entry)
    of = kind.fields_by_name["value"] if kind and is_map else field
    part = _message_filler(of.message_type) if of.message_type else None
    read = reader(of)

    def put(items: Any, key: Any, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
        """One value into `items` (a message, a list, a map) at `key`."""
        try:
            if part:
                target = items.add() if key is None else items[key] if is_map else getattr(items, key)
                part(target, value, path, depth, problems)
            elif key is None:
                items.append(read(value))
            elif is_map:
                items[key] = read(value)
            else:
                setattr(items, key, read(value))
        except Wrong as wrong:
            problems.append(Problem(path, wrong.key, {"label": label, **wrong.params}))

    def fill_one(message: Any, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
        put(message, name, value, path, depth, problems)

    def fill_list(message: Any, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
        if type(value) is not list:
            problems.append(Problem(path, "wrong_type", {"label": label, "expected": LIST}))
            return
        items = getattr(message, name)
        for index, item in enumerate(value):
            put(items, None, item, f"{path}[{index}]", depth, problems)

    def fill_map(message: Any, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
        if type(value) is not dict:
            problems.append(Problem(path, "wrong_type", {"label": label, "expected": OBJECT}))
            return
        items = getattr(message, name)
        for key, item in value.items():
            put(items, key, item, f"{path}.{key[:60]}", depth, problems)

    return fill_map if is_map else fill_list if field.is_repeated else fill_one


def _message_filler(descriptor: Descriptor) -> Filler:
    if well_known := _FILLERS.get(descriptor.full_name):
        return well_known

    def part(target: Any, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
        _descend(value, dict, OBJECT, depth)
        target.SetInParent()
        filler(descriptor)(target, value, path + ".", depth + 1, problems)

    return part


def _descend(value: Any, kind: type, expected: tuple[str, str], depth: int) -> None:
    if type(value) is not kind:
        raise Wrong("wrong_type", expected=expected)
    if depth >= MAX_DEPTH:
        raise Wrong("too_deep", limit=MAX_DEPTH)


def _fill_timestamp(target: Timestamp, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
    if type(value) is not str:
        raise Wrong("wrong_type", expected=TIME)
    try:
        if not _TIMESTAMP.fullmatch(value):
            raise ValueError
        passed = datetime.fromisoformat(value.upper()) - _EPOCH
    except ValueError:
        raise Wrong("wrong_type", expected=TIME) from None
    seconds = passed.days * 86400 + passed.seconds
    if not _FIRST <= seconds <= _LAST:  # an offset may lead out of them
        raise Wrong("wrong_type", expected=TIME)
    target.seconds, target.nanos = seconds, passed.microseconds * 1000
    target.SetInParent()


def _fill_struct(target: Struct, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
    _descend(value, dict, OBJECT, depth)
    target.SetInParent()
    for key, item in value.items():
        _fill_value(target.fields[key], item, path, depth + 1, problems)


def _fill_list_value(target: ListValue, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
    _descend(value, list, LIST, depth)
    target.SetInParent()
    for item in value:
        _fill_value(target.values.add(), item, path, depth + 1, problems)


def _fill_value(target: Value, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
    if value is None:
        target.null_value = NULL_VALUE
    elif type(value) is str:
        target.string_value = value
    elif type(value) is bool:
        target.bool_value = value
    elif type(value) is dict:
        _fill_struct(target.struct_value, value, path, depth, problems)
    elif type(value) is list:
        _fill_list_value(target.list_value, value, path, depth, problems)
    elif type(value) is int and abs(value) > EXACT:
        raise Wrong("too_large" if value > 0 else "too_small", limit=EXACT if value > 0 else -EXACT)
    else:
        target.number_value = number(value)


def _fill_mask(target: FieldMask, value: Any, path: str, depth: int, problems: list[Problem]) -> None:
    if type(value) is not str:
        raise Wrong("wrong_type", expected=TEXT)
    target.paths.extend(snake(part) for part in value.split(",") if part)


_FILLERS: dict[str, Filler] = {
    "google.protobuf.Timestamp": _fill_timestamp,
    "google.protobuf.Struct": _fill_struct,
    "google.protobuf.Value": _fill_value,
    "google.protobuf.ListValue": _fill_list_value,
    "google.protobuf.FieldMask": _fill_mask,
}
