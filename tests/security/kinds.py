"""The record types that are asked about: their names on every surface, and fields to ask about. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kind:
    """One record type, and how it is called where."""

    type: str
    service: str
    noun: str
    """In the names of RPCs: GetCustomer."""
    nouns: str
    plural: str
    """The field of a list's answer."""
    parent: str = ""
    """Type of what it is part of."""
    parent_field: str = ""
    text: str = "remarks"
    """A text that any update may change."""
    compared: Sequence[str] = ()
    """Fields to filter by; their values are in Record.values."""
    ordered: Sequence[str] = ("create_time",)
    searched: Sequence[str] = ()
    """Fields whose values find a record in the search box."""
    ruled: Sequence[str] = ()
    """Fields that roles have rules for."""
    sealed: Sequence[str] = ()
    """Of these, the fields that are kept encrypted: found by their exact value, sorted by nobody."""
    states: Sequence[str] = ()
    verbs: Sequence[str] = ("update", "delete")
    owned: bool = True
    facts: Sequence[str] = ()
    """Columns that verbs change and figures are made of."""
    own_states: dict[str, Sequence[str]] = field(default_factory=dict)
    """Verb → the states in which it is possible."""


KINDS: dict[str, Kind] = {
    k.type: k
    for k in (
        Kind(
            "customer",
            "customer",
            "Customer",
            "Customers",
            "customers",
            compared=("owner_id", "department_id", "province", "city", "kind"),
            ordered=("create_time", "name", "province", "annual_revenue", "owner_id"),
            searched=("name", "number", "pinyin", "mobile"),
            ruled=("mobile", "email", "bank_account", "annual_revenue", "city", "short_name"),
            sealed=("mobile", "email", "bank_account"),
            verbs=("update", "assign", "delete", "import"),
        ),
        Kind(
            "contact",
            "customer",
            "Contact",
            "Contacts",
            "contacts",
            parent="customer",
            parent_field="customer_id",
            compared=("customer_id", "department", "hobbies"),
            ordered=("create_time", "name"),
            searched=("name", "mobile"),
            ruled=("mobile", "email", "hobbies", "department"),
            sealed=("mobile", "email"),
            verbs=("update", "delete", "import"),
            owned=False,
        ),
        Kind(
            "interaction",
            "customer",
            "Interaction",
            "Interactions",
            "interactions",
            parent="customer",
            parent_field="customer_id",
            text="place",
            compared=("customer_id", "kind"),
            ordered=("create_time", "start_time"),
            ruled=("content", "result"),
            owned=False,
        ),
        Kind(
            "trade_entry",
            "customer",
            "TradeEntry",
            "TradeEntries",
            "trade_entries",
            parent="customer",
            parent_field="customer_id",
            compared=("customer_id", "kind", "document_number"),
            ordered=("create_time", "date", "amount"),
            ruled=("document_number",),
            verbs=("update", "delete", "import"),
            owned=False,
        ),
        Kind(
            "opportunity",
            "sales",
            "Opportunity",
            "Opportunities",
            "opportunities",
            compared=("owner_id", "state", "customer_id", "currency"),
            ordered=("create_time", "expected_amount", "title"),
            searched=("title", "number"),
            ruled=("expected_amount", "description", "prospect_name", "expected_close_date"),
            states=("unassigned", "assigned", "developing", "won", "lost", "archived"),
            verbs=("update", "assign", "delete", "win", "lose", "reopen", "archive"),
            facts=("won_amount", "expected_amount", "lost_reason", "stage"),
            own_states={
                "assign": ("unassigned", "assigned", "developing"),
                "move": ("assigned", "developing"),
                "win": ("assigned", "developing"),
                "lose": ("unassigned", "assigned", "developing"),
                "reopen": ("won", "lost", "archived"),
                "archive": ("won", "lost"),
            },
        ),
        Kind(
            "service_request",
            "service-desk",
            "ServiceRequest",
            "ServiceRequests",
            "service_requests",
            compared=("owner_id", "state", "customer_id", "creator_id", "priority"),
            ordered=("create_time", "priority"),
            searched=("summary", "number"),
            ruled=("request", "priority", "channel"),
            states=("created", "assigned", "handled", "feedback", "archived"),
            verbs=("update", "assign", "delete", "handle", "feedBack"),
            own_states={
                "assign": ("created", "assigned"),
                "handle": ("assigned",),
                "feedBack": ("handled",),
                "archive": ("feedback",),
                "merge": ("created", "assigned", "handled", "feedback"),
            },
        ),
        Kind(
            "task",
            "workspace",
            "Task",
            "Tasks",
            "tasks",
            text="description",
            compared=("owner_id", "state", "creator_id", "priority"),
            ordered=("create_time", "due_time", "title"),
            searched=("title", "number"),
            ruled=("priority", "record_title", "due_time"),
            states=("open", "done", "cancelled"),
            verbs=("update", "assign", "delete", "complete", "cancel", "reopen"),
            own_states={
                "assign": ("open",),
                "complete": ("open",),
                "cancel": ("open",),
                "reopen": ("done", "cancelled"),
            },
        ),
        Kind(
            "task_comment",
            "workspace",
            "TaskComment",
            "TaskComments",
            "task_comments",
            parent="task",
            parent_field="task_id",
            text="text",
            compared=("task_id",),
            verbs=(),
            owned=False,
        ),
    )
}
"""A new record type joins every generated case with an entry here and rows in `world.py`."""

ACTIONS = ("read", "create", "update", "delete", "assign", "import", "export", "print", "reveal")
RESOURCES = (*KINDS, "customer_brief", "report")
SERVICES = ("identity", "customer", "sales", "service-desk", "workspace", "reporting")


def right_of(verb: str, kind: Kind) -> str:
    """The right that a verb asks for: its own where there is one, else the right to update."""
    action = {"restore": "delete"}.get(verb, verb)
    return f"{kind.type}.{action if action in ACTIONS else 'update'}"
