"""Ways to tamper with an audit trail, by somebody who may change everything in the database and knows the code."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from crm_kit import ids
from identity.audit.anchors import Anchor
from identity.audit.trail import COLUMNS, GENESIS, Canonical, digest

Rows = list[Canonical]


@dataclass
class Listed:
    """A trail in memory, as a database would give it."""

    all: Rows

    def __post_init__(self) -> None:
        self.all = sorted(self.all, key=lambda row: (row[0], row[-1]))

    def rows(self, first: int | None, last: int) -> Sequence[Canonical]:
        low = 0 if first is None else bisect_left(self.all, first, key=lambda row: row[0])
        return self.all[low : bisect_right(self.all, last, key=lambda row: row[0])]

    def hashes(self, seqs: Sequence[int]) -> dict[int, str]:
        wanted = set(seqs)
        return {row[0]: row[-1] for row in self.all if row[0] in wanted}

    def newest(self) -> int:
        return self.all[-1][0] if self.all else 0


@dataclass
class Tampering:
    """What was done, to which entry first, and the trail that came of it."""

    how: str
    first: int
    rows: Rows


def anchored(rows: Rows, chance: random.Random) -> list[Anchor]:
    """Anchors as they come about every few seconds, the last one of the newest entry."""
    places = sorted({*chance.sample(range(1, len(rows)), len(rows) // 40), len(rows)})
    return [Anchor(rows[p - 1][0], rows[p - 1][-1], "") for p in places]


def sealed(rows: Rows, start: int, end: int | None = None) -> Rows:
    """The same with places and hashes computed anew from one entry on, so that the chain holds."""
    done = rows[: start - 1]
    for seq, row in enumerate(rows[start - 1 : end], start):
        previous = done[-1][-1] if done else GENESIS
        new = (seq, *row[1:-2], previous, "")
        done.append((*new[:-1], digest(new)))
    return done + (rows[end:] if end is not None else [])


def other(chance: random.Random, row: Canonical, column: str) -> Canonical:
    """An entry with another value in one column, one that could well stand there."""
    place = COLUMNS.index(column)
    old = row[place]
    match column:
        case "seq":
            new: Any = old + chance.choice([-3, -1, 1, 2, 10_000, 2**40, -old])
        case "id":
            new = ids.uuid7()
        case "time":
            new = f"{int(old[:-7]) + chance.choice([-86_400, -1, 0, 1])}.{chance.randrange(10**6):06}"
        case "hash" | "previous_hash":
            at = chance.randrange(64)
            new = old[:at] + chance.choice([c for c in "0123456789abcdef" if c != old[at]]) + old[at + 1 :]
        case "changes":
            new = chance.choice(["[]", old + " ", old.replace("客户", "客戶"), old.replace(":", ": ", 1)])
        case _:
            new = chance.choice([old + "x", old[1:], old.upper(), "customer", "", "won"])
    if new == old:
        return other(chance, row, column)
    return (*row[:place], new, *row[place + 1 :])


def change(chance: random.Random, rows: Rows) -> Tampering:
    """One column of one entry."""
    at, column = chance.randrange(len(rows)), chance.choice(COLUMNS)
    new = other(chance, rows[at], column)
    return Tampering(f"change of {column}", min(at + 1, new[0]), [*rows[:at], new, *rows[at + 1 :]])


def change_with_hash(chance: random.Random, rows: Rows) -> Tampering:
    """One entry with a hash that fits it."""
    at, column = chance.randrange(len(rows)), chance.choice(COLUMNS[1:-2])
    new = other(chance, rows[at], column)
    new = (*new[:-1], digest(new))
    return Tampering("change with its hash", at + 1, [*rows[:at], new, *rows[at + 1 :]])


def change_all_behind(chance: random.Random, rows: Rows) -> Tampering:
    """One entry, and the whole chain behind it computed anew."""
    at, column = chance.randrange(len(rows)), chance.choice(COLUMNS[1:-2])
    new = [*rows[:at], other(chance, rows[at], column), *rows[at + 1 :]]
    return Tampering("change with the chain behind it", at + 1, sealed(new, at + 1))


def change_some_behind(chance: random.Random, rows: Rows) -> Tampering:
    """One entry, and the chain computed anew up to another."""
    at, column = chance.randrange(len(rows) - 1), chance.choice(COLUMNS[1:-2])
    new = [*rows[:at], other(chance, rows[at], column), *rows[at + 1 :]]
    return Tampering("change with part of the chain", at + 1, sealed(new, at + 1, chance.randrange(at + 1, len(rows))))


def delete(chance: random.Random, rows: Rows) -> Tampering:
    """Some entries in the middle."""
    at = chance.randrange(len(rows) - 1)
    count = chance.randint(1, min(5, len(rows) - 1 - at))
    return Tampering("deletion", at + 1, rows[:at] + rows[at + count :])


def delete_all_behind(chance: random.Random, rows: Rows) -> Tampering:
    """The same, with the gap closed and the chain computed anew."""
    done = delete(chance, rows)
    return Tampering("deletion with the chain behind it", done.first, sealed(done.rows, done.first))


def insert(chance: random.Random, rows: Rows) -> Tampering:
    """An entry that never happened, in a place that is taken or where the rest moves on."""
    at = chance.randrange(len(rows))
    forged = other(chance, other(chance, rows[at], "id"), "action")
    forged = (*forged[:-2], rows[at][-2], "")
    forged = (*forged[:-1], digest(forged))
    behind = rows[at:] if chance.random() < 0.5 else [(row[0] + 1, *row[1:]) for row in rows[at:]]
    return Tampering("insertion", at + 1, [*rows[:at], forged, *behind])


def insert_all_behind(chance: random.Random, rows: Rows) -> Tampering:
    """The same, with the chain computed anew."""
    at = chance.randrange(len(rows))
    forged = other(chance, other(chance, rows[at], "id"), "actor_name")
    return Tampering("insertion with the chain behind it", at + 1, sealed([*rows[:at], forged, *rows[at:]], at + 1))


def swap(chance: random.Random, rows: Rows) -> Tampering:
    """Two entries change places, with or without the chain computed anew."""
    one, two = sorted(chance.sample(range(len(rows)), 2))
    new = rows.copy()
    new[one], new[two] = (one + 1, *rows[two][1:]), (two + 1, *rows[one][1:])
    again = chance.random() < 0.5
    return Tampering("exchange", one + 1, sealed(new, one + 1) if again else new)


def duplicate(chance: random.Random, rows: Rows) -> Tampering:
    """One entry twice, in its own place or in that of another."""
    at = chance.randrange(len(rows))
    copy = rows[at] if chance.random() < 0.5 else (chance.randint(1, len(rows)), *rows[at][1:])
    return Tampering("duplicate", min(copy[0], at + 1) if copy == rows[at] else copy[0], [*rows, copy])


def cut_off(chance: random.Random, rows: Rows) -> Tampering:
    """The tail, sometimes all of it; sometimes others stand in its place."""
    at = chance.choice([0, chance.randrange(len(rows)), len(rows) - 1])
    left = rows[:at]
    if chance.random() < 0.3:
        forged = [other(chance, row, "action") for row in rows[at : at + chance.randint(1, 2000)]]
        return Tampering("tail replaced", at + 1, sealed(left + forged, at + 1))
    return Tampering("tail cut off", at + 1, left)


WAYS: tuple[Callable[[random.Random, Rows], Tampering], ...] = (
    change,
    change_with_hash,
    change_all_behind,
    change_some_behind,
    delete,
    delete_all_behind,
    insert,
    insert_all_behind,
    swap,
    duplicate,
    cut_off,
)

_PLACES = ", ".join(f"%({name})s" for name in COLUMNS).replace(
    "%(time)s", "timestamptz 'epoch' + (%(time)s || ' seconds')::interval"
)


def store(connection: Connection, before: Rows, after: Rows) -> None:
    """Make the table hold what was tampered with: as superuser, past triggers, and past keys if they are in the way."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    old, new = Counter(before), Counter(after)
    driver: Any = connection.connection.driver_connection
    gone = {row[0] for row in old - new}
    come = [*(new - old).elements(), *(row for row in (new & old).elements() if row[0] in gone)]
    driver.execute("DELETE FROM audit_entry WHERE seq = ANY(%s)", [list(gone)])
    for key in ("pkey", "id_key"):
        connection.execute(text(f"ALTER TABLE audit_entry DROP CONSTRAINT IF EXISTS audit_entry_{key}"))
    statement = f"INSERT INTO audit_entry ({', '.join(COLUMNS)}) VALUES ({_PLACES})"
    driver.cursor().executemany(statement, [dict(zip(COLUMNS, row, strict=True)) for row in come])
