"""The dictionary of customer events that a new installation starts with."""

from __future__ import annotations

from crm_kit.rpc import Call
from crm_records import seed as seeding
from crm_records.seed import Entry

DICTIONARIES: dict[str, list[Entry]] = {
    "customer_event_kind": [
        ("banquet", "宴请", "Banquet"),
        ("seminar", "研讨会", "Seminar"),
        ("gift", "礼品", "Gift"),
        ("visit_to_us", "客户来访", "Visit to us"),
        ("exhibition", "展会接待", "Exhibition"),
        ("outing", "文体活动", "Outing"),
        ("other", "其他", "Other"),
    ],
}


def seed(call: Call) -> None:
    """Run after every migration."""
    seeding.dictionary_entries(call, DICTIONARIES)
