"""Which figures a caller sees: none that are made of a field which their roles hide or mask on the records counted.

What each group, measure and label is made of stands here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm_kit import errors, field_access
from crm_kit.errors import Problem
from crm_kit.field_access import READ_ONLY
from crm_kit.rpc import Call

errors.texts(
    {
        "report_of_closed_fields": (
            "此报表由您无权完整查看的字段得出",
            "This report is made of fields that you do not see in full",
        ),
    }
)

Fields = Mapping[str, tuple[str, ...]]

GROUPS: Mapping[str, Fields] = {
    "opportunity": {
        "stage": ("stage",),
        "product": ("lines",),
        "customer": ("customer_id",),
        "owner": ("owner_id",),
        "manager": ("owner_id",),
        "region": ("owner_id", "department_id"),
        "quarter": ("state", "close_date", "expected_close_date"),
    },
    "customer": {
        **{n: (n,) for n in ("type", "level", "relation", "industry", "province", "region", "source")},
        "owner": ("owner_id",),
        "department": ("owner_id", "department_id"),
        "month": ("create_time",),
    },
    "service_request": {
        **{n: (n,) for n in ("state", "kind", "priority")},
        "owner": ("owner_id",),
        "customer": ("customer_id",),
        "month": ("create_time",),
    },
}
"""Record type → group → the fields of the record that it is made of."""

MEASURES: Mapping[str, Fields] = {
    "opportunity": {
        "won_count": ("state", "stage"),
        "won_amount": ("state", "stage", "won_amount"),
        "win_rate": ("state", "stage"),
        "mean_cycle_days": ("state", "stage", "create_time", "engage_date", "close_date"),
        "open_amount": ("state", "expected_amount"),
    },
    "customer": {},
    "service_request": {
        "open_count": ("state",),
        "mean_satisfaction": ("satisfaction",),
        "mean_handling_hours": ("create_time", "handle_time"),
    },
}
"""Record type → measure → the fields of the record that it is made of."""

LABELS: Mapping[str, tuple[str, str]] = {"customer": ("customer", "name"), "product": ("product", "name")}
"""Group → the field of another record whose copy labels its lines."""

PERIOD = ("state", "close_date", "expected_close_date")
FUNNEL = ("stage", "stage_history")


def sees(call: Call, resource: str, fields: Iterable[str]) -> bool:
    """Whether the caller sees all of these fields of a record type in full, in every state."""
    rules = call.access.fields(resource)
    return not rules or all(rules.strictest(f) >= READ_ONLY for f in fields)


def measures(call: Call, resource: str) -> frozenset[str]:
    """The measures that the caller sees."""
    return frozenset(name for name, fields in MEASURES[resource].items() if sees(call, resource, fields))


def refuse_group(call: Call, resource: str, group: str) -> None:
    """INVALID_ARGUMENT for a group made of what the caller does not see, as for one that there is not."""
    if not sees(call, resource, GROUPS[resource][group]):
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": group}))


def label(call: Call, group: str, text: str) -> str:
    """The label of a line, as the record it names would show it."""
    if group not in LABELS or not text:
        return text
    resource, field = LABELS[group]
    return field_access.shown(call.access.fields(resource), field, text)
