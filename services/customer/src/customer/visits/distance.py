"""Distances between places on the earth, and a short way over several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt

RADIUS = 6_371_008.8
"""Mean radius of the earth in metres: R1 of GRS 80 (Moritz, Journal of Geodesy 74, 2000)."""

Place = tuple[Decimal, Decimal]
"""Latitude and longitude in degrees, WGS-84."""


def metres(one: Place, other: Place) -> int:
    """The great-circle distance, by the haversine formula: hav(d/R) = hav(Δφ) + cos φ1 · cos φ2 · hav(Δλ).

    After R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984, p. 159: exact for small distances,
    too. The earth as a sphere errs by 0.5 % at most.
    """
    (lat1, lon1), (lat2, lon2) = ((radians(float(a)), radians(float(b))) for a, b in (one, other))
    hav = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return round(2 * RADIUS * asin(min(1.0, sqrt(hav))))


def nearest_first(places: Mapping[str, Place]) -> list[str]:
    """An order of places: from the first one on, always to the nearest that is left. Not the shortest way there is."""
    left = list(places)
    way = left[:1]
    del left[:1]
    while left:
        here = places[way[-1]]
        nearest = min(left, key=lambda name: metres(here, places[name]))
        left.remove(nearest)
        way.append(nearest)
    return way


def length(places: Sequence[Place]) -> int:
    """Metres from the first to the last, one after the other."""
    return sum(metres(a, b) for a, b in pairwise(places))
