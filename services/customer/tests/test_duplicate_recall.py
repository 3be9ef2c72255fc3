"""How many written variants of companies the check finds, and how often it is wrong, on names made up here."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client
from customer.duplicates.testing import OTHERS, VARIANTS, Maker, Tally

pytestmark = pytest.mark.feature("CUS-05")

COMPANIES, ASKED = 600, 40
_CHARACTERS = (
    "华信达恒瑞丰天成宏远博创盛联科泰金鑫东方海润德胜嘉禾兴隆安康百利通源中正佳美凯旋龙腾飞宇新锐思维智慧云杉木林"
)
AT_LEAST = {
    "as it is": 1.0,
    "core alone": 0.9,
    "core and trade": 0.95,
    "place dropped": 0.95,
    "place in brackets": 0.95,
    "place in front in brackets": 0.95,
    "other legal form": 0.95,
    "full width and spaces": 0.95,
    "traditional characters": 0.95,
    "trade dropped": 0.9,
    "homophone": 0.9,
    "one wrong character, core of 2": 0.9,
    "one wrong character, core of 3": 0.9,
    "one wrong character, core of 4 or more": 0.9,
    "one character left out, core of 3 or more": 0.8,
    "core in pinyin": 0.9,
    "branch": 0.9,
}
"""The share that must be told as the same or likely."""
ONLY_TOLD = ("one wrong character, core of 2", "one character left out, core of 3 or more", "core in pinyin")
"""Here it is enough to be told: so little of a name is like many."""


@pytest.fixture
def base(boss: Client) -> tuple[Maker, dict[Any, str]]:
    maker = Maker(random.Random(5))
    cores = {"".join(maker.chance.choices(_CHARACTERS, k=maker.chance.choice((2, 3, 3, 4, 4, 5)))) for _ in range(900)}
    maker.learn(cores)
    companies = [maker.company(core) for core in sorted(cores)[:COMPANIES]]
    answer = boss.ImportCustomers(customers=[{"name": c.name} for c in companies])
    return maker, dict(zip(companies, (r.id for r in answer.results), strict=True))


def ask(boss: Client, name: str) -> list[tuple[str, str]]:
    return [(c.id, c.match) for c in boss.CheckDuplicates(name=name).candidates]


def test_variants_are_found_and_what_only_looks_alike_is_not_claimed(
    boss: Client, base: tuple[Maker, dict[Any, str]], measured: Callable[[str], None]
) -> None:
    maker, ids = base
    tallies = {kind: Tally() for kind in (*VARIANTS, *OTHERS)}

    for company in maker.chance.sample(sorted(ids, key=lambda c: c.name), ASKED):
        for kind, write in (*VARIANTS.items(), *OTHERS.items()):
            if (name := write(maker, company)) is not None:
                tallies[kind].add(ids[company] if kind in VARIANTS else "", ask(boss, name))

    for kind, tally in tallies.items():
        measured(f"{kind}: {tally.likely} of {tally.asked} found, {tally.claimed - tally.true} wrong")
    share = {k: (t.told if k in ONLY_TOLD else t.likely) / max(t.asked, 1) for k, t in tallies.items()}
    assert {k: s for k, s in share.items() if s < AT_LEAST.get(k, 0.0)} == {}
    claimed, true = (sum(getattr(tallies[k], n) for k in VARIANTS) for n in ("claimed", "true"))
    assert true / claimed > 0.8
    assert tallies["another core, same place and trade"].claimed <= ASKED // 10
    assert tallies["same core, another place and trade"].claimed <= ASKED // 10
