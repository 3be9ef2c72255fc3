"""What an entry shows to its reader: no more of a record than the reader would see of the record itself.

The scope of `audit_entry` says whose acts somebody sees; the values that lie in them obey the rights and the field
rules of the record type they belong to:

- without `<record type>.read`, who, when and which field stay, and every value is left out;
- a field that is hidden from the reader in any state is dropped, of one that is masked the values are `***`;
- which field is made of which is known to the service that has them, not to identity. So where any field of the type is
  hidden or masked, everything that the contract marks as filled in by the system (the pinyin of a name) or does not
  name at all is taken as made of the most closed one.
"""

from __future__ import annotations

from typing import Any

import orjson

from crm_kit.access import Access
from crm_kit.field_access import MASKED, FieldRules
from crm_kit.field_names import camel
from identity import field_rules
from identity.audit.persons import hidden
from identity.audit.trail import CHANGE

TEAM = ("userId", "access", "endTime")
"""What entries of a record's team tell; no fields of the record."""


def changes(access: Access, row: Any) -> Any:
    """The changes of an entry as the reader may see them: JSON as it was stored, read. ValueError if it is none."""
    found = orjson.loads(row.changes)
    if row.kind != CHANGE or not isinstance(found, list):
        return found
    if not access.may(f"{row.record_type}.read"):
        return [{"field": change["field"]} for change in found]
    rules = access.fields(row.record_type)
    if not (closed := {level for n in rules.fields if (level := rules.strictest(n)) <= MASKED}):
        return found
    derived = min(closed)
    names = {camel(name): name for name in field_rules.fields().get(row.record_type, ())}
    shown = []
    for change in found:
        level = _level(rules, row.record_type, names, change["field"], derived)
        if level > MASKED:
            shown.append(change)
        elif level == MASKED:
            shown.append(hidden(change))
    return shown


def is_whole(access: Access, row: Any) -> bool:
    """Whether the reader sees whatever stands in an entry."""
    rules = access.fields(row.record_type)
    open_to_all = all(rules.strictest(name) > MASKED for name in rules.fields)
    return row.kind != CHANGE or (access.may(f"{row.record_type}.read") and open_to_all)


def _level(rules: FieldRules, record_type: str, names: dict[str, str], field: str, derived: int) -> int:
    """How open one field of a change is, `derived` where it may be made of others."""
    if field.startswith(field_rules.CUSTOM):
        return min(rules.strictest("custom"), rules.strictest(field))
    name = names.get(field)
    if name is None:
        return rules.strictest(field) if field in TEAM else derived
    level = rules.strictest(name)
    filled_in = field_rules.fields()[record_type][name]
    return level if filled_in else min(level, derived)
