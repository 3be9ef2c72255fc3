"""Who influences a decider: the strongest way from everybody, worked out by hand and against all ways there are."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from customer.relationships.influence import Link, ways

pytestmark = pytest.mark.feature("CUS-03")


def test_the_strongest_way_wins_not_the_shortest() -> None:
    links = [Link("a", "d", "1", 2), Link("a", "b", "2", 5), Link("b", "d", "3", 4), Link("x", "a", "4", 5)]

    found = ways(links, "d")

    assert list(found) == ["b", "a", "x"]
    assert [found[n].strength for n in ("b", "a", "x")] == [Fraction(4, 5)] * 3
    assert [link.tie for link in found["x"].links] == ["4", "2", "3"]


def test_an_unknown_strength_counts_as_middling_and_nobody_influences_himself() -> None:
    found = ways([Link("a", "d", "1"), Link("d", "a", "2", 5), Link("b", "c", "3", 5)], "d")

    assert {n: w.strength for n, w in found.items()} == {"a": Fraction(3, 5)}


def best(links: list[Link], source: str, decider: str) -> Fraction:
    """The largest product over all ways without a repetition, tried one by one."""

    def along(place: str, seen: frozenset[str]) -> Fraction:
        if place == decider:
            return Fraction(1)
        onward = [link for link in links if link.source == place and link.target not in seen]
        return max((link.share * along(link.target, seen | {link.target}) for link in onward), default=Fraction(0))

    return along(source, frozenset({source}))


def test_no_way_is_stronger_than_the_one_found() -> None:
    chance = random.Random(3)
    people = "abcdef"
    for _ in range(200):
        links = [Link(*chance.sample(people, 2), str(i), chance.randint(0, 5)) for i in range(chance.randint(0, 12))]
        found = ways(links, "a")
        for person in people[1:]:
            expected = best(links, person, "a")
            assert (found[person].strength if person in found else Fraction(0)) == expected
        strengths = [way.strength for way in found.values()]
        assert strengths == sorted(strengths, reverse=True)
