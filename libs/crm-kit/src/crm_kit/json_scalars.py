"""JSON values that are no objects, read strictly: text is text, a whole number fits its field."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Reader = Callable[[Any], Any]  # a JSON value → the field's value, or raises Wrong

EXACT = 2**53  # whole numbers that a double holds exactly
_F = FieldDescriptor
INT64 = {_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64, _F.TYPE_UINT64, _F.TYPE_FIXED64}
_UNSIGNED = {_F.TYPE_UINT32, _F.TYPE_FIXED32, _F.TYPE_UINT64, _F.TYPE_FIXED64}
_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)
_LARGEST_FLOAT = 3.4028234e38

TEXT, NUMBER, WHOLE = ("文本", "text"), ("数字", "a number"), ("整数", "a whole number")
YES_NO = ("true 或 false", "true or false")


class Wrong(Exception):
    """One value is wrong; where it stands and what it is called is known further out."""

    def __init__(self, key: str, **params: Any) -> None:
        super().__init__(key)
        self.key, self.params = key, params


def reader(field: FieldDescriptor) -> Reader:
    """What checks one JSON value that is no object."""
    if field.enum_type:
        return _enum_reader(field.enum_type)
    if field.type == _F.TYPE_STRING:
        return _text
    if field.type == _F.TYPE_BOOL:
        return _yes_no
    if field.type == _F.TYPE_BYTES:
        return _bytes
    if field.type == _F.TYPE_DOUBLE:
        return number
    if field.type == _F.TYPE_FLOAT:
        return _float
    bits = 64 if field.type in INT64 else 32
    signed = field.type not in _UNSIGNED
    return _whole_reader(bits, -(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Wrong("wrong_type", expected=TEXT)
    return value


def _yes_no(value: Any) -> bool:
    if type(value) is not bool:
        raise Wrong("wrong_type", expected=YES_NO)
    return value


def number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Wrong("wrong_type", expected=NUMBER)
    return float(value)


def _float(value: Any) -> float:
    if abs(number(value)) > _LARGEST_FLOAT:
        raise Wrong("wrong_type", expected=NUMBER)
    return float(value)


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise Wrong("wrong_type", expected=("Base64 文本", "base64 text")) from None


def _whole_reader(bits: int, smallest: int, largest: int) -> Reader:
    def whole(value: Any) -> int:
        as_text = bits == 64 and type(value) is str and _WHOLE.fullmatch(value)
        if as_text or (type(value) is float and value.is_integer()):
            value = int(value)
        if type(value) is not int:
            raise Wrong("wrong_type", expected=WHOLE)
        if value < smallest:
            raise Wrong("too_small", limit=smallest)
        if value > largest:
            raise Wrong("too_large", limit=largest)
        return value

    return whole


def _enum_reader(enum: EnumDescriptor) -> Reader:
    numbers = {value.name: value.number for value in enum.values}

    def choice(value: Any) -> int:
        if type(value) is str and value in numbers:
            return numbers[value]
        raise Wrong("not_a_choice", value=str(value)[:60], choices=", ".join(numbers))

    return choice
