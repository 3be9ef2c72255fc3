"""The record types that are asked about."""

from security.customer_kinds import CUSTOMER_KINDS
from security.kind import Kind

_OTHERS = (
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
        copied={"record_title": ("customer", "contact", "opportunity", "service_request", "task")},
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

KINDS: dict[str, Kind] = {k.type: k for k in (*CUSTOMER_KINDS, *_OTHERS)}
"""A new record type joins every generated case with an entry here and rows in `world.py`."""

ACTIONS = (
    "read",
    "create",
    "update",
    "delete",
    "assign",
    "import",
    "export",
    "print",
    "reveal",
    "approve",
    "configure",
)
RESOURCES = (*(*KINDS, "customer_brief", "report", "behaviour", "pool", "segment", "pyramid", "registered_company"),)
SERVICES = ("identity", "customer", "sales", "service-desk", "workspace", "reporting")


def right_of(verb: str, kind: Kind) -> str:
    """The right that a verb asks for: its own where there is one, else the right to update."""
    action = {"restore": "delete", "return": "approve", "comment": "approve"}.get(verb, verb)
    return f"{kind.type}.{action if action in ACTIONS else 'update'}"
