"""Bands of a grading rule: half-open, from 0 on, without overlap, and without gap unless told what the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crm_kit import errors
from crm_kit.errors import Problem

errors.texts(
    {
        "band_empty": ("区间的止必须大于起", "The end of a band must be above its beginning"),
        "bands_overlap": ("区间重叠：从 {value} 起", "Bands overlap from {value} on"),
        "bands_gap": (
            "区间之间有空缺：{low} 到 {high}；请补上区间或填写“其余”",
            "There is a gap from {low} to {high}: add a band, or say what the rest is",
        ),
    }
)

NO_LIMIT = ("不限", "no limit")


@dataclass(frozen=True, slots=True)
class Band:
    """What is `start` or more and less than `end`; None is no limit."""

    start: Decimal | None
    end: Decimal | None
    relation: str

    @property
    def low(self) -> Decimal:
        """Nothing is below 0: who sent back more than was bought counts as having bought nothing."""
        return max(self.start or Decimal(0), Decimal(0))


def of(stored: Sequence[dict[str, Any]]) -> list[Band]:
    """The bands of a rule as it is stored, in their order."""

    def limit(text: str | None) -> Decimal | None:
        return Decimal(text) if text else None

    return [Band(limit(b.get("from")), limit(b.get("to")), b["relation"]) for b in stored]


def problems(bands: Sequence[Band], otherwise: str | None) -> Iterator[Problem]:
    """Empty bands, overlaps and gaps, compared as exact decimals."""
    for i, band in enumerate(bands):
        if band.end is not None and band.end <= band.low:
            yield Problem(f"bands[{i}].to", "band_empty")
    place = {id(b): i for i, b in enumerate(bands)}
    reached: Decimal | None = Decimal(0)
    for band in sorted(bands, key=lambda b: b.low):
        path = f"bands[{place[id(band)]}].from"
        if reached is None or band.low < reached:
            yield Problem(path, "bands_overlap", {"value": f"{band.low:f}"})
        elif band.low > reached and not otherwise:
            yield Problem(path, "bands_gap", {"low": f"{reached:f}", "high": f"{band.low:f}"})
        reached = None if reached is None or band.end is None else max(reached, band.end)
    if reached is not None and not otherwise:
        yield Problem("bands", "bands_gap", {"low": f"{reached:f}", "high": NO_LIMIT})
