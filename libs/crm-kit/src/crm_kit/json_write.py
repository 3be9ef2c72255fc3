"""protobuf → JSON values: `to_dict`."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from crm_kit import contract
from crm_kit.field_names import camel
from crm_kit.json_scalars import EXACT, INT64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_dict(message: Message) -> dict[str, Any]:
    """What is set in the message, as JSON values under camelCase names."""
    return encoder(message.DESCRIPTOR)(message)


@cache
def encoder(descriptor: Descriptor, whole: bool = False) -> Callable[[Any], Any]:
    """The function that turns messages of one type into JSON values. Compiled at its first use, as types may recur.

    `whole` is for answers: a count of 0, an empty list or text is told too. Records, with their many fields, and
    what lies in them, tell only what is set.
    """
    if well_known := _WRITERS.get(descriptor.full_name):
        return well_known
    names = {field: field.json_name for field in descriptor.fields}
    whole = whole and not contract.record(descriptor).type
    empty = [(f.json_name, make) for f in descriptor.fields if whole and (make := _empty(f))]
    special: list[tuple[str, Callable[[Any], Any]]] | None = None

    def write(message: Any) -> dict[str, Any]:
        nonlocal special
        if special is None:
            special = [(f.json_name, writer) for f in descriptor.fields if (writer := _field_writer(f, whole))]
        out = {names[field]: value for field, value in message.ListFields()}
        for name, make in empty:
            if name not in out:
                out[name] = make()
        for name, convert in special:
            if name in out:
                out[name] = convert(out[name])
        return out

    return write


def _empty(field: FieldDescriptor) -> Callable[[], Any] | None:
    """Makes the value of a field that is not set, or None where not being set means something."""
    if field.is_repeated:
        return dict if field.message_type and field.message_type.GetOptions().map_entry else list
    if field.has_presence or field.enum_type:
        return None
    return lambda: field.default_value


def _field_writer(field: FieldDescriptor, whole: bool) -> Callable[[Any], Any] | None:
    """None where the value already is a JSON value."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        one = _value_writer(field.message_type.fields_by_name["value"], whole) or (lambda value: value)
        return lambda values: {str(key): one(value) for key, value in values.items()}
    single = _value_writer(field, whole)
    if not field.is_repeated:
        return single
    return (lambda values: [single(value) for value in values]) if single else list


def _value_writer(field: FieldDescriptor, whole: bool) -> Callable[[Any], Any] | None:
    if field.message_type:
        return encoder(field.message_type, whole)
    if field.enum_type:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    return str if field.type in INT64 else None


def _write_timestamp(value: Timestamp) -> str:
    text = (_EPOCH + timedelta(0, value.seconds)).isoformat()[:19]
    return f"{text}.{nanos // 1000:06d}Z" if (nanos := value.nanos) else text + "Z"


def _write_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= EXACT else number
    if kind == "struct_value":
        return _write_struct(value.struct_value)
    if kind == "list_value":
        return _write_list(value.list_value)
    return None if kind in (None, "null_value") else getattr(value, kind)


def _write_struct(value: Struct) -> dict[str, Any]:
    return {key: _write_value(item) for key, item in value.fields.items()}


def _write_list(value: ListValue) -> list[Any]:
    return [_write_value(item) for item in value.values]


def _write_any(value: Any) -> dict[str, Any]:
    """What is inside beside its `@type`; of a message that a newer release has, only that."""
    encode = _inside(value.type_url)
    return {"@type": value.type_url} if encode is None else {"@type": value.type_url, **encode(value.value)}


@cache
def _inside(type_url: str) -> Callable[[bytes], dict[str, Any]] | None:
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return None
    parse, write = GetMessageClass(descriptor).FromString, encoder(descriptor, whole=True)
    return lambda content: write(parse(content))


def _write_mask(value: FieldMask) -> str:
    return ",".join(camel(path) for path in value.paths)


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": _write_timestamp,
    "google.protobuf.Struct": _write_struct,
    "google.protobuf.Value": _write_value,
    "google.protobuf.ListValue": _write_list,
    "google.protobuf.FieldMask": _write_mask,
    "google.protobuf.Any": _write_any,
}
