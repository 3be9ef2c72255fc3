"""States of a document as a table: in a state, an action leads to another, if the caller may and the fields are there.

A client reads the table and shows just the allowed actions; an action that is not allowed says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields
from crm_records.record import Record, Row


@dataclass(frozen=True, slots=True)
class Transition:
    """In each of the states `of`, `action` leads to `to`."""

    of: Sequence[str]
    action: str
    to: str
    right: str
    label: tuple[str, str]
    event: str
    """What is announced: "won"."""
    required: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class States:
    """The state table of a record type."""

    message: type[Message]
    initial: str
    transitions: Sequence[Transition]
    column: str = "state"
    labels: dict[str, tuple[str, str]] = field(default_factory=dict, init=False)
    """What people call the states (zh, en), as the contract has them."""
    _by_action: dict[tuple[str, str], Transition] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        column = fields.of(self.message.DESCRIPTOR)[self.column]
        self.labels.update(column.labels_of_values)
        for transition in self.transitions:
            if (transition.action, transition.to) in self._by_action:
                raise ValueError(f"two transitions to {transition.to} are called {transition.action}")
            self._by_action[transition.action, transition.to] = transition
            self._by_action.setdefault((transition.action, ""), transition)
            unknown = {self.initial, *transition.of, transition.to} - set(self.labels)
            if unknown:
                raise ValueError(f"unknown states {unknown}")

    def transition(self, action: str, to: str = "") -> Transition:
        """The transition of an action; `to` says which where it may lead to more than one state."""
        return self._by_action[action, to]

    def allow(self, row: Row, action: str, to: str = "") -> Transition:
        """The transition of an action from the row's state, or the refusal that says why not."""
        transition = self.transition(action, to)
        if row[self.column] not in transition.of:
            raise errors.Conflict("action_not_allowed", state=self.labels[row[self.column]], action=transition.label)
        return transition


def missing(record: Record, transition: Transition, row: Row) -> list[Problem]:
    """Fields that the action needs and the row lacks."""
    return [
        Problem(record.fields[n].json_name, "required", {"label": record.fields[n].label})
        for n in transition.required
        if row.get(n) in (None, "", [], {})
    ]


def why_not(call: Call, record: Record, row: Row, transition: Transition) -> str:
    """Empty where the caller may do it now; otherwise the reason in the caller's language."""
    states = record.states
    assert states is not None
    if not call.access.may(transition.right):
        return errors.text("right_missing", call.language, {"right": transition.right})
    if row[states.column] not in transition.of:
        params = {"state": states.labels[row[states.column]], "action": transition.label}
        return errors.text("action_not_allowed", call.language, params)
    return ""
