"""Where the headings of a file stand: often below a title, sometimes on the second sheet, behind what explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from crm_kit import errors
from crm_records.imports import sheets
from crm_records.imports.sheets import Later, Line, Source
from crm_records.imports.words import Words

FIRST_ROWS = 20
"""Rows with something in them, of each sheet that is looked at."""
TICKS = 20
"""Pieces of the file without a row that a look into it may cost."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the headings are, as far as somebody said so."""

    sheet: str = ""
    row: int = 0


@dataclass(slots=True)
class Head:
    """The headings that were found."""

    sheet: int
    row: int
    cells: list[str]
    more: bool
    """Whether rows come behind."""


def find(source: Source, words: Words, choice: Choice, *, whole: bool) -> Head | None:
    """The headings where they were said to be, else where they seem to be; None where there is no row. Raises `Later`
    where that takes longer than a look, unless the `whole` is wanted."""
    budget = _Budget(None if whole else TICKS)
    if choice.sheet:
        places = [source.place(choice.sheet)]
    else:
        places = [place for place, sheet in enumerate(source.sheets) if not sheet.hidden][: sheets.MOST_SHEETS]
    if choice.row and len(places) == 1:
        return _at(source, places[0], choice.row, budget)
    best = _best(source, places, words, budget)
    return _at(source, best.sheet, choice.row, budget) if best is not None and choice.row else best


def _at(source: Source, place: int, row: int, budget: _Budget) -> Head:
    """The headings in this row of a sheet."""
    lines = _rows(source.sheets[place].lines(), budget)
    for number, cells in lines:
        if number == row:
            return Head(place, row, cells, more=next(lines, None) is not None)
        if number > row:
            break
    raise sheets.refusal("file_row_no_headings", at="headerRow", row=row)


def _best(source: Source, places: Sequence[int], words: Words, budget: _Budget) -> Head | None:
    """The first row most of whose cells are known headings, else the one with most of them, else the first row of the
    file."""
    best, score = None, 0
    for place in places:
        rows = _first_rows(source, place, budget, needed=place == places[0])
        titles_only = True  # above: a row of the table itself is no heading for holding one word that is one
        for n, (row, cells) in enumerate(rows):
            known, filled = _known(words, cells)
            head = Head(place, row, cells, more=n + 1 < len(rows) or len(rows) == FIRST_ROWS)
            if known >= 2 and known * 2 > filled:
                return head
            begins = best is None or (not n and not score and head.more and not best.more)
            if begins or (known > score and (known >= 2 or titles_only)):
                best, score = head, known
            titles_only = titles_only and filled == 1
    return best


class _Budget:
    """Pieces without a row that may still be read."""

    def __init__(self, ticks: int | None) -> None:
        self._ticks = ticks

    def spend(self) -> None:
        if self._ticks is not None:
            self._ticks -= 1
            if self._ticks < 0:
                raise Later


def _first_rows(source: Source, place: int, budget: _Budget, *, needed: bool) -> list[Line]:
    """What a sheet begins with. One that cannot be read is passed over unless it is `needed`: nobody meant it."""
    try:
        return list(islice(_rows(source.sheets[place].lines(), budget), FIRST_ROWS))
    except errors.Invalid:
        if needed:
            raise
        return []


def _rows(lines: Iterator[Line], budget: _Budget) -> Iterator[Line]:
    for row, cells in lines:
        if cells:
            yield row, cells
        else:
            budget.spend()


def _known(words: Words, cells: list[str]) -> tuple[int, int]:
    """(cells that are known headings, cells with something in them)"""
    filled = [text for text in map(sheets.shown, cells) if text.strip()]
    return sum(1 for text in filled if next(words.names(text), None)), len(filled)
