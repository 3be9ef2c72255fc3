"""Sending rows to an `:import` route, and keeping count of what became of each."""

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crm_cli.client import Client, Json, Refused

LATE = 20.0
"""Seconds that a record made by one service is given to become known to the others."""
_REFERENCE = re.compile(r"Ids?$")
_RANK = ("unchanged", "updated", "created", "failed")


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one row; `id` is empty where it is not stored."""

    outcome: str
    id: str = ""
    reason: str = ""


def store(
    client: Client, path: str, name: str, rows: Sequence[Json], *, also: Json | None = None, late: float = LATE
) -> list[Stored]:
    """Sends rows, at most 1,000; the answers stand in the same order.

    A row may point at a record of another service that its events have not brought there yet: such rows are sent
    again until they pass or time is over.
    """
    done: dict[int, Stored] = {}
    waiting = list(range(len(rows)))
    deadline, pause = time.monotonic() + late, 0.2
    while waiting:
        results = _send(client, f"/v1/{path}:import", name, [rows[i] for i in waiting], also or {})
        again = []
        for i, result in zip(waiting, results, strict=True):
            done[i] = _stored(result)
            if done[i].outcome == "failed" and _may_pass_later(result):
                again.append(i)
        waiting = again if time.monotonic() + pause < deadline else []
        if waiting:
            time.sleep(pause)
            pause = min(pause * 2, 3.0)
    return [done[i] for i in range(len(rows))]


def _send(client: Client, path: str, name: str, rows: Sequence[Json], also: Json) -> list[Json]:
    """One request; halves where it is too large or a single row spoils it."""
    try:
        answer = client.post(path, {name: rows, **also})
    except Refused as refusal:
        of_a_row = refusal.status == 400 and any(str(e.get("field", "")).startswith(f"{name}[") for e in refusal.errors)
        if not (refusal.status == 413 or of_a_row):
            raise
        if len(rows) == 1:
            return [{"outcome": "failed", "reason": str(refusal)}]
        half = len(rows) // 2
        return [*_send(client, path, name, rows[:half], also), *_send(client, path, name, rows[half:], also)]
    results: list[Json] = [{"outcome": "failed", "reason": "the suite did not say what became of it"} for _ in rows]
    for result in answer.get("results") or []:
        results[result.get("index", 0)] = result
    return results


def _may_pass_later(result: Json) -> bool:
    problems = result.get("problems") or []
    return bool(problems) and all(_REFERENCE.search(str(problem.get("field", ""))) for problem in problems)


def _stored(result: Json) -> Stored:
    named = "; ".join(f"{p.get('field')}: {p.get('message')}" for p in result.get("problems") or [])
    failed = result.get("outcome") == "failed"
    reason = (named or result.get("reason") or "refused without a reason") if failed else ""
    return Stored(str(result.get("outcome") or "failed"), str(result.get("id") or ""), reason)


def merged(first: Stored, second: Stored) -> Stored:
    """One outcome for a record that is sent twice, the second time with what could not be known at first."""
    worse = max(first, second, key=lambda stored: _RANK.index(stored.outcome))
    return Stored(worse.outcome, first.id or second.id, first.reason or second.reason)


class Tally:
    """Created, updated, unchanged and failed for each kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, Counter[str]] = {}

    def add(self, kind: str, results: Sequence[Stored]) -> None:
        self.kinds.setdefault(kind, Counter()).update(result.outcome for result in results)

    def fail(self, kind: str, count: int) -> None:
        """Rows that were not even sent."""
        self.kinds.setdefault(kind, Counter())["failed"] += count

    def rows(self) -> list[tuple[str, ...]]:
        """Kind, rows, created, updated, unchanged, failed; ready to be shown."""
        columns = ("created", "updated", "unchanged", "failed")
        return [
            (kind, f"{sum(count.values()):,}", *(f"{count[column]:,}" for column in columns))
            for kind, count in self.kinds.items()
        ]
