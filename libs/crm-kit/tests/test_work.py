"""The relay and the reader between real PostgreSQL and real NATS, while one or the other goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the stage beside this file

from delivery import Stage, postgres, services, stage

from crm_kit.testing.suite import eventually

__all__ = ["postgres", "services", "stage"]


def test_events_are_sent_in_order_and_marked_with_their_place(stage: Stage) -> None:
    for _ in range(200):
        stage.announce("a", "b", "a")

    stage.relay()

    assert eventually(lambda: stage.waiting() == 0)
    told = stage.sql(stage.origin, "SELECT stream_seq FROM outbox ORDER BY id")
    assert told == [(n,) for n in range(1, 601)]
    assert stage.messages() == [pair for n in range(200) for pair in (("a", 2 * n + 1), ("b", n + 1), ("a", 2 * n + 2))]


def test_an_event_is_applied_without_waiting_for_more(stage: Stage) -> None:
    relay = stage.relay()
    stage.reader()

    for n in range(1, 11):
        stage.announce("a")
        relay.wake()
        assert eventually(lambda n=n: stage.arrived() == n)  # type: ignore[misc]

    assert stage.all_arrived()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has this class of the scheduler")
def test_work_on_events_interrupts_nobody_who_is_at_work(stage: Stage) -> None:
    stage.relay()
    stage.announce("a")
    assert eventually(lambda: stage.waiting() == 0)

    mine = [t.native_id for t in threading.enumerate() if t.name == "work" or t.name.startswith("asyncio_")]

    assert len(mine) > 1
    assert {os.sched_getscheduler(thread) for thread in mine if thread} == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize(("words", "lock"), [(("--only", "relay"), 1), (("--only", "reader"), 2)])
def test_one_of_two_workers_works_and_the_other_takes_over_when_it_is_killed(
    stage: Stage, words: tuple[str, ...], lock: int
) -> None:
    service = stage.origin if lock == 1 else stage.copy
    stage.reader() if lock == 1 else stage.relay()
    held = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {0x43524D00 + lock} AND granted"
    held += " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    first = stage.process(service, "work", *words)
    assert eventually(lambda: len(stage.sql(service, held)) == 1)
    (holder,) = stage.sql(service, held)
    stage.process(service, "work", *words)
    for _ in range(50):
        stage.announce("a", "b")
    assert stage.all_arrived()
    assert stage.sql(service, held) == [holder]

    first.kill()

    for _ in range(50):
        stage.announce("a", "b")
    assert stage.all_arrived()
    assert stage.sql(service, held) != [holder]


def outage(stage: Stage, events: int, seconds: float) -> float:
    """NATS stays away for so long while so many events are written; how long the backlog takes afterwards."""
    stage.relay()
    stage.reader()
    stage.announce("before")
    assert stage.all_arrived()
    stage.nats.stop()
    began = time.monotonic()
    while stage.announced <= events:
        stage.announce(*(f"record {(stage.announced + n) % 1000}" for n in range(50)))
        time.sleep(max(0.0, began + seconds * stage.announced / events - time.monotonic()))
    assert stage.waiting() >= events
    stage.nats.start()
    began = time.monotonic()
    assert stage.all_arrived(300)
    return time.monotonic() - began


def test_while_nats_is_away_writes_go_on_and_are_sent_when_it_is_back(stage: Stage) -> None:
    """The short form of R02's first half: 6 seconds and 3,000 events instead of 5 minutes and 30,000."""
    outage(stage, 3_000, 6)


@pytest.mark.long
@pytest.mark.figure("R02")
def test_after_five_minutes_without_nats_a_backlog_of_30_000_drains(
    stage: Stage, measured: Callable[[str], None]
) -> None:
    took = outage(stage, 30_000, 300)

    measured(f"5 minutes without NATS: 0 writes failed, 0 of 30,000 events lost, backlog drained in {took:.0f} s")
    assert took < 60


@pytest.mark.figure("R02")
@pytest.mark.parametrize("when", ["stopped", "running", "removed beneath"])
def test_what_nats_lost_with_its_store_is_sent_again_and_applied_once(
    stage: Stage, when: str, measured: Callable[[str], None]
) -> None:
    """Also what was acknowledged but not yet read, which no other copy holds."""
    relay, reader = stage.relay(), stage.reader()
    for _ in range(40):
        stage.announce(*"abcdefghij")
    assert stage.all_arrived()
    reader.stop()
    for _ in range(40):
        stage.announce(*"abcdefghij")
    assert eventually(lambda: stage.waiting() == 0)

    if when == "stopped":
        relay.stop()
    if when == "removed beneath":
        shutil.rmtree(stage.nats.folder / "jetstream", ignore_errors=True)
    stage.lose_the_store() if when != "removed beneath" else (stage.kill_nats(), stage.nats.start())
    stage.announce(*"abcdefghij")
    if when == "stopped":
        stage.relay()
    stage.reader()

    assert stage.all_arrived()
    assert eventually(lambda: stage.waiting() == 0)
    measured(f"store lost while {when}: 0 lost, 0 doubled of {stage.announced} events")


@pytest.mark.figure("R02")
def test_what_nats_forgot_by_going_back_is_sent_again_and_applied_once(
    stage: Stage, measured: Callable[[str], None]
) -> None:
    relay, reader = stage.relay(), stage.reader()
    for _ in range(20):
        stage.announce(*"abcdefghij")
    assert stage.all_arrived()
    stage.nats.stop()
    shutil.copytree(stage.nats.folder / "jetstream", stage.place / "backup")
    stage.nats.start()
    for _ in range(20):
        stage.announce(*"abcdefghij")
    assert stage.all_arrived()
    reader.stop()
    stage.announce(*"abcdefghij")
    assert eventually(lambda: stage.waiting() == 0)
    relay.stop()

    stage.nats.stop()
    shutil.rmtree(stage.nats.folder / "jetstream")
    shutil.copytree(stage.place / "backup", stage.nats.folder / "jetstream")
    stage.nats.start()
    stage.announce(*"abcdefghij")
    stage.relay()
    stage.reader()

    assert stage.all_arrived()
    measured(f"store rolled back: 0 lost, 0 doubled of {stage.announced} events")


def test_a_reader_killed_between_effect_and_commit_leaves_neither(stage: Stage) -> None:
    stage.relay()
    stall = stage.place / "stall"
    for _ in range(2):
        stall.touch()
        reader = stage.process(stage.copy, "work", "--only", "reader", RECORDER_STALL=str(stall))
        stage.announce(*"abcabc")
        assert eventually(stall.with_suffix(".reached").exists)
        reader.kill()
        reader.wait()
        before = stage.arrived()
        stall.unlink()
        stall.with_suffix(".reached").unlink()
        assert stage.arrived() == before
    stage.reader()

    assert stage.all_arrived()


@pytest.mark.figure("R03")
def test_a_poison_event_waits_with_its_record_until_it_is_retried(
    stage: Stage, measured: Callable[[str], None]
) -> None:
    stage.relay()
    stage.reader()
    stage.sql(stage.copy, "INSERT INTO refused VALUES ('bad')")
    for _ in range(20):
        stage.announce("bad", "good", "fine")
    assert eventually(lambda: stage.arrived() == 40)
    held = stage.sql(stage.copy, "SELECT record_id, reason FROM dead_letter ORDER BY id")
    assert {record for record, _ in held} == {"bad"}
    assert held[0][1].startswith("ValueError: bad is refused")
    stage.sql(stage.copy, "TRUNCATE refused")

    retry = subprocess.run(
        [sys.executable, "-m", "crm_kit.testing.recorder", "retry-dead-letters"],
        env=stage.settings(stage.copy),
        capture_output=True,
        text=True,
    )

    assert retry.stdout == "20 applied, 0 still failing\n", retry.stderr
    stage.announce("bad")
    assert stage.all_arrived()
    measured(
        f"1 poison event held back 19 of its record and 0 of {stage.announced - 21} others; all applied by a retry"
    )


def test_when_postgresql_restarts_the_workers_go_on_by_themselves(stage: Stage) -> None:
    stage.relay()
    stage.reader()
    stage.announce("a", "b")
    assert stage.all_arrived()
    for number in (signal.SIGINT, signal.SIGQUIT):
        process = stage.postgres._process
        assert process is not None
        process.send_signal(number)
        process.wait()
        stage.postgres.start()
        for service in (stage.origin, stage.copy):
            service.writer.dispose()  # the tests' own idle connections; workers hold theirs

        for _ in range(30):
            stage.announce("a", "b")
        assert stage.all_arrived()


def test_the_order_of_a_record_holds_while_nats_is_killed_again_and_again(stage: Stage) -> None:
    stage.relay()
    stage.reader()
    for _ in range(12):
        for _ in range(25):
            stage.announce(*"abcabcab")
        stage.kill_nats()
        stage.nats.start()

    assert stage.all_arrived(120)
