"""Tests of what every service does its part of: identity decides, the service hears it and its own announcements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from crm.identity.v1.handovers_pb2 import Handover
from crm.records.v1.handover_pb2 import HandoverPart
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from crm_records.changes import set_value

DECIDER = ids.uuid7()
"""Who decided; "总经理" is the name."""


def merged(record: Any, act_id: str, gone: Sequence[str], action: str = "merged", version: int = 9) -> Any:
    """The event of a merge, or of one that was taken back, by `DECIDER`."""
    told = event(record, action, version)
    told.actor_id, told.actor_name = DECIDER, "总经理"
    set_value(told.changes.add(field="actId").after, act_id)
    set_value(told.changes.add(field="mergedIds").after, list(gone))
    return told


class Handing:
    """One handover as identity decides it, and what the service says of its part."""

    def __init__(self, server: Server, leaver: Client, *takers: Client, **more: Any) -> None:
        self.server, self.version = server, 0
        everything = [{"to_user_id": t.user_id} for t in takers]
        fields = {"assignments": everything, "state": "preview", **more}
        self.record = Handover(id=ids.uuid7(), number="JJ20261124-0001", from_user_id=leaver.user_id, **fields)
        self.heard = 0

    def decide(self, action: str) -> None:
        """Identity announces it; the service goes on with its own announcements until it says no more."""
        self.say(action)
        self.go_on()

    def say(self, action: str) -> None:
        self.version += 1
        told = event(self.record, action, self.version)
        told.actor_id, told.actor_name = DECIDER, "总经理"
        self.server.deliver("identity", told)

    def go_on(self) -> None:
        while more := self.server.events("handover_part")[self.heard :]:
            self.heard += len(more)
            self.server.deliver(self.server.service.name, *more)

    def part(self, record_type: str = "customer") -> Any:
        said = [HandoverPart.FromString(e.record.value) for e in self.server.events("handover_part")]
        return [p for p in said if p.record_type == record_type][-1]


def credit_code(number: int) -> str:
    """A unified social credit code with its check digit (GB 32100-2015)."""
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    text = f"91310000{number:09}"
    total = sum(letters.index(c) * pow(3, i, 31) for i, c in enumerate(text))
    return text + letters[-total % 31]


def everywhere_in(ask: Callable[..., list[Any]], *words: str) -> list[str]:
    """Where one of these words stands in a database: every column of every table, bytes too, as `table.column`.

    `ask` runs a statement with named parameters: `server.sql` of a service's tests. All tables are one statement:
    a service has more than a thousand columns.
    """
    columns = ask(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
        " JOIN pg_tables t ON t.tablename = c.table_name AND t.schemaname = c.table_schema"
        " WHERE c.table_schema = 'public' ORDER BY 1, 2"
    )
    values: dict[str, list[str]] = {}
    for table, column, kind in columns:
        value = f"encode(\"{column}\", 'hex')" if kind == "bytea" else f'"{column}"::text'
        sought = ":bytes" if kind == "bytea" else ":words"
        values.setdefault(table, []).append(f"('{table}.{column}', {value}, CAST({sought} AS text[]))")
    searches = [
        f'SELECT one.place FROM "{table}", LATERAL (VALUES {", ".join(rows)}) AS one (place, value, sought)'  # noqa: S608
        " WHERE EXISTS (SELECT FROM unnest(one.sought) AS word WHERE position(word IN one.value) > 0)"
        for table, rows in values.items()
    ]
    found = ask(" UNION ".join(searches), words=list(words), bytes=[w.encode().hex() for w in words])
    return sorted(place for (place,) in found)
