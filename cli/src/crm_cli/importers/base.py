"""Reading CSV that others exported: what can be read is read, what cannot is named with its line."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crm_cli.settings import Wrong

if TYPE_CHECKING:
    from _csv import Reader


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it stands and its cells by column, without the space around them."""

    file: str
    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not stored, and why."""

    line: Line
    reason: str


@dataclass(slots=True)
class Table:
    """What a file held: rows that can be used and rows that cannot, together all of them."""

    name: str
    lines: list[Line] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Columns that nobody asked for."""


def read(folder: Path, name: str, columns: Sequence[str], key: str) -> Table:
    """The rows of one file. `columns` must be there, `key` must be filled and different in every row."""
    path = folder / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _table(name, csv.reader(file, strict=True), columns, key)
    except FileNotFoundError:
        raise Wrong(f"{path} is missing.") from None
    except UnicodeDecodeError as error:
        raise Wrong(f"{path} is not UTF-8 (byte {error.start}: {error.reason}).") from None
    except OSError as error:
        raise Wrong(f"{path} cannot be read: {error.strerror}.") from None


def _table(name: str, reader: "Reader", columns: Sequence[str], key: str) -> Table:
    table = Table(name)
    header = [cell.strip().casefold() for cell in _first(name, reader)]
    missing = [column for column in columns if header.count(column) != 1]
    if missing:
        raise Wrong(f"{name} must have each of these columns once: {', '.join(missing)}; it has {', '.join(header)}.")
    table.ignored = [column for column in header if column not in columns]
    seen: dict[str, int] = {}
    for cells in _rows(name, reader):
        line = Line(name, reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
        if len(cells) != len(header):
            table.rejects.append(Reject(line, f"{len(cells)} cells instead of {len(header)}"))
        elif not line[key]:
            table.rejects.append(Reject(line, f"{key} is empty"))
        elif line[key] in seen:
            table.rejects.append(Reject(line, f"{key} {line[key]} is in line {seen[line[key]]} already"))
        else:
            seen[line[key]] = line.number
            table.lines.append(line)
    return table


def _first(name: str, reader: "Reader") -> list[str]:
    for cells in _rows(name, reader):
        return cells
    raise Wrong(f"{name} is empty.")


def _rows(name: str, reader: "Reader") -> Iterable[list[str]]:
    """Rows that hold anything at all; a broken quote makes nonsense of all that follows, so it ends the reading."""
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield cells
    except csv.Error as error:
        raise Wrong(f"{name}, line {reader.line_num}: {error}.") from None


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """One file for all kinds: where the row stands, why it is not stored, and what it holds."""
    rejects = sorted(rejects, key=lambda reject: (reject.line.file, reject.line.number))
    columns = list(dict.fromkeys(column for reject in rejects for column in reject.line.cells))
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "line", "reason", *columns])
            for reject in rejects:
                line = reject.line
                writer.writerow([line.file, line.number, reject.reason, *(line[column] for column in columns)])
    except OSError as error:
        raise Wrong(f"{path} cannot be written: {error.strerror}; name another file with --rejects.") from None
