"""`me` in a filter: the caller, wherever a field names a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crm_kit.rpc import Call
from crm_records import custom_fields, filter_language
from crm_records.filter_language import Comparison
from crm_records.record import Record

ME, USER = "me", "user"


def named(call: Call, record: Record, tree: Any) -> Any:
    """The tree with the caller's id for `me`; where nobody asks, the word stays, which is nobody's id."""
    user_id = call.caller.user_id
    if not user_id or not any(ME in test.values for test in filter_language.tests(tree)):
        return tree
    return _named(tree, _people(call, record), user_id)


def _named(node: Any, people: set[str], user_id: str) -> Any:
    if not isinstance(node, Comparison):
        return replace(node, parts=tuple(_named(part, people, user_id) for part in node.parts))
    if node.field not in people:
        return node
    return replace(node, values=tuple(user_id if value == ME else value for value in node.values))


def _people(call: Call, record: Record) -> set[str]:
    """Fields that name people, as the contract and as JSON write them."""
    found = [f for f in record.stored.values() if USER in (f.references, f.mentions)]
    custom = custom_fields.KEPT.read(call.connection).get(record.type, {})
    return {
        *(f.name for f in found),
        *(f.json_name for f in found),
        *(f"custom.{key}" for key, row in custom.items() if row.references == USER),
    }
