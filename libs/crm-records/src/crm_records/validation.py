"""Checks of single values, all from the contract: every wrong field is named, nothing is stored.

`row_values` turns the fields of a message into the values of a row: text to Decimal, date, and so on.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from crm import rule_pb2
from crm_kit import codec, errors
from crm_kit.errors import Problem
from crm_kit.jobs import ZONE
from crm_records import blind, checked_numbers, plain_text
from crm_records import fields as kinds
from crm_records.fields import Field

_EMAIL = re.compile(
    r"[^@\s,;<>\"()]{1,64}@[A-Za-z0-9\u4e00-\u9fff](?:[A-Za-z0-9\u4e00-\u9fff.-]{0,250})\.[A-Za-z\u4e00-\u9fff]{2,24}"
)
_USUAL_PHONE = re.compile(r"(?:\+?86[- ]?)?1[3-9]\d{9}|0\d{2,3}-?\d{7,8}", re.ASCII)
"""What needs no look into the tables of all countries."""
_EXTENSION = re.compile(r"\s*(?:转|分机)\s*")
_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)
_ABROAD = re.compile(r"\+[1-9]\d{5,14}", re.ASCII)
"""E.164: at most fifteen digits, and the shortest plans have six."""
_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]*")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_LINE_BREAK = re.compile(r"[\n\t]")
_DAY = re.compile(r"[1-9]\d{3}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
MANY = 500
"""Entries of a list field at most."""

errors.texts(
    {
        "bad_mobile": (
            "{label}应为 11 位手机号，境外号码以 + 和国家代码开头",
            "{label} must be a mobile number of 11 digits, or begin with + and the country code",
        ),
        "bad_phone": (
            "{label}应为电话号码，如 0571-88886666，境外号码以 + 和国家代码开头",
            "{label} must be a telephone number such as 0571-88886666, or begin with + and the country code",
        ),
        "day_to_come": ("{label}不能晚于今天", "{label} must not be later than today"),
        "too_early": ("{label}不能早于 {limit}", "{label} must not be earlier than {limit}"),
        "too_many_decimals": ("{label}最多 {limit} 位小数", "{label} has at most {limit} decimal places"),
    }
)


def row_values(
    message: Message, names: Iterable[str], fields: dict[str, Field], problems: list[Problem], path: str = ""
) -> dict[str, Any]:
    """The values of the named fields as they are stored; wrong ones are added to `problems`."""
    values: dict[str, Any] = {}
    for name in names:
        field = fields[name]
        value = _value(message, field, problems, path)
        told = any(p.path == path + field.json_name for p in problems)
        if field.required and value in (None, [], "") and not told:
            problems.append(Problem(path + field.json_name, "required", {"label": field.label}))
        values[name] = value
    return values


def keep_what_stands(
    message: Message,
    values: dict[str, Any],
    before: Mapping[str, Any],
    fields: dict[str, Field],
    problems: list[Problem],
) -> None:
    """Let a text be given as it stands: what was stored under an older check is refused only where it changes."""
    paths = {p.path for p in problems}
    for field in [fields[name] for name in values] if paths else ():
        name = field.name
        if field.kind == kinds.TEXT and field.json_name in paths and getattr(message, name) == before[name]:
            values[name] = before[name]
            problems[:] = [p for p in problems if p.path != field.json_name]


def _value(message: Message, field: Field, problems: list[Problem], path: str) -> Any:
    raw = getattr(message, field.name)

    def wrong(key: str, **params: Any) -> None:
        problems.append(Problem(path + field.json_name, key, {"label": field.label, **params}))

    match field.kind:
        case kinds.TEXT:
            return _text(raw, field, wrong) if raw else None
        case kinds.DECIMAL:
            return _decimal(raw, field, wrong) if raw else None
        case kinds.DATE:
            return _date(raw, field, wrong) if raw else None
        case kinds.ID:
            if raw and not kinds.is_id(raw):
                return wrong("bad_format")
            return raw or None
        case kinds.INTEGER:
            if not message.DESCRIPTOR.fields_by_name[field.name].has_presence:
                # Where 0 is no value, nothing was given.
                nothing = None if field.required and (field.min or 0) > 0 else 0
                return _number(raw, field, wrong) if raw else nothing
            return _number(raw, field, wrong) if message.HasField(field.name) else None
        case kinds.BOOLEAN:
            return raw
        case kinds.TIME:
            return _time(raw, wrong) if message.HasField(field.name) else None
        case kinds.TEXTS:
            if len(raw) > MANY:
                return wrong("too_many", limit=MANY)
            return [t for t in dict.fromkeys(_text(x, field, wrong) for x in raw) if t]
        case kinds.IDS:
            if len(raw) > MANY:
                return wrong("too_many", limit=MANY)
            if not all(kinds.is_id(x) for x in raw):
                return wrong("bad_format")
            return list(dict.fromkeys(raw))
        case kinds.CUSTOM:
            return MessageToDict(raw)
        case kinds.DATA:
            return _data(message, raw, field, problems, path)
    raise AssertionError(field.kind)


def _data(message: Message, raw: Any, field: Field, problems: list[Problem], path: str) -> Any:
    """Nested messages are checked like records and kept as the JSON that clients see."""
    assert field.nested is not None
    nested = kinds.of(field.nested)
    if not field.repeated:
        if not message.HasField(field.name):
            return None
        row_values(raw, nested, nested, problems, f"{path}{field.json_name}.")
        return codec.to_dict(raw)
    if len(raw) > MANY:
        problems.append(Problem(path + field.json_name, "too_many", {"label": field.label, "limit": MANY}))
        return None
    for index, one in enumerate(raw):
        row_values(one, nested, nested, problems, f"{path}{field.json_name}[{index}].")
    return [codec.to_dict(one) for one in raw]


def _text(raw: str, field: Field, wrong: Any) -> Any:
    lines = field.format == rule_pb2.FORMAT_TEXT
    value = plain_text.cleaned(raw, lines=lines)
    if not value:
        return None
    if len(value) > field.max_length:
        return wrong("too_long", limit=field.max_length)
    if CONTROL.search(value) or (not lines and _LINE_BREAK.search(value)):
        return wrong("bad_control_character")
    if field.values and value not in field.values:
        return wrong("not_a_choice", value=value[:60], choices=field.choices)
    match field.format:
        case rule_pb2.FORMAT_EMAIL:
            return value if _EMAIL.fullmatch(value) else wrong("bad_format")
        case rule_pb2.FORMAT_PHONE:
            return value if is_phone(value) else wrong("bad_phone")
        case rule_pb2.FORMAT_MOBILE:
            return value if is_mobile(value) else wrong("bad_mobile")
        case rule_pb2.FORMAT_URL:
            return value if is_url(value) else wrong("bad_format")
        case rule_pb2.FORMAT_CODE:
            return value if _CODE.fullmatch(value) else wrong("bad_format")
        case rule_pb2.FORMAT_CREDIT_CODE:
            return _checked(checked_numbers.credit_code(value), wrong)
        case rule_pb2.FORMAT_IDENTITY_NUMBER:
            return _checked(checked_numbers.identity_number(value), wrong)
    return value


def _checked(found: tuple[str, checked_numbers.Wrong | None], wrong: Any) -> Any:
    value, what = found
    return value if what is None else wrong(what[0], **what[1])


def _decimal(raw: str, field: Field, wrong: Any) -> Any:
    value = number(raw)
    if value is None:
        return wrong("wrong_type", expected=("数字", "a number"))
    if value != round(value, field.scale):
        return wrong("too_many_decimals", limit=field.scale)
    limit = field.max if field.max is not None else Decimal(10) ** 15
    if value > limit:
        return wrong("too_large", limit=f"{limit:f}")
    low = field.min if field.min is not None else -(Decimal(10) ** 15)
    if value < low:
        return wrong("too_small", limit=f"{low:f}")
    return round(value, field.scale)


def _number(raw: int, field: Field, wrong: Any) -> Any:
    if field.min is not None and raw < field.min:
        return wrong("too_small", limit=f"{field.min:f}")
    if field.max is not None and raw > field.max:
        return wrong("too_large", limit=f"{field.max:f}")
    return raw


def _time(raw: Any, wrong: Any) -> Any:
    """A moment that has a day wherever one looks at it: neither on the first day of the calendar nor on the last."""
    try:
        value = raw.ToDatetime(UTC)
    except (ValueError, OverflowError):
        value = None
    if value is None or not date.min < value.date() < date.max:
        return wrong("wrong_type", expected=("时间(2026-01-31T09:00:00Z)", "a time (2026-01-31T09:00:00Z)"))
    return value


def _date(raw: str, field: Field, wrong: Any) -> Any:
    value = day(raw)
    if value is None:
        return wrong("wrong_type", expected=("日期(2026-01-31)", "a date (2026-01-31)"))
    if field.past and value > datetime.now(ZONE).date():
        return wrong("day_to_come")
    if field.earliest is not None and value < field.earliest:
        return wrong("too_early", limit=field.earliest.isoformat())
    return value


def day(text: str) -> date | None:
    """A day written as year, month and day, or None. Python would read weeks as well, PostgreSQL does not."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def number(text: str) -> Decimal | None:
    """A number written with digits and at most one point, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def is_phone(value: str) -> bool:
    """A number that could be dialled, written any way; Chinese unless it starts with +."""
    if _USUAL_PHONE.fullmatch(value):
        return True
    if len(value) > 40 or not re.search(r"\d{3}", value):
        return False
    try:
        parsed = phonenumbers.parse(_EXTENSION.sub(" ext. ", value), "CN")
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(parsed)) or bool(re.fullmatch(r"[0-9()+\- ]{3,20}", value))


def is_mobile(value: str) -> bool:
    """A mobile number: one of China, or with + or 00 and the code of another country, written any way."""
    if len(value) > 40 or re.search(r"[^\d\s()+\-.·]", unicodedata.normalize("NFKC", value)):
        return False
    number = blind.phone(value)
    return bool(_MOBILE.fullmatch(number) or (_ABROAD.fullmatch(number) and not number.startswith("+86")))


def is_url(value: str) -> bool:
    """http or https with a host; a bare host name counts as https."""
    try:
        parts = urlsplit(value if "://" in value else f"https://{value}")
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return "." in host and not re.search(r"[\s<>\"']", value)
