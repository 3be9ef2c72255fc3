"""Rules that administrators make of data: a draft is written, put in force, retired. What is in force never changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, select

from crm_kit import contract, errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import sql, storing, writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer.standing import sweep

errors.texts(
    {
        "rule_not_draft": (
            "只能修改草稿；请新建一条规则来替换它",
            "Only a draft can be changed: make another rule to replace it",
        ),
        "rule_active": ("生效中的规则不能删除，请先停用", "A rule in force cannot be deleted: retire it first"),
    }
)

DRAFT, ACTIVE, RETIRED = "draft", "active", "retired"


def states_of(message: type[Message]) -> States:
    """The state table that all rules share."""
    right = f"{contract.record(message.DESCRIPTOR).type}.update"
    return States(
        message,
        initial=DRAFT,
        transitions=(
            Transition((DRAFT,), "activate", ACTIVE, right, ("启用", "put it in force"), "activated"),
            Transition((ACTIVE,), "retire", RETIRED, right, ("停用", "retire it"), "retired"),
        ),
    )


class Rules(Record):
    """A kind of rule."""

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None and before["state"] != DRAFT:
            if any(row[n] != before[n] for n in self.writable):
                raise errors.Conflict("rule_not_draft")
            return
        self.complete(row)

    def may_delete(self, call: Call, row: Row) -> None:
        if row["state"] == ACTIVE:
            raise errors.Conflict("rule_active")

    def complete(self, row: Row) -> None:
        """Fill in what was not given."""

    def problems(self, call: Call, row: Row) -> Iterable[Problem]:
        """Why a rule cannot be put in force."""
        return ()

    def replaced_by(self, row: Row) -> ColumnElement[bool] | None:
        """Which other active rules give way when this one is put in force."""
        return None

    def active(self, call: Call) -> list[Row]:
        """The rules in force, oldest first."""
        return self._found(call, select(self.table).where(self.in_force()).order_by(self.table.c.id))

    def in_force(self) -> ColumnElement[bool]:
        return (self.table.c.state == ACTIVE) & self.table.c.delete_time.is_(None)

    def _found(self, call: Call, query: Any) -> list[Row]:
        return [storing.as_row(call, self, values) for values in sql.prepare(query).run(call.connection).fetchall()]

    def activate(self, call: Call, request: Any) -> Any:
        """Put a draft in force instead of what it replaces."""
        row = storing.locked(call, self, request.id, request.etag)
        assert self.states is not None
        self.states.allow(row, "activate")
        writing.refuse(self.problems(call, row))
        others = self.replaced_by(row)
        if others is not None:
            for other in self._found(call, select(self.table).where(self.in_force(), others).with_for_update()):
                writing.write(call, self, other["id"], None, "retired", lambda _before: {"state": RETIRED})
        sweep.start(call)
        return writing.act(call, self, request.id, request.etag, "activate")

    def retire(self, call: Call, request: Any) -> Any:
        """Take a rule out of force."""
        sweep.start(call)
        return writing.act(call, self, request.id, request.etag, "retire")
