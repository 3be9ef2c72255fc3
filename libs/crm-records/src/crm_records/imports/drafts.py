"""A row of a file as the message that a create or change brings, with what is wrong of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records.imports import naming, targets, values
from crm_records.imports.sheets import UNCALCULATED, shown
from crm_records.imports.targets import CUSTOM, ORIGIN, Target
from crm_records.imports.values import Read, Unread, half_width
from crm_records.record import Record

EXAMPLE = ("（示例）", "(Example) ")
"""What the example of a template begins with; a row that begins so is none of the file."""

errors.texts(
    {
        "formula_not_calculated": (
            "{label}是未保存计算结果的公式，请用表格软件打开并保存文件，或直接填写结果",
            "{label} is a formula without its result: open the file in a spreadsheet program and save it, or enter it",
        ),
        "cell_is_error": (
            "{label}的单元格是错误值 {value}，请在表格软件中更正",
            "The cell of {label} holds the error {value}: mend it in the spreadsheet",
        ),
    }
)


@dataclass(slots=True, eq=False)
class Draft:
    """One row on its way into the database. One that has an outcome already does not get there."""

    row: int
    message: Any
    key: str = ""
    """What its record is found by."""
    given: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)
    brought: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the name of a companion: field of the part → value."""
    record_id: str = ""
    merged: bool = False
    """Found by the key of a record that went into this one."""
    """The record that it is about, where there is one already."""
    outcome: str = ""
    changes: list[tuple[str, Any, Any]] = field(default_factory=list)


class Drafter:
    """Makes drafts of the rows of one import, as its mapping says."""

    def __init__(self, call: Call, record: Record, found: Any) -> None:
        self._call, self._record = call, record
        columns, options = found.columns, found.options
        self._names = naming.of_call(call, record.registry)
        known = targets.of_record(call, record)
        readers = targets.readers(call, record, known, self._names.reader)
        days = targets.days_from_1904(found, known)
        self.places: dict[str, int] = {}
        """JSON name → column."""
        self._plan: list[tuple[int, Target, Read]] = []
        for index, column in enumerate(columns):
            path = column["field"]
            if path in readers:
                self.places[path] = index
                read = _counted_from_1904(readers[path]) if index in days else readers[path]
                self._plan.append((index, known[path], read))
        self._key = known.get(options.get("key", "")) if options.get("key") else None
        self._fixed = {
            n: options[j] for n, j in (("owner_id", "ownerId"), ("department_id", "departmentId")) if options.get(j)
        }
        self._keeps_origin = bool(options.get("keepOrigin"))

    def look_up(self, lines: Sequence[tuple[int, list[str]]]) -> None:
        """Ask at once for all the names that these rows point at records by."""
        for index, target, _ in self._plan:
            if target.field is not None and target.field.references and target.field.kind == kinds.ID:
                texts = (c[index] for _, c in lines if index < len(c) and not c[index].startswith(UNCALCULATED))
                self._names.look_up(target.field.references, texts)

    def draft(self, row: int, cells: Sequence[str]) -> Draft:
        """The message of a row. An empty cell gives nothing: what a record has stays."""
        given: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        problems: list[Problem] = []
        origin: dict[str, Any] = {}
        brought: dict[str, dict[str, Any]] = {}
        if _is_example(cells):
            return Draft(row, self._record.message(), outcome="skipped")
        key, width = "", len(cells)
        for index, target, read in self._plan:
            text = cells[index] if index < width else ""
            if not text or text.isspace():
                continue
            try:
                if text.startswith(UNCALCULATED):
                    raise _without_value(shown(text))
                value = read(text)
            except Unread as unread:
                problems.append(unread.problem(target.path, target.label))
                continue
            if target is self._key:
                key = value if isinstance(value, str) else str(value)
            if target.key_only:
                continue
            if target.companion is not None and target.field is not None:
                brought.setdefault(target.companion.name, {})[target.field.name] = value
            elif target.name in ORIGIN:
                if self._keeps_origin:
                    origin[target.name] = value
            elif target.field is None:
                custom[target.name.removeprefix(CUSTOM)] = value
            else:
                given[target.name] = value
        if custom:
            given["custom"] = custom
        if "owner_id" not in given and "department_id" not in given:
            given.update(self._fixed)
        return Draft(row, self._record.message(**given), key.strip(), set(given), problems, origin, brought)


def _without_value(text: str) -> Unread:
    return Unread("formula_not_calculated") if text.startswith("=") else Unread("cell_is_error", value=text[:60])


def _counted_from_1904(read: Read) -> Read:
    return lambda text: read(values.from_1904(text))


_MARKS = tuple(half_width(mark).casefold() for mark in EXAMPLE)


def _is_example(cells: Sequence[str]) -> bool:
    first = next((cell for cell in cells if cell and not cell.isspace()), "")
    return half_width(first).casefold().startswith(_MARKS)
