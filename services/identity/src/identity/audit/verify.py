"""Checking the trail: every entry against its hash and the one before, and the chain against the anchors outside.

It holds a few thousand entries at a time, however long the trail is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from crm_kit import errors
from crm_kit.service import Service
from crm_kit.settings import Settings, SettingsError
from identity.audit import anchors, trail
from identity.audit.anchors import Anchor
from identity.audit.trail import GENESIS, Canonical

BATCH = 2000
"""Entries that are looked at together."""
LARGEST = 2**63 - 1
"""The highest place that PostgreSQL can hold."""

errors.texts(
    {
        "audit_hash": ("第 {seq} 条的内容与其哈希不符", "Entry {seq} is not what its hash says"),
        "audit_link": (
            "第 {seq} 条与前一条的哈希不相连",
            "Entry {seq} does not hold the hash of the one before it",
        ),
        "audit_order": ("第 {seq} 条出现不止一次或次序错误", "Entry {seq} stands twice or out of its order"),
        "audit_missing": ("第 {seq} 条缺失", "Entry {seq} is missing"),
        "audit_anchor": (
            "第 {seq} 条的哈希与数据库外的锚点不符：此条或更早的条目在写入锚点后被改动",
            "Entry {seq} has another hash than its anchor outside the database: it or an earlier one was changed"
            " after it was anchored",
        ),
        "audit_cut_off": (
            "末尾被截断：第 {seq} 条起缺失，而锚点表明曾存在",
            "The tail is cut off: from entry {seq} on they are missing, though an anchor shows that they were there",
        ),
        "audit_no_anchors": (
            "没有锚点，无法判断整条链是否被重新计算",
            "There are no anchors, so nobody can tell whether the whole chain was computed anew",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry with which the trail is no longer what it was. `what` is the last part of the text's key."""

    seq: int
    what: str

    def message(self, language: str) -> str:
        return errors.text(f"audit_{self.what}", language, {"seq": self.seq})


@dataclass(frozen=True, slots=True)
class Result:
    """What was checked, and what is broken first, if anything."""

    entries: int
    end_seq: int
    anchors: int
    broken: Broken | None


class Entries(Protocol):
    """Where a trail lies."""

    def rows(self, first: int | None, last: int) -> Sequence[Canonical]:
        """Entries by their place, first and last included, in order; from the very beginning where first is None."""

    def hashes(self, seqs: Sequence[int]) -> dict[int, str]:
        """The stored hashes of those that are there."""

    def newest(self) -> int:
        """The highest place; 0 where there is none."""


class Stored:
    """The trail in a database."""

    def __init__(self, connection: Connection) -> None:
        self._driver: Any = connection.connection.driver_connection

    def rows(self, first: int | None, last: int) -> Sequence[Canonical]:
        lower, values = ("", [last]) if first is None else (" AND seq >= %s", [last, first])
        found: Sequence[Canonical] = self._all(f"{trail.SELECT} WHERE seq <= %s{lower} ORDER BY seq, hash", values)
        return found

    def hashes(self, seqs: Sequence[int]) -> dict[int, str]:
        within = "SELECT seq, hash FROM audit_entry WHERE seq = ANY(%s::bigint[])"
        return dict(self._all(within, [[seq for seq in seqs if -LARGEST <= seq <= LARGEST]]))

    def newest(self) -> int:
        return int(self._all("SELECT coalesce(max(seq), 0) FROM audit_entry", [])[0][0])

    def _all(self, query: str, values: list[Any]) -> Any:
        return self._driver.execute(query, values).fetchall()


def check(
    entries: Entries,
    anchored: Callable[[], Iterable[Sequence[Anchor]]],
    start: int = 0,
    most: int | None = None,
    progress: Callable[[int], None] = lambda seq: None,
) -> Result:
    """Check `most` entries from `start` on, all where nothing is said; `anchored` gives the anchors, some at a time."""
    newest = entries.newest()
    end = newest if most is None else min(newest, max(start, 1) + most - 1)
    first = start if start > 1 else None
    walk = _Walk(entries, first)
    for upto, rows in _batches(entries, first, end):
        walk.take(rows, upto)
        if walk.broken:
            break
        progress(walk.last)
    compared, mismatch = _compare(entries, anchored, max(start, 1), end, complete=end == newest, before=walk.broken)
    return Result(walk.count, walk.last, compared, mismatch or walk.broken)


def _batches(entries: Entries, first: int | None, end: int) -> Iterator[tuple[int, Sequence[Canonical]]]:
    """The last place of each batch, and what stands up to there. Before the beginning nothing may stand either."""
    low = first or 1
    while low <= end:
        high = min(low + BATCH - 1, end)
        yield high, entries.rows(first if low == (first or 1) else low, high)
        low = high + 1


class _Walk:
    """Goes along the chain."""

    def __init__(self, entries: Entries, first: int | None) -> None:
        self.count, self.last = 0, (first or 1) - 1
        self.broken: Broken | None = None
        # Where a part is checked, what stands before it is taken for right; of nothing there is nothing to link to.
        self._hash = GENESIS if first is None else entries.hashes([self.last]).get(self.last)

    def take(self, rows: Sequence[Canonical], upto: int) -> None:
        """Look at the next entries; the last of them must be `upto`."""
        for row in rows:
            seq = row[0]
            if seq != self.last + 1:
                self.broken = Broken(*((self.last + 1, "missing") if seq > self.last else (seq, "order")))
            elif trail.digest(row) != row[-1]:
                self.broken = Broken(seq, "hash")
            elif self._hash is not None and row[-2] != self._hash:
                self.broken = Broken(seq, "link")
            if self.broken:
                return
            self.count, self.last, self._hash = self.count + 1, seq, row[-1]
        if self.last < upto:
            self.broken = Broken(self.last + 1, "missing")


def _compare(
    entries: Entries,
    anchored: Callable[[], Iterable[Sequence[Anchor]]],
    start: int,
    end: int,
    *,
    complete: bool,
    before: Broken | None,
) -> tuple[int, Broken | None]:
    """How many anchors of these entries there are, and what they say is broken earlier than what is known."""
    compared, there = 0, False
    found, earliest = None, before.seq if before else LARGEST + 1
    for some in anchored():
        there = True
        wanted = [a for a in some if a.seq >= start and (complete or a.seq <= end)]
        hashes = entries.hashes([a.seq for a in wanted])
        for anchor in wanted:
            compared += 1
            if hashes.get(anchor.seq) == anchor.hash:
                continue
            mismatch = Broken(anchor.seq, "anchor")
            if anchor.seq not in hashes and anchor.seq > (newest := entries.newest()):
                mismatch = Broken(newest + 1, "cut_off")
            if mismatch.seq < earliest:
                found, earliest = mismatch, mismatch.seq
    if not there and end and before is None:
        return compared, Broken(start, "no_anchors")
    return compared, found


def run(service: Service, words: Sequence[str]) -> None:
    """`python -m identity audit-verify [SEQ]`: check everything, or what stands from an entry on.

    Exit code 1 and the first broken entry if it is not well, 2 if it could not be checked.
    """
    try:
        start = int("".join(words) or 0)
        service.connect(Settings.from_environment(service.name))
        with service.reader.connect() as connection:
            result = check(Stored(connection), anchors.read, start, progress=_progress())
            seq, digest = trail.head(connection)
    except (SettingsError, DBAPIError, OSError, ValueError) as error:
        sys.stderr.write(f"identity: {str(error).splitlines()[0]}\n")
        sys.exit(2)
    say(f"{result.entries} entries checked, {result.anchors} anchors compared.")
    say(f"Newest entry: {seq} {digest}")
    if result.broken:
        say(f"BROKEN at {result.broken.seq}: {result.broken.message(errors.EN)}.")
        sys.exit(1)
    say("The trail is whole.")


def _progress() -> Callable[[int], None]:
    """Says every million entries how far it is."""
    said = 0

    def progress(seq: int) -> None:
        nonlocal said
        if seq - said >= 1_000_000:
            said = seq
            say(f"{seq} entries are well.")

    return progress


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
