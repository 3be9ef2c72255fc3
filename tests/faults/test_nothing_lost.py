"""R01: whatever is killed whenever, no event is lost, none is applied twice, each record's come in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from faults.killer import Killer
from faults.load import Load
from faults.suite import RECORDER, SERVICES, Suite

from crm.records.v1.event_pb2 import Event
from crm_kit.testing.recorder import disorder
from crm_kit.testing.suite import eventually

pytestmark = pytest.mark.slow

SEED = 20260101
PEOPLE = 8

SOURCES = {"customer": ["customer"], "sales": ["opportunity"]}
"""The records that the load writes, by the service that owns them."""
TABLES = {record for records in SOURCES.values() for record in records}
RECORDED = [f"{service}.{record}" for service, records in SOURCES.items() for record in records]

EFFECTS = [
    (
        "sales",
        "SELECT id, version, name, owner_id, department_id, deleted FROM copy_customer",
        "customer",
        "SELECT id, version, name, owner_id, department_id, delete_time IS NOT NULL FROM customer",
    ),
    (
        "reporting",
        "SELECT id, version, name, type, level, region, source, owner_id, department_id, deleted FROM fact_customer",
        "customer",
        "SELECT id, version, name, type, level, region, source, owner_id, department_id, delete_time IS NOT NULL"
        " FROM customer",
    ),
    (
        "reporting",
        "SELECT id, version, customer_id, stage, owner_id, department_id, deleted FROM fact_opportunity",
        "sales",
        "SELECT id, version, customer_id, stage, owner_id, department_id, delete_time IS NOT NULL FROM opportunity",
    ),
    (
        "customer",
        "SELECT record_id, customer_id FROM customer_usage",
        "sales",
        "SELECT id, customer_id FROM opportunity WHERE delete_time IS NULL",
    ),
]
"""What a service made of another one's events, and what it must be equal to."""


@pytest.mark.figure("R01")
def test_nothing_is_lost_and_nothing_doubled_whatever_is_killed(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    measured(kill_under_load(tmp_path, events=20_000, kills=40))


@pytest.mark.long
@pytest.mark.figure("R01")
def test_nothing_is_lost_and_nothing_doubled_in_the_long_run(tmp_path: Path, measured: Callable[[str], None]) -> None:
    measured(kill_under_load(tmp_path, events=100_000, kills=200))


def kill_under_load(folder: Path, events: int, kills: int) -> str:
    """Write so many events while so many processes are killed; what came of it."""
    with Suite(folder, RECORDED) as suite:
        with Load(suite, PEOPLE, SEED) as load:
            killer = Killer(suite, kills, lambda: 1.0 if load.ended else load.written / events, SEED)
            killer.run()
            assert eventually(lambda: load.ended or load.written >= events, 600)
        assert load.result.failures == []
        drained = eventually(lambda: is_drained(suite), 60)
        told = announced(suite)
        lost, doubled = arrived(suite, told)
        assert (lost, doubled) == (0, 0)
        assert drained
        assert disorder(suite.applied()) == ""
        assert wrong_versions(suite, load.result.versions, told) == []
        assert different_effects(suite) == []
        assert suite.everywhere("SELECT record_id, reason FROM dead_letter") == []
        assert suite.errors() == []
    return (
        f"{lost} lost, {doubled} doubled of {len(told):,} events, {killer.killed.total()} kills "
        f"({', '.join(f'{name} {n}' for name, n in sorted(killer.killed.items()))}), {load.result.repeated} writes "
        "repeated, every record's in order, report and copies equal their sources"
    )


def is_drained(suite: Suite) -> bool:
    """Everything was sent, and every reader has read up to the last event that it listens to."""
    if suite.everywhere("SELECT 1 FROM outbox WHERE sent_time IS NULL LIMIT 1"):
        return False
    listens = {name: [*import_module(f"{name}.app").SERVICE.handlers] for name in SERVICES} | {RECORDER: RECORDED}
    for reader, sources in listens.items():
        subjects = ", ".join(f"'crm.{source}.%'" for source in sources)
        newest = f"SELECT max(stream_seq) FROM outbox WHERE subject LIKE ANY (ARRAY[{subjects}])"
        read = suite.sql(reader, "SELECT last_seq FROM inbox_position")
        if not read or read[0][0] < max(last or 0 for (last,) in suite.everywhere(newest)):
            return False
    return True


def announced(suite: Suite) -> list[Event]:
    """What stands in the outboxes about the records that the load writes, in order."""
    rows = [row for name in SOURCES for row in suite.sql(name, "SELECT payload FROM outbox ORDER BY id")]
    events = [Event.FromString(payload) for (payload,) in rows]
    return [event for event in events if event.record_type in TABLES]


def arrived(suite: Suite, told: list[Event]) -> tuple[int, int]:
    """How many events the recorder did not apply, how many it applied again."""
    applied = Counter(event_id for (event_id,) in suite.sql(RECORDER, "SELECT event_id FROM applied"))
    wanted = {event.id for event in told}
    assert set(applied) <= wanted
    return len(wanted - set(applied)), applied.total() - len(applied)


def wrong_versions(suite: Suite, written: dict[str, int], told: list[Event]) -> list[str]:
    """Records whose versions differ between their writer, their table and the outbox, which has each exactly once."""
    versions = defaultdict(list)
    for event in told:
        versions[event.record_id].append(event.version)
    stored = {
        str(record_id): version
        for service, records in SOURCES.items()
        for record in records
        for record_id, version in suite.sql(service, f"SELECT id, version FROM {record}")
    }
    return [
        f"{i}: written {written.get(i)} times, stored {stored.get(i)}, announced {versions.get(i)}"
        for i in {*stored, *versions, *written}
        if not (written.get(i) == stored.get(i) and versions.get(i) == [*range(1, stored.get(i, 0) + 1)])
    ]


def different_effects(suite: Suite) -> list[Any]:
    """Rows that one side has and the other has not."""
    differing = []
    for service, effect, owner, source in EFFECTS:
        differing += [(service, row) for row in set(suite.sql(service, effect)) ^ set(suite.sql(owner, source))]
    return differing
