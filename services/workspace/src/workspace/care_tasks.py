"""What tasks that were made of care tell of people: nothing to who does not see their names in the customer service."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from crm_kit.db import one_of
from crm_kit.field_access import MASKED
from crm_kit.rpc import Call
from workspace.tables import task

CARE = "care_item"
TELLING = frozenset({"title", "description", "record_title"})
"""Fields of a task that are written from the care: it names the person and the company."""
_NAMES = (("contact", "name"), ("customer", "name"), ("customer", "short_name"))


def is_hidden(call: Call) -> bool:
    """Whether the caller does not see some name in full."""
    return any(call.access.fields(kind).strictest(name) <= MASKED for kind, name in _NAMES)


def kept_back(call: Call, task_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """By task, what is not told of it: the care that it is about is read under the rules of people."""
    if not task_ids or not is_hidden(call):
        return {}
    query = select(task.c.id).where(one_of(task.c.id, task_ids), task.c.record_type == CARE)
    return dict.fromkeys(call.connection.scalars(query), TELLING)
