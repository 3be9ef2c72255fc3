"""R53: whoever tampers with the audit trail is found, also with all rights in the database and the code at hand."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import pytest
from tampering import WAYS, Listed, Rows, anchored, change_all_behind, cut_off, delete, sealed, store

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.event_pb2 import Event
from crm_kit import ids
from crm_kit.testing import Server, event
from identity.audit import anchors
from identity.audit.anchors import Anchor
from identity.audit.verify import Stored, check

pytestmark = [pytest.mark.feature("IDN-09"), pytest.mark.figure("R53")]

ENTRIES, TAMPERINGS, IN_THE_DATABASE = 3000, 1000, 33


def happened(chance: random.Random) -> Event:
    """Something that somebody did with a customer."""
    action = chance.choice(["created", "updated", "assigned", "deleted"])
    told = event(Customer(id=ids.uuid7(), name=f"客户{chance.random()}"), action, chance.randint(1, 9))
    told.actor_id, told.actor_name = ids.uuid7(), chance.choice(["李娜", "王芳", "O'Hara"])
    told.address, told.session_id, told.request_id = "10.0.0.7", ids.uuid7(), ids.uuid7()
    told.trace_parent = f"00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01"
    change = told.changes.add(field="name")
    change.before.null_value, change.after.string_value = 0, f"客户{chance.random()}"
    return told


@pytest.fixture
def rows(server: Server) -> Rows:
    """A trail made by the reader, as the check sees it."""
    chance = random.Random(53)
    told = [happened(chance) for _ in range(ENTRIES)]
    for start in range(0, ENTRIES, 250):
        server.deliver(chance.choice(["customer", "sales"]), *told[start : start + 250])
    with server.service.reader.connect() as connection:
        return list(Stored(connection).rows(None, ENTRIES))


def test_a_thousand_random_tamperings_are_found(rows: Rows, measured: Callable[[str], None]) -> None:
    chance = random.Random(1000)
    assert check(Listed(rows), lambda: [anchored(rows, chance)]).broken is None

    missed, misnamed, kinds = [], [], set()
    for number in range(TAMPERINGS):
        marks = anchored(rows, chance)
        done = WAYS[number % len(WAYS)](chance, rows)
        broken = check(Listed(done.rows), lambda marks=marks: [marks]).broken
        kinds.add(done.how)
        if broken is None:
            missed.append((number, done.how, done.first))
        elif not done.first <= broken.seq <= next_anchor(marks, done.first) + 1:
            misnamed.append((number, done.how, done.first, broken))

    assert missed == []
    assert misnamed == []
    assert len(kinds) >= len(WAYS)
    measured(f"{TAMPERINGS - len(missed)} of {TAMPERINGS} tamperings found, of {len(kinds)} kinds")


def test_tamperings_in_the_database_past_every_trigger_and_key_are_found(
    server: Server, rows: Rows, measured: Callable[[str], None]
) -> None:
    chance = random.Random(66)
    missed = []
    for number in range(IN_THE_DATABASE):
        marks = anchored(rows, chance)
        done = WAYS[number % len(WAYS)](chance, rows)
        with server.service.writer.connect() as connection, connection.begin() as transaction:
            store(connection, rows, done.rows)
            there = Stored(connection)
            assert sorted(there.rows(None, 2**62)) == sorted(done.rows), "not what was meant to be tried"
            broken = check(there, lambda marks=marks: [marks]).broken
            transaction.rollback()
        if broken is None or not done.first <= broken.seq <= next_anchor(marks, done.first) + 1:
            missed.append((number, done.how, done.first, broken))

    assert missed == []
    measured(f"{IN_THE_DATABASE} of {IN_THE_DATABASE} in the database found")


@pytest.fixture
def command(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`python -m identity audit-verify` over the test's database and anchors."""
    monkeypatch.setenv("AUDIT_ANCHORS", str(tmp_path / "anchors.jsonl"))

    def run(*words: str) -> tuple[int, str]:
        environment = {**os.environ, "DATABASE_URL": server.service.settings.database_url}
        done = subprocess.run(
            [sys.executable, "-m", "identity", "audit-verify", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_command_says_that_all_is_well_or_names_the_first_broken_entry(server, rows, command) -> None:
    code, said = command()
    assert (code, "There are no anchors" in said) == (1, True)

    for row in rows[99::100]:
        anchors.append(Anchor(row[0], row[-1], "now"))
    code, said = command()
    assert code == 0, said
    assert f"{ENTRIES} entries checked, {ENTRIES // 100} anchors compared." in said
    assert f"Newest entry: {ENTRIES} {rows[-1][-1]}" in said

    chance = random.Random(9)
    before = rows
    for way in (change_all_behind, delete, cut_off):
        done = way(chance, rows)
        with server.service.writer.begin() as connection:
            store(connection, before, done.rows)
        before = done.rows
        code, said = command()
        assert code == 1, (done.how, said)
        named = int(said.partition("BROKEN at ")[2].partition(":")[0])
        assert done.first <= named <= (done.first + 99) // 100 * 100 + 1, (done.how, done.first, said)
    with server.service.writer.begin() as connection:
        store(connection, before, [])
        connection.exec_driver_sql("ALTER TABLE audit_entry ADD PRIMARY KEY (seq)")
        connection.exec_driver_sql("ALTER TABLE audit_entry ADD UNIQUE (id)")


def test_the_command_checks_what_is_left_where_old_entries_were_removed(server, rows, command) -> None:
    anchors.append(Anchor(ENTRIES, rows[-1][-1], "now"))
    server.sql("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_stays")
    server.sql("DELETE FROM audit_entry WHERE seq <= 1000")
    server.sql("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_stays")

    assert "BROKEN at 1: Entry 1 is missing" in command()[1]
    code, said = command("1001")

    assert code == 0, said
    assert "2000 entries checked, 1 anchors compared." in said


def test_a_database_that_does_not_answer_is_told_and_is_no_verdict() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "identity", "audit-verify"],
        env={**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("identity: ")


def test_a_chain_computed_anew_behind_the_last_anchor_is_found_by_the_next_anchor_it_contradicts(rows: Rows) -> None:
    mark = Anchor(2000, rows[1999][-1], "")
    forged = sealed([*rows[:2500], (*rows[2500][:8], "someone", *rows[2500][9:]), *rows[2501:]], 2501)

    assert check(Listed(forged), lambda: [[mark]]).broken is None  # nothing outside says otherwise yet
    broken = check(Listed(forged), lambda: [[mark, Anchor(ENTRIES, rows[-1][-1], "")]]).broken

    assert broken is not None
    assert (broken.seq, broken.what) == (ENTRIES, "anchor")


def next_anchor(marks: list[Anchor], seq: int) -> int:
    """The first anchor that covers an entry."""
    places = [mark.seq for mark in marks]
    return places[min(bisect_left(places, seq), len(places) - 1)]
