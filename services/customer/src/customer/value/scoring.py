"""Points and scores, in whole numbers so that nothing is rounded before the end.

    score = Σ over the criteria of  weight × points ÷ most points that the criterion gives

Weights are % and 100 together, so a score lies between 0 and 100. Everything is brought to one denominator when a model
is read; scoring adds whole numbers. Levels are compared with the exact score; it is kept to four digits, half rounds
away from zero.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

_ZERO = Decimal(0)
_DIGITS = 10_000


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion made ready: where bands begin, and what each is worth, in points and as its part of the score."""

    starts: Sequence[Decimal]
    """Of all bands but that which has no limit below."""
    by_band: Sequence[tuple[str, int]]
    by_code: Mapping[str, tuple[str, int]]
    otherwise: tuple[str, int]

    def worth(self, figure: Any) -> tuple[str, int]:
        """(points, part of the score) of a figure or a code."""
        if figure is None:
            return self.otherwise
        if isinstance(figure, str):
            return self.by_code.get(figure, self.otherwise)
        return self.by_band[bisect_right(self.starts, figure)]


@dataclass(frozen=True, slots=True)
class Scoring:
    """A model made ready."""

    criteria: Sequence[Criterion]
    most: Sequence[str]
    unit: int
    """A score of 1."""
    levels: Sequence[tuple[int, str]]
    """(from, name), the lowest first."""

    def level(self, score: int) -> str:
        return self.levels[bisect_right(self.levels, score, key=lambda x: x[0]) - 1][1]

    def rounded(self, score: int) -> Decimal:
        """To four digits."""
        return Decimal((2 * score * _DIGITS + self.unit) // (2 * self.unit)).scaleb(-4)


def of(model: Mapping[str, Any]) -> Scoring:
    """A model that may be put in force, made ready."""
    parts = [_fractions(c) for c in model["criteria"]]
    limits = [(Fraction(Decimal(level["from"])), level["level"]) for level in model["levels"]]
    unit = math.lcm(
        *(f.denominator for part in parts for f in part.values()), *(limit.denominator for limit, _ in limits)
    )

    def ready(criterion: Mapping[str, Any], part: Mapping[Decimal, Fraction]) -> Criterion:
        def worth(points: str | None) -> tuple[str, int]:
            number = Decimal(points or 0)
            return f"{number:f}", int(part[number] * unit)

        bands = sorted(criterion.get("bands", ()), key=lambda b: (bool(b.get("from")), Decimal(b.get("from") or 0)))
        return Criterion(
            [Decimal(b["from"]) for b in bands[1:]],
            [worth(b["points"]) for b in bands],
            {v["code"]: worth(v["points"]) for v in criterion.get("values", ())},
            worth(criterion.get("otherwise")),
        )

    return Scoring(
        [ready(c, p) for c, p in zip(model["criteria"], parts, strict=True)],
        [f"{most(c):f}" for c in model["criteria"]],
        unit,
        sorted((int(limit * unit), name) for limit, name in limits),
    )


def points(criterion: Mapping[str, Any]) -> list[Decimal]:
    """All points that a criterion may give."""
    given = [*criterion.get("bands", ()), *criterion.get("values", ())]
    return [Decimal(criterion.get("otherwise") or 0), *(Decimal(g["points"]) for g in given)]


def most(criterion: Mapping[str, Any]) -> Decimal:
    return max(points(criterion))


def _fractions(criterion: Mapping[str, Any]) -> dict[Decimal, Fraction]:
    """Points → part of the score."""
    top, weight = most(criterion), Fraction(Decimal(criterion["weight"]))
    return {p: weight * Fraction(p) / Fraction(top) if top > _ZERO else Fraction(0) for p in points(criterion)}
