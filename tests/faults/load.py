"""People who write through gRPC and repeat each write, with its key, until it is answered: it happens exactly once.

They work in a process of their own: to start others from one that has open gRPC channels is not safe.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc
from faults.suite import Suite

from crm_kit import contract
from crm_kit.testing import Client

AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
BUSY = b"IDEMPOTENCY_KEY_BUSY"
PATIENCE = 60.0
"""Seconds that one write is repeated before it counts as failed."""
MINE = 30
"""Records that one person goes on changing."""
IMPORTED = 20
"""Rows of one import."""
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Result:
    """What the people know in the end."""

    versions: dict[str, int] = field(default_factory=dict)
    """Record id → how often it was written."""
    repeated: int = 0
    failures: list[str] = field(default_factory=list)


class Load:
    """Several people at work at once, from entering to leaving."""

    def __init__(self, suite: Suite, people: int, seed: int) -> None:
        self._stop, self._written, self._answer = _SPAWN.Event(), _SPAWN.Value("q", 0), _SPAWN.Queue()
        told = (suite.addresses, suite.token, people, seed, self._stop, self._written, self._answer)
        self._process = _SPAWN.Process(target=_work, args=told, daemon=True)
        self.result = Result()

    @property
    def written(self) -> int:
        return int(self._written.value)

    @property
    def ended(self) -> bool:
        """Something went wrong, and everybody stopped."""
        return self._stop.is_set() or not self._process.is_alive()

    def __enter__(self) -> Load:
        self._process.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        self.result = self._answer.get(timeout=PATIENCE + 20)
        self._process.join()


def _work(
    addresses: Mapping[str, str], token: str, people: int, seed: int, stop: Any, written: Any, answer: Any
) -> None:
    result, lock = Result(), threading.Lock()

    def count(record_id: str) -> int:
        with lock:
            result.versions[record_id] = result.versions.get(record_id, 0) + 1
            written.value += 1
            return result.versions[record_id]

    def work(number: int) -> None:
        person = Person(f"person {number}", addresses, token, count, random.Random(f"{seed} {number}"))
        try:
            while not stop.is_set():
                person.act()
        except Exception:
            result.failures.append(traceback.format_exc())
            stop.set()
        result.repeated += person.retries.total()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer.put(result)


class Person:
    """One writer with connections and records of its own. `count` is told of each write, it says the how-manieth."""

    def __init__(
        self, name: str, addresses: Mapping[str, str], token: str, count: Callable[[str], int], choice: random.Random
    ) -> None:
        self._name, self._count, self._choice = name, count, choice
        self._customer, self._sales = (client(name, addresses[name], token) for name in ("customer", "sales"))
        self._customers: dict[str, int] = {}
        self._opportunities: dict[str, int] = {}
        self._imported = 0
        self.retries: Counter[str] = Counter()

    def act(self) -> None:
        """Write something."""
        acts = [self._create, self._change, self._open, self._move_on, self._import]
        act = self._choice.choices(acts, (30, 35, 10, 15, 10))[0]
        act() if self._customers else self._create()

    def _create(self) -> None:
        self._keep(self._customers, self._once(self._customer.CreateCustomer, customer={"name": self._words()}))

    def _change(self) -> None:
        record_id, etag = self._choice.choice(list(self._customers.items()))
        self._change_to(
            self._customers, self._customer.UpdateCustomer, etag, customer={"id": record_id, "name": self._words()}
        )

    def _open(self) -> None:
        given = {"title": self._words(), "customer_id": self._choice.choice(list(self._customers))}
        self._keep(self._opportunities, self._once(self._sales.CreateOpportunity, opportunity=given))

    def _move_on(self) -> None:
        if not self._opportunities:
            return self._open()
        record_id, etag = self._choice.choice(list(self._opportunities.items()))
        given = {"id": record_id, "title": self._words()}
        return self._change_to(self._opportunities, self._sales.UpdateOpportunity, etag, opportunity=given)

    def _import(self) -> None:
        """Half of the rows are new, half were in the import before."""
        numbers = range(self._imported, self._imported + IMPORTED)
        self._imported += IMPORTED // 2
        rows = [{"name": self._words(), "external_id": f"{self._name}, row {n}"} for n in numbers]
        for result in self._once(self._customer.ImportCustomers, customers=rows).results:
            assert result.outcome in ("created", "updated"), result
            self._count(result.id)

    def _words(self) -> str:
        return f"客户 {self._choice.getrandbits(64):016x}"

    def _keep(self, mine: dict[str, int], record: Any) -> None:
        mine[record.id] = self._count(record.id)
        assert record.etag == str(mine[record.id])
        if len(mine) > MINE:
            del mine[next(iter(mine))]

    def _change_to(self, mine: dict[str, int], update: Callable[..., Any], etag: int, **given: Any) -> None:
        (record,) = given.values()
        paths = [name for name in record if name != "id"]
        self._keep(mine, self._once(update, **given, update_mask={"paths": paths}, etag=str(etag)))

    def _once(self, write: Callable[..., Any], **request: Any) -> Any:
        """Repeat a write with its key until it is answered."""
        key = str(UUID(int=self._choice.getrandbits(128)))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return write(metadata={"idempotency-key": key}, **request)
            except grpc.RpcError as error:
                if not _says_nothing(error) or time.monotonic() > deadline:
                    raise
                self.retries[error.code().name] += 1
                time.sleep(0.02)


def _says_nothing(error: Any) -> bool:
    """Whether the write may or may not have happened, or is still under way."""
    return error.code() in AGAIN or any(BUSY in value for _, value in error.trailing_metadata() if type(value) is bytes)


def client(service: str, address: str, token: str) -> Client:
    """Calls a service, connecting again at once when it is back."""
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    channel = grpc.insecure_channel(address, [*options, ("grpc.use_local_subchannel_pool", 1)])
    services = contract.services(f"crm.{service}.v1").values()
    methods = {method.name: method for one in services for method in one.methods}
    return Client(channel, methods, token, "", "")
