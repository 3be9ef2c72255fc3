"""Many records, each for itself: what one refuses stops no other and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError, IntegrityError

from crm_kit import failures
from crm_kit.errors import Refusal
from crm_kit.rpc import Call

T = TypeVar("T")


@dataclass(slots=True)
class Outcome:
    """What became of one: a value, or the refusal."""

    value: Any = None
    refusal: Refusal | None = None

    def reason(self, call: Call) -> str:
        """Why it was refused, in the caller's language."""
        assert self.refusal is not None
        told = "; ".join(p.message(call.language) for p in self.refusal.problems)
        return told or self.refusal.message(call.language)


def one(call: Call, items: Sequence[T], do: Callable[[T], Any]) -> list[Outcome]:
    """Do something with each: all in one savepoint, and if one is refused, each in its own."""
    together = _attempt(call, lambda: [do(item) for item in items])
    if together.refusal is None:
        return [Outcome(value) for value in together.value]
    if len(items) == 1:
        return [together]
    return [_attempt(call, partial(do, item)) for item in items]


def _attempt(call: Call, do: Callable[[], Any]) -> Outcome:
    announced = len(call.events)
    try:
        with call.connection.begin_nested():
            return Outcome(do())
    except Refusal as refusal:
        found = refusal
    except (IntegrityError, psycopg.IntegrityError, psycopg.DataError) as error:
        found = failures.translate(error)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.DataError):
            raise
        found = failures.translate(error)
    del call.events[announced:]
    return Outcome(refusal=found)
