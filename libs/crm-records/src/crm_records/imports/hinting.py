"""What a dry run remarks of new rows and refuses for nothing: a record, or an earlier row, that is very much alike."""

from __future__ import annotations

from collections.abc import Sequence

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.imports import matching
from crm_records.imports.drafts import Draft
from crm_records.record import Record

errors.texts({"alike_row": ("{label}与第 {row} 行相同", "{label} is that of row {row}, too")})

_ALIKE = "alike"


def hints(call: Call, record: Record, import_id: str, drafts: Sequence[Draft]) -> dict[int, list[Problem]]:
    """By row. A row that is refused or has its record already is told nothing."""
    new = [draft for draft in drafts if not draft.record_id and not draft.problems]
    told = record.import_hints(call, [draft.message for draft in new]) if new else []
    found: dict[int, list[Problem]] = {}
    first: dict[int, int] = {}
    others: dict[int, list[int]] = {}
    for draft, (alike_by, problem) in zip(new, told, strict=True):
        if problem is not None:
            found[draft.row] = [problem]
        if alike_by:
            hashed = matching.hash_of(_ALIKE, alike_by)
            first.setdefault(hashed, draft.row)
            others.setdefault(hashed, []).append(draft.row)
    earlier = dict(first)
    earlier.update(matching.taken(call, import_id, first) if first else ())
    title = record.fields[record.title_field]
    for hashed, rows in others.items():
        for row in rows:
            if earlier[hashed] < row:
                problem = Problem(title.json_name, "alike_row", {"label": title.label, "row": earlier[hashed]})
                found.setdefault(row, []).append(problem)
    return found
