"""Which column is which field: proposed from headings and from what stands below them, decided by a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crm import rule_pb2
from crm_kit import errors
from crm_kit.errors import Problem
from crm_records import checked_numbers
from crm_records import fields as kinds
from crm_records.imports import sheets, values
from crm_records.imports.targets import Target
from crm_records.imports.words import Words
from crm_records.record import Record

SAMPLES = 3
LOOKED_AT = 50
"""Rows whose cells are looked at for a proposal."""
POLICIES = ("update", "skip", "create")

errors.texts(
    {
        "column_unknown": ("文件中没有“{column}”列", "The file has no column “{column}”"),
        "field_mapped_twice": ("{label}被映射了两次", "{label} is mapped twice"),
        "field_not_mapped": ("没有列对应必填的{label}", "No column is mapped to {label}, which is required"),
        "key_not_mapped": ("没有列对应用于查找的{label}", "No column is mapped to {label}, by which records are found"),
        "nothing_mapped": ("没有列对应任何字段", "No column is mapped to a field"),
    }
)


def columns(head: Sequence[str]) -> list[dict[str, Any]]:
    """The columns of a file. Refuses headings that are none."""
    names = [sheets.shown(h).strip() for h in head]
    while names and not names[-1]:
        names.pop()
    if not any(names):
        raise sheets.refusal("file_no_header")
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise sheets.refusal("file_heading_twice", name=name[:60])
        seen.add(name)
    return [{"header": name[:200], "field": "", "proposed": "", "why": ""} for name in names]


def samples(place: int, lines: Sequence[Sequence[str]]) -> list[str]:
    """Some of what stands in a column."""
    filled = (line[place].strip()[:60] for line in lines if place < len(line) and line[place].strip())
    return list(dict.fromkeys(filled))[:SAMPLES]


def propose(
    record: Record,
    found: list[dict[str, Any]],
    lines: Sequence[Sequence[str]],
    targets: Mapping[str, Target],
    are_numbers: Callable[[Sequence[str]], bool],
) -> None:
    """Fill in `proposed` and `field` where nothing says yet why: by the label, the name, what the record type also
    calls it; then, where the heading speaks of no other field, by the content. `are_numbers` tells whether texts are
    numbers that the suite gave."""
    words = Words(record, targets)
    taken: set[str] = {column["field"] for column in found if column["field"]}
    open_ones = [(place, column) for place, column in enumerate(found) if not column["why"]]

    def take(column: dict[str, Any], path: str, why: str) -> None:
        taken.add(path)
        column.update(field=path, proposed=path, why=why)

    def below(place: int) -> list[str]:
        cells = (line[place].strip() for line in lines[:LOOKED_AT] if place < len(line))
        return [cell for cell in cells if cell and not cell.startswith(sheets.UNCALCULATED)]

    for _, column in open_ones:
        for path, why in words.names(column["header"]):
            if path not in taken and not column["field"]:
                take(column, path, why)
    for place, column in open_ones:
        if column["field"] == "number" and (cells := below(place)) and not are_numbers(cells):
            column.update(field="", proposed="", why="")  # a number of the system before
            if "externalId" in targets and "externalId" not in taken:
                take(column, "externalId", "content")
        elif not column["field"]:
            path = _by_content(record, below(place), targets)
            if path and path not in taken and words.speaks_of(column["header"]) <= {path}:
                take(column, path, "content")


def _by_content(record: Record, cells: Sequence[str], targets: Mapping[str, Target]) -> str:
    """The field that nearly all the cells look like values of; only such as nothing else looks like. Of several fields
    of that form the first is meant: which of the others would be a guess."""
    for form, looks in _LOOKS.items() if cells else ():
        first = next((f.json_name for f in record.stored.values() if f.format == form and not f.output_only), "")
        if first and sum(1 for c in cells if looks(values.half_width(c))) >= max(1, len(cells) * 0.8):
            return first if first in targets else ""
    return ""


_MOBILE = r"(\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
_DIALLED = re.compile(rf"{_MOBILE}|(\+?86[- ]?)?0\d{{2,3}}[- ]?\d{{7,8}}", re.ASCII)


_LOOKS = {
    rule_pb2.FORMAT_CREDIT_CODE: lambda c: checked_numbers.credit_code(c)[1] is None,
    rule_pb2.FORMAT_IDENTITY_NUMBER: lambda c: checked_numbers.identity_number(c)[1] is None,
    rule_pb2.FORMAT_EMAIL: lambda c: "@" in c and "." in c,
    rule_pb2.FORMAT_MOBILE: lambda c: bool(re.fullmatch(_MOBILE, c, re.ASCII)),
    rule_pb2.FORMAT_PHONE: lambda c: bool(_DIALLED.fullmatch(c)),
    rule_pb2.FORMAT_URL: lambda c: c.lower().startswith(("http://", "https://", "www.")),
}


def default_key(record: Record, found: Sequence[Mapping[str, Any]]) -> str:
    """The surest of the mapped fields by which records are found; empty where there is none."""
    mapped = {c["field"] for c in found}
    keys = [record.fields[n].json_name for n in record.import_keys]
    return next((k for k in keys if k in mapped), "")


def check(
    record: Record, found: Sequence[Mapping[str, Any]], targets: Mapping[str, Target], key: str, policy: str
) -> list[Problem]:
    """What is wrong with a mapping, before it is used."""
    mapped = [c["field"] for c in found if c["field"]]
    if not mapped:
        return [Problem("columns", "nothing_mapped")]
    problems = []
    for target in targets.values():
        if mapped.count(target.path) > 1:
            problems.append(Problem("columns", "field_mapped_twice", {"label": target.label}))
        missing = target.required and target.path not in mapped
        if missing and not (target.field is not None and target.field.kind == kinds.BOOLEAN):
            problems.append(Problem("columns", "field_not_mapped", {"label": target.label}))
    if policy != "create" and key and key not in mapped:
        label = targets[key].label if key in targets else (key, key)
        problems.append(Problem("key", "key_not_mapped", {"label": label}))
    return problems
