"""Customers and everything around them, a thousand at a time on several connections; memory stays flat."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from crm_cli.client import Client, Json, Refused, Unreachable
from crm_cli.demo import activity, customers, deals
from crm_cli.demo.company import Founding
from crm_cli.demo.entries import SERVICE_ENTRIES
from crm_cli.demo.world import World
from crm_cli.importers.bulk import Stored, Tally, store
from crm_cli.importers.run import Bars

BLOCK = 1000
"""Customers that one connection works on at most; also the most rows of a request."""
OPTIONAL = {"service-requests": "service requests", "tasks": "tasks"}
"""Routes of services that a suite may run without."""


class Demo:
    """One run. Nothing is kept here: a run that was killed is begun again and finds what is there."""

    def __init__(self, client: Client, seed: int, count: int) -> None:
        self.tally = Tally()
        self.reasons: Counter[str] = Counter()
        self.skipped: list[str] = []
        self._client, self._count = client, count
        self._founding = Founding(client, self.tally, seed)
        self._counting = threading.Lock()

    def load(self, initial_password: str, connections: int) -> None:
        world = self._founding.found(self._count, initial_password)
        self.skipped = [path for path in OPTIONAL if not self._serves(path)]
        if "service-requests" not in self.skipped:
            self._founding.ensure(SERVICE_ENTRIES)
        with Bars() as bars, ThreadPoolExecutor(connections) as pool:
            move = bars.begin("customers", self._count)
            size = max(1, min(BLOCK, self._count // connections))
            blocks = [
                pool.submit(self._block, world, range(start, min(start + size, self._count)), move)
                for start in range(0, self._count, size)
            ]
            try:
                for block in blocks:
                    block.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _serves(self, path: str) -> bool:
        try:
            self._client.get(f"/v1/{path}", pageSize=1, patience=3.0)
        except (Refused, Unreachable) as error:
            if isinstance(error, Refused) and error.status not in (404, 500, 501, 503, 504):
                raise
            return False
        return True

    def _block(self, world: World, numbers: range, move: Callable[[int], None]) -> None:
        rows = [customers.customer(world, number) for number in numbers]
        ids = [one.id for one in self._store("customers", rows)]
        there = [(number, row, one) for number, row, one in zip(numbers, rows, ids, strict=True) if one]
        people: list[Json] = []
        of: list[int] = []
        for number, _, customer_id in there:
            found = customers.contacts(world, number, customer_id)
            people += found
            of += [number] * len(found)
        contacts: dict[int, list[str]] = {}
        for number, one in zip(of, self._store("contacts", people), strict=True):
            if one.id:
                contacts.setdefault(number, []).append(one.id)
        self._store(
            "interactions", [r for n, _, i in there for r in activity.interactions(world, n, i, contacts.get(n, []))]
        )
        self._store("demands", [r for n, c, i in there for r in activity.demands(world, n, c, i)])
        self._store("opportunities", [r for n, c, i in there for r in deals.opportunities(world, n, c, i)])
        if "service-requests" not in self.skipped:
            self._store(
                "service-requests",
                [r for n, _, i in there for r in activity.service_requests(world, n, i, contacts.get(n, []))],
            )
        if "tasks" not in self.skipped:
            self._store("tasks", [r for n, c, i in there for r in activity.tasks(world, n, c, i)])
        move(len(numbers))

    def _store(self, path: str, rows: Sequence[Json]) -> list[Stored]:
        stored: list[Stored] = []
        head, *rest = path.split("-")
        name = head + "".join(part.capitalize() for part in rest)
        for start in range(0, len(rows), BLOCK):
            stored += store(self._client, path, name, rows[start : start + BLOCK])
        with self._counting:
            self.tally.add(path.replace("-", " "), stored)
            self.reasons.update(f"{path}: {one.reason}" for one in stored if one.outcome == "failed")
        return stored
