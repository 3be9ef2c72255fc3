"""P10: six operations with 20,000 customers and 20,000 opportunities over 8 kept connections."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from statistics import median
from urllib.parse import quote

import data
import load
import pytest
from suite import Suite
from test_cost import new_customer

SECONDS = 5.0
ROUNDS = 3


def show(suite: Suite, say: Callable[[str], None], what: str, best: float, make: Callable[[], Iterable[bytes]]) -> None:
    """The median of three rounds beside four times the best of the others."""
    load.run(suite.http, make(), seconds=1.0)
    rounds = [load.run(suite.http, make(), seconds=SECONDS) for _ in range(ROUNDS)]
    middle = next(r for r in rounds if r.rate == median(r.rate for r in rounds))
    say(f"{what}: {middle}; target {best * 4:.0f}, the best of the others {best:.0f}")
    suite.settle()


@pytest.mark.bench
@pytest.mark.figure("P10")
def test_customers(suite: Suite, filled: tuple[list[str], list[str]], say: Callable[[str], None]) -> None:
    suite.sign_in()
    customers, token, chance = filled[0], suite.token, random.Random(3)
    numbers = itertools.count(1_000_000)

    def get(path: str) -> bytes:
        return load.request("GET", path, token)

    def pages(more: str) -> Callable[[], Iterable[bytes]]:
        def make() -> Iterable[bytes]:
            for a, b in itertools.cycle(itertools.product(data.WORDS, data.TRADES)):
                wanted = quote(f'name:"{a}{b}"')
                yield get(f"/v1/customers?pageSize=20&filter={wanted}{more}")

        return make

    show(
        suite, say, "read a customer", 255, lambda: (get(f"/v1/customers/{chance.choice(customers)}") for _ in numbers)
    )
    show(suite, say, "page of 20 by part of the name, capped total", 87, pages("&count=capped"))
    show(suite, say, "page of 20 by part of the name", 166, pages(""))
    create = (load.request("POST", "/v1/customers", token, new_customer(n)) for n in numbers)
    show(suite, say, "create a customer", 118, lambda: create)


@pytest.mark.bench
@pytest.mark.figure("P10")
def test_opportunities(suite: Suite, filled: tuple[list[str], list[str]], say: Callable[[str], None]) -> None:
    if not filled[1]:
        pytest.skip("there is no sales service")
    suite.sign_in()
    token = suite.token

    def same(path: str) -> Callable[[], Iterable[bytes]]:
        return lambda: itertools.repeat(load.request("GET", path, token))

    by_amount = f"/v1/opportunities?pageSize=20&orderBy={quote('expected_amount desc')}"
    show(suite, say, "page of 20 opportunities by amount", 94, same(by_amount))
    show(suite, say, "sum by stage", 168, same("/v1/opportunities:summary?groupBy=stage"))
    moves = _moves(suite)
    show(suite, say, "change a stage", 87, lambda: moves)


def _moves(suite: Suite) -> Iterable[bytes]:
    """Each opportunity once into the next stage of its pipeline."""
    pipelines = suite.call("GET", "/v1/pipelines?fields=*")["pipelines"]
    following = {}
    for pipeline in pipelines:
        stages = [s["code"] for s in pipeline["stages"] if s["kind"] == "open"]
        following.update({(pipeline["id"], s): t for s, t in itertools.pairwise([*stages, stages[0]])})
    made, token = list[bytes](), ""
    while True:
        more = f"&pageToken={token}" if token else ""
        page = suite.call("GET", f"/v1/opportunities?pageSize=200&fields=pipelineId,stage{more}")
        for one in page["opportunities"]:
            stage = following[one["pipelineId"], one["stage"]]
            path, body = f"/v1/opportunities/{one['id']}:move", f'{{"stage":"{stage}"}}'.encode()
            made.append(load.request("POST", path, suite.token, body, If_Match=f'"{one["etag"]}"'))
        token = page.get("nextPageToken", "")
        if not token:
            return iter(made)
