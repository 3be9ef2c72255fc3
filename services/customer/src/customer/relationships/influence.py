"""Who influences a decider: the strongest way from everybody who does, found by going backwards from the decider."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

STRONGEST, USUAL = 5, 3
"""The scale of strengths ends at 5; a tie whose strength nobody told counts as 3."""


@dataclass(frozen=True, slots=True)
class Link:
    """`source` moves `target` by the tie `tie`."""

    source: str
    target: str
    tie: str
    strength: int = 0

    @property
    def share(self) -> Fraction:
        """The strength as a part of the strongest."""
        return Fraction(self.strength or USUAL, STRONGEST)


@dataclass(frozen=True, slots=True)
class Way:
    """The links from somebody to the decider, in this order, and the product of their shares."""

    strength: Fraction
    links: tuple[Link, ...]


def ways(links: Iterable[Link], decider: str) -> dict[str, Way]:
    """For everybody who reaches the decider, the way of the largest product; of equal ones the shorter.

    Dijkstra's algorithm with products instead of sums, which it allows because no share is more than 1. Comes out
    strongest first.
    """
    into: dict[str, list[Link]] = {}
    for link in links:
        into.setdefault(link.target, []).append(link)
    found: dict[str, Way] = {}
    count = itertools.count()  # so that equal entries are never compared by their links
    heap: list[tuple[Fraction, int, int, str, tuple[Link, ...]]] = [(Fraction(-1), 0, next(count), decider, ())]
    while heap:
        less, steps, _, place, way = heapq.heappop(heap)
        if place in found:
            continue
        found[place] = Way(-less, way)
        for link in into.get(place, ()):
            if link.source not in found:
                heapq.heappush(heap, (less * link.share, steps + 1, next(count), link.source, (link, *way)))
    del found[decider]
    return found
