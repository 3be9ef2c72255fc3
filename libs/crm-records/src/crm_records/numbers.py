"""Numbers of records (单据号): `KH{yyyyMMdd}-{seq:4}`. Unique, never promised to be without gaps.

Each process takes a block of sequence numbers in a short transaction of its own, so that writers do not wait
for each other's commit. It has a connection apart: while it is asked for, every writer holds one of theirs. The disk
is waited for: a block that a crash of the database takes back would be handed out again while its holder lives.
"""

from __future__ import annotations

import re
import threading
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, MetaData, Table, Text, select, text
from sqlalchemy.dialects.postgresql import insert

from crm_kit import db, errors
from crm_kit.kept import Kept
from crm_records.record import Record

metadata = MetaData()

number_format = Table(
    "number_format",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("pattern", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

number_series = Table(
    "number_series",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

_TAKE = text(
    "INSERT INTO number_series AS s (record_type, period, last) VALUES (:type, :period, :many)"
    " ON CONFLICT (record_type, period) DO UPDATE SET last = s.last + :many RETURNING last"
)
_PART = re.compile(r"\{(yyyy|yy|MM|dd|yyyyMMdd|yyyyMM|seq(?::(\d))?)\}")
_DATES = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "yyyyMMdd": "%Y%m%d", "yyyyMM": "%Y%m"}
ZONE = ZoneInfo("Asia/Shanghai")
"""Days begin where the company is."""
BLOCK = 50

errors.texts(
    {
        "bad_number_pattern": (
            "编号格式须含一个 {{seq}}，可含 {{yyyy}} {{MM}} {{dd}} {{yyyyMMdd}}，其余为字母、数字或 - / _",
            "A number pattern holds one {{seq}}, may hold {{yyyy}} {{MM}} {{dd}} {{yyyyMMdd}},"
            " and otherwise letters, digits and - / _",
        )
    }
)


def _load(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(number_format.c.record_type, number_format.c.pattern))
    return {row.record_type: row.pattern for row in rows}


PATTERNS = Kept(_load)
"""The patterns that administrators gave, by record type."""


class Numbers:
    """Hands out numbers; one for each process."""

    def __init__(self, source: Engine) -> None:
        self.source = source
        """Of the database that the numbers are of."""
        self._engine = db.apart(source, "numbers")
        self._blocks: dict[tuple[str, str], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Let go of what was taken ahead."""
        with self._lock:
            self._blocks = {}

    def take(self, connection: Connection, record: Record, many: int = 1) -> list[str]:
        """The next numbers of a record type."""
        now = datetime.now(ZONE)
        pattern = PATTERNS.read(connection).get(record.type, record.number)
        period = _period(pattern, now)
        return [render(pattern, now, n) for n in self._sequence(record.type, period, many)]

    def _sequence(self, record_type: str, period: str, many: int) -> list[int]:
        key = (record_type, period)
        with self._lock:
            following, last = self._blocks.get(key, (1, 0))
            taken = list(range(following, min(last, following + many - 1) + 1))
            if len(taken) < many:
                missing = many - len(taken)
                size = max(BLOCK, missing)
                with self._engine.begin() as connection:
                    end = connection.scalar(_TAKE, {"type": record_type, "period": period, "many": size})
                start = end - size + 1
                taken += range(start, start + missing)
                following, last = start + missing, end
            else:
                following += many
            self._blocks = {k: v for k, v in self._blocks.items() if k[0] != record_type} | {key: (following, last)}
            return taken


def form(connection: Connection, record: Record) -> re.Pattern[str]:
    """What the numbers of a record type look like now."""
    pattern = PATTERNS.read(connection).get(record.type, record.number)
    found, end = "", 0
    for part in _PART.finditer(pattern):
        digits = rf"\d{{{part[2] or 1},}}" if part[1].startswith("seq") else rf"\d{{{len(part[1])}}}"
        found, end = found + re.escape(pattern[end : part.start()]) + digits, part.end()
    return re.compile(found + re.escape(pattern[end:]), re.ASCII)


def render(pattern: str, now: datetime, sequence: int) -> str:
    """A number of a pattern."""

    def part(found: re.Match[str]) -> str:
        if found[1].startswith("seq"):
            return str(sequence).rjust(int(found[2] or 1), "0")
        return now.strftime(_DATES[found[1]])

    return _PART.sub(part, pattern)


def check(pattern: str) -> None:
    """Refuse a pattern without a sequence or with something that is not meant."""
    rest = _PART.sub("", pattern)
    sequences = [m for m in _PART.finditer(pattern) if m[1].startswith("seq")]
    if len(pattern) > 60 or len(sequences) != 1 or not re.fullmatch(r"[\w\-/\u4e00-\u9fff]*", rest):
        problem = errors.Problem("pattern", "bad_number_pattern")
        raise errors.Invalid(problem)


def save(connection: Connection, record_type: str, pattern: str, version: int) -> None:
    """Store the pattern from now on."""
    row = {"record_type": record_type, "pattern": pattern, "version": version}
    connection.execute(
        insert(number_format).values(row).on_conflict_do_update(index_elements=["record_type"], set_=row)
    )


def _period(pattern: str, now: datetime) -> str:
    """The sequence starts anew with the smallest unit of time that the pattern names."""
    units = {m[1] for m in _PART.finditer(pattern)}
    if units & {"dd", "yyyyMMdd"}:
        return now.strftime("%Y%m%d")
    if units & {"MM", "yyyyMM"}:
        return now.strftime("%Y%m")
    return now.strftime("%Y") if units & {"yyyy", "yy"} else ""
