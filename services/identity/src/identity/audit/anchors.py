"""Anchors: the hash of the newest entry, written every few seconds to a file outside the database.

Whoever can change the database can compute a new chain behind every change; they cannot make it fit what stands in a
file that they do not reach. Several processes may append to one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from crm_kit.rpc import Call
from identity.audit import trail

SECONDS = 10.0
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The hash that an entry had when it was the newest one."""

    seq: int
    hash: str
    time: str


def file() -> Path:
    """AUDIT_ANCHORS, or `audit/anchors.jsonl` in the data folder."""
    given = os.environ.get("AUDIT_ANCHORS")
    return Path(given) if given else Path(os.environ.get("CRM_DATA") or ".data") / "audit" / "anchors.jsonl"


class Anchors:
    """Writes the anchors of one process: one at its start, then whenever the newest entry is another one."""

    def __init__(self) -> None:
        self._last: tuple[int, str] | None = None

    def write(self, call: Call) -> None:
        """Anchor the newest entry if it was not yet."""
        newest = trail.head(call.connection)
        if newest[0] and newest != self._last:
            append(Anchor(*newest, time=datetime.now(UTC).isoformat(timespec="seconds")))
            self._last = newest


def append(anchor: Anchor) -> None:
    """Add a line, on the disk when this returns. One write for each line, so those of several processes do not mix."""
    place = file()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = orjson.dumps({"seq": anchor.seq, "hash": anchor.hash, "time": anchor.time}) + b"\n"
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(descriptor, line) != len(line):
            with suppress(OSError):
                os.write(descriptor, b"\n")  # what was not written whole ends here
            raise OSError(f"{place} takes no more")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read() -> Iterator[list[Anchor]]:
    """All anchors, some at a time, in the order of the file. A line that was not written whole is none."""
    place = file()
    if not place.exists():
        return
    with place.open("rb") as lines:
        found = (anchor for line in lines if (anchor := _parse(line)))
        while some := list(islice(found, _CHUNK)):
            yield some


def _parse(line: bytes) -> Anchor | None:
    try:
        data = orjson.loads(line)
        return Anchor(int(data["seq"]), str(data["hash"]), str(data.get("time", "")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
