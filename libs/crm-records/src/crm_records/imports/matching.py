"""Which record a row of a file is about, and which earlier row of it it repeats.

What two rows of a file share although no two records may is written down, so that a row meets the rows of earlier steps
also where nothing of them was stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import bulk_store, sql, visibility
from crm_records.imports import naming
from crm_records.imports.drafts import Draft
from crm_records.record import Record

errors.texts(
    {
        "same_as_row": ("{label}“{value}”与第 {row} 行相同", "{label} “{value}” is that of row {row}, too"),
        "several_match": ("有多个{label}为“{value}”的记录", "Several records have the {label} “{value}”"),
        "match_unseen": (
            "{label}“{value}”属于您看不到的记录",
            "{label} “{value}” is that of a record that you do not see",
        ),
        "no_match": ("没有{label}为“{value}”的记录", "No record has the {label} “{value}”"),
    }
)

_CLAIM = sql.Prepared(
    "INSERT INTO import_value (import_id, hash, row)"
    " SELECT %(id)s, * FROM unnest(%(hashes)s::bigint[], %(rows)s::int[]) ON CONFLICT DO NOTHING"
    " RETURNING hash",
    {},
)
_CLAIMED = sql.Prepared(
    "SELECT hash, row FROM import_value WHERE import_id = %(id)s AND hash = ANY(%(hashes)s::bigint[])", {}
)


def match(call: Call, record: Record, options: Mapping[str, Any], drafts: Sequence[Draft]) -> None:
    """Find the records that rows are about. Where several may share a key, only among what the importer reads."""
    name = key_field(record, options)
    if not name:
        return
    field = record.fields[name]
    given = sorted({d.key for d in drafts if d.key})
    if not given:
        return
    alone = name == "number" or name in bulk_store.unique_fields(record) or name == record.key
    seen, hidden = _found(call, record, name, given, alone=alone)
    parent = record.parent[0] if record.parent and not alone else ""
    merged: dict[str, tuple[str, str]] = {}
    if name == record.key and name not in visibility.blind(call, record):
        merged = _merged(call, record, {key for key in given if (key, "") not in seen and key not in hidden})
    for draft in drafts:
        if not draft.key:
            continue
        above = getattr(draft.message, parent) if parent else ""
        ids = seen.get((draft.key, above), []) if parent else seen.get((draft.key, ""), [])
        params = {"label": field.label, "value": draft.key[:60]}
        if len(ids) > 1:
            draft.problems.append(Problem(field.json_name, "several_match", params))
        elif ids:
            draft.record_id = ids[0]
        elif draft.key in merged:
            draft.merged, (draft.record_id, draft.key) = True, merged[draft.key]
        elif draft.key in hidden:
            draft.problems.append(Problem(field.json_name, "match_unseen", params))
        elif name == "number":  # numbers are given by us: one that we do not know is a mistake
            draft.problems.append(Problem(field.json_name, "no_match", params))


def _found(
    call: Call, record: Record, name: str, given: Sequence[str], *, alone: bool
) -> tuple[dict[tuple[str, str], list[str]], set[str]]:
    """(key, parent) → ids of what the importer reads; where a key is one record's `alone`, also those of others."""
    found: dict[tuple[str, str], list[str]] = {}
    if name in visibility.blind(call, record):  # which keys there are is not the importer's to know
        return found, set()
    hidden: set[str] = set()
    if alone:
        rows = naming.told_apart(call, record, name, given)
        pairs = [(key, record_id) for key, record_id, seen in rows if seen]
        hidden = {key for key, _, seen in rows if not seen}
    else:
        pairs = naming.within(call, record, name, given, limit=100_000)
    above: dict[str, str] = {}
    if record.parent and name not in bulk_store.unique_fields(record) and name != "number":
        table = record.table
        query = select(table.c.id, table.c[record.parent[0]]).where(table.c.id.in_([i for _, i in pairs]))
        above = {r[0]: r[1] for r in call.connection.execute(query)}
    for key, record_id in pairs:
        found.setdefault((key, above.get(record_id, "")), []).append(record_id)
    return found, hidden


def _merged(call: Call, record: Record, keys: Collection[str]) -> dict[str, tuple[str, str]]:
    """Key of one that went into another → (id of that one, its own key or, where it has none, its id)."""
    into = record.find_merged(call, keys) if keys else {}
    if not into:
        return {}
    table = record.table
    query = select(table.c.id, table.c[record.key]).where(table.c.id.in_(sorted({*into.values()})))
    own = {row[0]: row[1] for row in call.connection.execute(query)}
    return {key: (record_id, own.get(record_id) or record_id) for key, record_id in into.items()}


def key_field(record: Record, options: Mapping[str, Any]) -> str:
    """The name of the field by which records are found; empty where each row is a new one."""
    if options.get("existing") == "create":
        return ""
    return next((n for n in record.import_keys if record.fields[n].json_name == options.get("key")), "")


def claim(call: Call, record: Record, import_id: str, options: Mapping[str, Any], drafts: Sequence[Draft]) -> None:
    """Refuse a row that has a value of an earlier one of the file, where no two records may share it."""
    key = key_field(record, options)
    parent = record.parent[0] if record.parent and key and key not in bulk_store.unique_fields(record) else ""
    claims: dict[int, tuple[Draft, str, str]] = {}
    for draft in drafts:
        if draft.problems:
            continue
        mine = {n: str(getattr(draft.message, n)) for n in bulk_store.unique_fields(record) if n in draft.given}
        if key and draft.key:
            mine[key] = draft.key
        for name, value in mine.items():
            above = getattr(draft.message, parent) if parent and name == key else ""
            hashed = hash_of(name, value.strip(), above)
            first = claims.setdefault(hashed, (draft, name, value))[0]
            if first is not draft and not draft.problems:
                draft.problems.append(_same(record, name, value, first.row))
    if not claims:
        return
    for hashed, row in taken(call, import_id, {hashed: draft.row for hashed, (draft, _, _) in claims.items()}):
        draft, name, value = claims[hashed]
        if row != draft.row and not draft.problems:
            draft.problems.append(_same(record, name, value, row))


def taken(call: Call, import_id: str, claims: Mapping[int, int]) -> list[tuple[int, int]]:
    """Write down which row has a value, by hash; (hash, row) of those that an earlier step wrote down."""
    asked = {"id": import_id, "hashes": list(claims), "rows": list(claims.values())}
    free = {row[0] for row in _CLAIM.run(call.connection, asked).fetchall()}
    left = [hashed for hashed in claims if hashed not in free]
    if not left:
        return []
    found = _CLAIMED.run(call.connection, {"id": import_id, "hashes": left}).fetchall()
    return [(hashed, row) for hashed, row in found]


def _same(record: Record, name: str, value: str, row: int) -> Problem:
    field = record.fields[name]
    return Problem(field.json_name, "same_as_row", {"label": field.label, "value": value[:60], "row": row})


def hash_of(name: str, value: str, above: str = "") -> int:
    """What a value is written down as, below the record that it is told apart under."""
    digest = hashlib.blake2b(f"{name}\0{above}\0{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
