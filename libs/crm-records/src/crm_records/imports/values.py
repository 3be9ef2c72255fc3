"""From what stands in a cell to what a field holds, as people write it in China: days, numbers, names, yes and no.

What cannot be read stays as it is and is then refused by the checks that hold for everybody, with the field's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm import rule_pb2
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import dictionaries
from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.record import Record

Read = Callable[[str], Any]
"""A cell's text as the field takes it. Raises `Unread`."""

YES = frozenset({"是", "有", "真", "对", "√", "✓", "☑", "y", "yes", "true", "t", "1", "on"})
NO = frozenset({"否", "无", "没有", "假", "不", "×", "✗", "☐", "n", "no", "false", "f", "0", "off", "-", "—"})
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?", re.ASCII)
_PLAIN_DAY = re.compile(r"(19|20)(\d\d)(0[1-9]|1[0-2])([0-3]\d)", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})?(?:\.\d+)?秒?)?分?", re.ASCII)
_SERIAL = re.compile(r"\d{4,5}(\.\d+)?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = date(1899, 12, 30)
_LIST = re.compile(r"[,，、;；|\n]+")
_SPACES = re.compile(r"[\s\u00a0\u200b\ufeff]+")

errors.texts(
    {
        "no_such_name": ("{label}没有叫“{value}”的", "No {label} is called “{value}”"),
        "name_ambiguous": (
            "{label}有多个“{value}”，请改用编号",
            "Several {label} are called “{value}”; use the number",
        ),
        "person_ambiguous": (
            "{label}有多个“{value}”，请改用用户名",
            "Several {label} are called “{value}”; use the user name",
        ),
        "department_ambiguous": (
            "{label}有多个“{value}”，请改用部门的标识",
            "Several {label} are called “{value}”; use the department's id",
        ),
    }
)


class Unread(Exception):
    """A cell that says nothing the field could hold."""

    def __init__(self, key: str, **params: Any) -> None:
        super().__init__(key)
        self.key, self.params = key, params

    def problem(self, path: str, label: tuple[str, str]) -> Problem:
        return Problem(path, self.key, {"label": label, **self.params})


def half_width(text: str) -> str:
    """Full-width letters and digits as the narrow ones, without spaces around."""
    return unicodedata.normalize("NFKC", text).strip()


def number(text: str) -> str:
    """A number without what people put around and between its digits."""
    plain = _SPACES.sub("", half_width(text)).replace(",", "").replace("，", "")
    plain = plain.removeprefix("¥").removeprefix("￥").removeprefix("RMB").removesuffix("元")
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    return plain


def whole(text: str) -> int:
    """A whole number."""
    plain = number(text)
    head, point, tail = plain.partition(".")
    if not re.fullmatch(r"[+-]?\d{1,18}", head, re.ASCII) or (point and tail.strip("0")):
        raise Unread("wrong_type", expected=("整数", "a whole number"))
    found = int(head)
    if not -(2**31) <= found < 2**31:
        raise Unread("too_large", limit="2147483647")
    return found


def day(text: str) -> str:
    """A day, however it is written: as ISO has it."""
    plain = half_width(text)
    found = _DAY.match(plain)
    rest = plain[found.end() :].strip() if found else ""
    if found and (not rest or _CLOCK.fullmatch(rest)):
        year, month, number_ = (int(found[i]) for i in (1, 2, 3))
    elif compact := _PLAIN_DAY.fullmatch(plain):
        year, month, number_ = int(compact[1] + compact[2]), int(compact[3]), int(compact[4])
    elif _SERIAL.fullmatch(plain) and 1000 <= float(plain) < 100_000:
        return (_EPOCH + timedelta(days=int(float(plain)))).isoformat()
    else:
        return plain
    try:
        return date(year, month, number_).isoformat()
    except ValueError:
        return plain


def from_1904(text: str) -> str:
    """A day that is a number counted from 1904, as people write it; anything else as it is."""
    plain = half_width(text)
    if not _SERIAL.fullmatch(plain):
        return text
    found = datetime(1904, 1, 1, tzinfo=UTC) + timedelta(seconds=round(float(plain) * 86400))
    return f"{found:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")


def moment(zone: ZoneInfo) -> Read:
    """Reads a point in time, in this zone where it says none."""

    def read(text: str) -> datetime:
        plain = half_width(text)
        try:
            if _ISO.fullmatch(plain):
                return datetime.fromisoformat(plain.replace("Z", "+00:00")).astimezone(UTC)
            that = date.fromisoformat(day(plain))
            hour = minute = second = 0
            if _SERIAL.fullmatch(plain):
                seconds = round((float(plain) % 1) * 86400)
                local = datetime(that.year, that.month, that.day, tzinfo=zone) + timedelta(seconds=seconds)
                return local.astimezone(UTC)
            if clock := _CLOCK.search(plain, 8):
                hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
            local = datetime(that.year, that.month, that.day, hour, minute, second, tzinfo=zone)
        except (ValueError, OverflowError):
            raise Unread("wrong_type", expected=("时间(2026-01-31 09:30)", "a time (2026-01-31 09:30)")) from None
        return local.astimezone(UTC)

    return read


def yes_or_no(text: str) -> bool:
    """Yes or no, as a word or a mark."""
    plain = half_width(text).casefold()
    if plain in YES:
        return True
    if plain in NO:
        return False
    raise Unread("wrong_type", expected=("是或否", "yes or no"))


def coded(words: Mapping[str, str]) -> Read:
    """Reads one of the words; another one stays, to be refused by its name."""
    return lambda text: words.get(word(text), text.strip())


def word(text: str) -> str:
    """A word as it is compared."""
    return _SPACES.sub("", half_width(text)).casefold()


def entries(call: Call, dictionary: str) -> dict[str, str]:
    """Word → code: code and labels of every entry, a living one before one that is retired."""
    found: dict[str, str] = {}
    known = dictionaries.KEPT.read(call.connection).get(dictionary, {})
    for row in sorted(known.values(), key=lambda entry: entry.retired):
        for name in (row.code, row.label_zh, row.label_en):
            found.setdefault(word(name), row.code)
    return found


def of_field(call: Call, record: Record, field: Field, names: Callable[[str], Read]) -> Read | None:
    """How a field's cells are read; None where a file cannot bring it. `names` reads those of a record type."""
    one = _of_one(call, record, field, names)
    if field.kind in (kinds.TEXTS, kinds.IDS):
        assert one is not None
        return lambda text: [one(part) for part in _LIST.split(text) if part.strip()]
    return one


def _of_one(call: Call, record: Record, field: Field, names: Callable[[str], Read]) -> Read | None:
    if field.dictionary:
        return coded(entries(call, field.dictionary))
    if field.values:
        words = {word(k): v for k, v in record.import_words.get(field.name, {}).items()}
        for value, labels in field.labels_of_values.items():
            words |= dict.fromkeys((word(value), *map(word, labels)), value)
        return coded(words)
    match field.kind:
        case kinds.ID | kinds.IDS:
            return names(field.references) if field.references else str.strip
        case kinds.DECIMAL:
            return number
        case kinds.INTEGER:
            return whole
        case kinds.DATE:
            return day
        case kinds.TIME:
            return moment(ZoneInfo(call.access.time_zone))
        case kinds.BOOLEAN:
            return yes_or_no
        case kinds.DATA | kinds.CUSTOM:
            return None
    if field.format in (*kinds.PHONES, rule_pb2.FORMAT_EMAIL):
        return half_width
    if field.format in (rule_pb2.FORMAT_CREDIT_CODE, rule_pb2.FORMAT_IDENTITY_NUMBER):
        return lambda text: _SPACES.sub("", half_width(text)).upper()
    if field.format == rule_pb2.FORMAT_TEXT:
        return lambda text: text.replace("\r\n", "\n").replace("\r", "\n")
    return lambda text: _SPACES.sub(" ", text).strip() if "\n" in text or "\r" in text else text


def of_custom(definition: Any, names: Callable[[str], Read]) -> Read:
    """How the cells of a custom field are read."""
    match definition.kind:
        case "number":
            return _custom_number
        case "date":
            return day
        case "choice":
            return coded({word(c): c for c in definition.choices})
        case "multi_choice":
            one = coded({word(c): c for c in definition.choices})
            return lambda text: [one(part) for part in _LIST.split(text) if part.strip()]
        case "reference":
            return names(definition.references)
    return str.strip


def _custom_number(text: str) -> float:
    plain = number(text)
    if not re.fullmatch(r"[+-]?\d{1,20}(\.\d{1,20})?", plain, re.ASCII):
        raise Unread("wrong_type", expected=("数字", "a number"))
    return float(plain)
