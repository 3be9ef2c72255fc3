"""`python -m customer import-register`: puts a register file into a table, some thousand lines at a time.

What the file does not have any more goes at the end. Stopped or killed, the table holds some of both; run again, it is
as if nothing had happened. Memory does not grow with the file.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from crm_kit.db import driver
from crm_kit.errors import Problem
from crm_kit.service import Service
from crm_kit.settings import SettingsError
from crm_records import search
from customer.register import reading
from customer.register.provider import register_file
from customer.register.reading import FIELDS
from customer.register.tables import imported

PIECE = 2000
"""Companies that are stored in one transaction."""
TOLD = 20
"""Lines that are told one by one; the rest is counted."""
_LOCK = 0x43524D42
_COLUMNS = (*FIELDS, "risks", "import_id", "search_text", "search_grams")
_LIST = ", ".join(_COLUMNS)
_NEW = ", ".join(f"{c} = excluded.{c}" for c in _COLUMNS if c != "credit_code")
_TEMPORARY = "CREATE TEMP TABLE incoming (LIKE register_company INCLUDING DEFAULTS) ON COMMIT DROP"
_COPY = f"COPY incoming ({_LIST}) FROM STDIN"
_TWICE = "SELECT count(*) FROM register_company JOIN incoming USING (credit_code, import_id)"
_MERGE = (
    f"INSERT INTO register_company ({_LIST}) SELECT {_LIST} FROM incoming ORDER BY credit_code"  # noqa: S608 - our own words
    f" ON CONFLICT (credit_code) DO UPDATE SET {_NEW}"
)
_GONE = text(
    "WITH gone AS (DELETE FROM register_company WHERE credit_code IN (SELECT credit_code FROM register_company"
    " WHERE import_id <> :id LIMIT 10000) RETURNING 1) SELECT count(*) FROM gone"
)


@dataclass(slots=True)
class Report:
    """stored + replaced + skipped = lines that hold something."""

    lines: int = 0
    stored: int = 0
    replaced: int = 0
    """A later line spoke of the same company."""
    skipped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    told: list[tuple[int, Problem]] = field(default_factory=list)
    removed: int = 0
    """Companies of the file before that this one does not have."""

    def __str__(self) -> str:
        said = [
            f"line {number}: {problem.path} {problem.message('en')}".replace("  ", " ") for number, problem in self.told
        ]
        more = sum(self.skipped.values()) - len(self.told)
        said += [f"… and more: {more}"] if more else []
        counts = ", ".join(f"{reason} {n}" for reason, n in self.skipped.most_common())
        skipped = f"skipped: {sum(self.skipped.values())}" + (f" ({counts})" if counts else "")
        said.append(
            f"lines read: {self.lines}; companies stored: {self.stored}, lines replaced by later ones: {self.replaced},"
            f" {skipped}; companies of before removed: {self.removed}"
        )
        return "\n".join(said)


def command(service: Service) -> None:
    """What the operator calls."""
    path = register_file()
    if not path:
        raise SettingsError("COMPANY_REGISTER_FILE must name the register file")
    try:
        report = run(service.writer, Path(path))
    except (OSError, reading.NoRegister) as error:
        raise SettingsError(f"{path}: {error}") from error
    sys.stdout.write(f"{report}\n")


def run(engine: Engine, path: Path) -> Report:
    """Import a file. NoRegister if it holds no company: then what was there before stays."""
    facts_time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    with engine.connect() as guard:
        if not guard.scalar(select(func.pg_try_advisory_lock(_LOCK))):
            raise reading.NoRegister("Another import is under way.")
        guard.commit()
        try:
            return _run(engine, path, facts_time)
        finally:
            guard.scalar(select(func.pg_advisory_unlock(_LOCK)))


def _run(engine: Engine, path: Path, facts_time: datetime) -> Report:
    with engine.begin() as connection:
        values = {"file_name": path.name, "facts_time": facts_time, "start_time": datetime.now(UTC)}
        import_id = connection.scalar(insert(imported).values(values).returning(imported.c.id))
    assert import_id is not None
    report = Report()
    piece: dict[str, dict[str, Any]] = {}
    for number, found in reading.companies(path):
        report.lines += 1
        if isinstance(found, Problem):
            report.skipped[found.key.upper()] += 1
            if len(report.told) < TOLD:
                report.told.append((number, found))
            continue
        if found["credit_code"] in piece:
            report.replaced += 1
        piece[found["credit_code"]] = found
        if len(piece) >= PIECE:
            _store(engine, import_id, piece, report)
            piece = {}
    _store(engine, import_id, piece, report)
    if not report.stored:
        raise reading.NoRegister("\n".join(["No line of it holds a company.", str(report)]))
    while removed := _remove(engine, import_id):
        report.removed += removed
    with engine.begin() as connection:
        done = {"finish_time": datetime.now(UTC), "stored": report.stored, "skipped": sum(report.skipped.values())}
        connection.execute(update(imported).where(imported.c.id == import_id).values(done))
    return report


def _store(engine: Engine, import_id: int, piece: dict[str, dict[str, Any]], report: Report) -> None:
    if not piece:
        return
    with engine.begin() as connection, driver(_begun(connection)) as raw:
        raw.execute(_TEMPORARY)
        with raw.cursor().copy(_COPY) as copy:
            for row in piece.values():
                words, pairs = search.keys([compared(row["name"])])
                values = [row[n] for n in FIELDS]
                copy.write_row([*values, Jsonb(row["risks"]), import_id, words, pairs])
        twice = raw.execute(_TWICE).fetchone()
        raw.execute(_MERGE)
    again = twice[0] if twice else 0
    report.replaced += again
    report.stored += len(piece) - again


def _begun(connection: Connection) -> Connection:
    """A connection whose transaction the driver knows as well."""
    connection.execute(select(1))
    return connection


def _remove(engine: Engine, import_id: int) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(_GONE, {"id": import_id}) or 0)


def compared(name: str) -> str:
    """A name as it is compared: without spaces, for people type them or not."""
    return search.normal(name).replace(" ", "")
