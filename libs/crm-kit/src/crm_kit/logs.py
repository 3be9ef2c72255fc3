"""Logs: one JSON object a line on standard output; user text stays on its line."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, whatever `extra={"data": {...}}` adds, and an exception if there is one."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        data = getattr(record, "data", None)
        if data:
            line.update(data)
        if record.exc_info:
            line["exception"] = traced(record.exc_info[1])
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def said(error: BaseException) -> str:
    """An error in one line without what it says of a row: the database's words may hold the values themselves."""
    cause = getattr(error, "orig", None) or error
    words = str(cause).partition("\n")[0]
    state = getattr(cause, "sqlstate", None) or ""
    if state[:2] in _OF_VALUES:
        place = [getattr(cause.diag, n) for n in ("table_name", "column_name", "constraint_name")]  # type: ignore[union-attr]
        words = " ".join([state, *(word for word in place if word)])
    return f"{type(cause).__name__}: {words}"


_OF_VALUES = ("22", "23")
"""Classes of SQLSTATE (data, integrity) whose messages repeat what was to be stored."""


def traced(error: BaseException | None) -> str:
    """Where an error came from, with those behind it, each in the words of `said`."""
    parts: list[str] = []
    while error is not None and len(parts) < 10:
        parts.append("".join(traceback.format_tb(error.__traceback__)) + said(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(reversed(parts))


_service = ""


def say(logger: logging.Logger, message: str, data: dict[str, Any]) -> None:
    """The INFO line of a request, in one write. What `logging` does for a line costs more than the line."""
    if logger.isEnabledFor(logging.INFO):
        now = _time(datetime.now(UTC))
        line = {"time": now, "level": "INFO", "service": _service, "logger": logger.name, "message": message, **data}
        os.write(sys.stdout.fileno(), orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def configure(service: str, level: str = "INFO") -> None:
    """Send all logs of this process to standard output as JSON lines."""
    global _service
    _service = service
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # psycopg and nats say at WARNING what we say once ourselves.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
