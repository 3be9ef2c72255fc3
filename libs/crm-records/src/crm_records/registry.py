"""The records of one service together: what knows all of them, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Engine

from crm_kit.rpc import Call
from crm_records.numbers import Numbers
from crm_records.record import Record

Existence = Callable[[Call, Sequence[str]], set[str]]
"""Which of these ids exist and may be pointed at by the caller."""


class Registry:
    """The records of a service, and how references to others' records are checked."""

    def __init__(
        self,
        records: Sequence[Record],
        foreign: Mapping[str, Existence] | None = None,
        names: Sequence[tuple[Column[Any], Column[Any]]] = (),
    ) -> None:
        """`names` are places beside records where people's names stand: (column of the id, column of the name)."""
        self.records = {r.type: r for r in records}
        self.foreign = dict(foreign or {})
        self.names = tuple(names)
        self.numbers: Numbers | None = None
        self.job_labels: dict[str, tuple[str, str]] = {}
        """What the kinds of jobs of the service are called: (zh, en)."""
        for record in records:
            record.registry = self

    def connect(self, writer: Engine) -> None:
        """Numbers are handed out through this engine. Where they are already, none that were taken ahead are used."""
        if self.numbers is not None and self.numbers.source is writer:
            self.numbers.forget()  # its connection stays: opening one takes longer than most writes
        else:
            self.numbers = Numbers(writer)
