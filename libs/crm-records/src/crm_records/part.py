"""A topic of a service: what it adds, said in one place beside its rules.

A service of many topics is put together from their parts; `app.py` then holds what is of the service as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column

from crm_kit.inbox import Handler
from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_kit.timers import Timer
from crm_records.record import Record


@dataclass(frozen=True, slots=True)
class Part:
    """What one topic adds to a service."""

    servicers: Sequence[type] = ()
    """Each answers the contract's service of its name: `VisitServicer` answers VisitService."""
    records: Sequence[Record] = ()
    jobs: Sequence[Kind] = ()
    timers: Sequence[Timer] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    seed: Callable[[Call], None] | None = None
    """Stores what a new installation starts with; run after every migration."""
    names: Sequence[tuple[Column[Any], Column[Any]]] = ()
    """Places beside records where people's names stand: (column of the id, column of the name)."""

    def answers(self) -> dict[str, object]:
        """The servicers by the name of the contract's service."""
        return {one.__name__.removesuffix("Servicer") + "Service": one() for one in self.servicers}
