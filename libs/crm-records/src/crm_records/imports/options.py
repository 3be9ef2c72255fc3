"""What an importer chooses besides the columns: by what records are found, and whose the new ones are."""

from __future__ import annotations

from typing import Any

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.field_names import snake
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import references, writing
from crm_records.imports import mapping
from crm_records.record import Record

errors.texts({"one_of_both": ("负责人和所属部门只能给出一个", "Give an owner or a department, not both")})


def chosen(call: Call, record: Record, before: Any, request: Any, columns: Any) -> dict[str, Any]:
    """The options as an import keeps them; as they were where the request gives none. Refuses wrong ones together."""
    if not request.HasField("options"):
        kept = dict(before)
        if not any(c["field"] == kept.get("key") for c in columns):
            kept["key"] = mapping.default_key(record, columns)
        return kept
    given = request.options
    problems = []
    described = kinds.of(given.DESCRIPTOR)
    keys = [record.fields[n].json_name for n in record.import_keys]
    key = given.key and record.fields[snake(given.key)].json_name if snake(given.key) in record.fields else given.key
    if key and key not in keys:
        params = {"label": described["key"].label, "value": given.key[:60], "choices": ", ".join(keys)}
        problems.append(Problem("options.key", "not_a_choice", params))
    if given.existing and given.existing not in mapping.POLICIES:
        params = {"label": described["existing"].label, "value": given.existing[:60]}
        problems.append(Problem("options.existing", "not_a_choice", {**params, "choices": ", ".join(mapping.POLICIES)}))
    for name in ("owner_id", "department_id"):
        value, wrong = getattr(given, name), ""
        if not value:
            continue
        if name not in record.stored:
            wrong = "unknown_reference"
        elif name == "owner_id":
            wrong = references.not_an_owner(call, record, value)
        elif not (kinds.is_id(value) and references.existing(call, record, "department", [value])):
            wrong = "unknown_reference"
        if wrong:
            field = described[name]
            problems.append(Problem(f"options.{field.json_name}", wrong, {"label": field.label}))
    if given.owner_id and given.department_id:
        problems.append(Problem("options.ownerId", "one_of_both"))
    writing.refuse(problems)
    return {
        "key": key or mapping.default_key(record, columns),
        "existing": given.existing or "update",
        "ownerId": given.owner_id,
        "departmentId": given.department_id,
        "keepOrigin": given.keep_origin,
    }
