"""Sealing: a value opens where it belongs and with the right keys, nowhere else; keys change while everything runs."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, LargeBinary, MetaData, Table, Text, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit import db, key_commands, key_file, rotation, sealing
from crm_kit.sealing import SEALED, Keyring, Unreadable
from crm_kit.settings import SettingsError
from crm_kit.testing import database
from crm_kit.testing.suite import eventually

pytestmark = pytest.mark.feature("IDN-10")

METADATA = MetaData()
SECRET = Table(
    "secret",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("phone", LargeBinary, info=SEALED),
    Column("blind_index", ARRAY(Text), nullable=False, server_default="{}"),
)
SECRET.info["tokens"] = lambda keys, connection, plain: keys.tokens(
    connection, [("secret.phone", plain["phone"].decode())]
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = db.engine(database("sealing"), "sealing", size=8)
    for one in (sealing.metadata, rotation.metadata, METADATA):
        one.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def keys(engine: Engine, tmp_path: Path) -> Keyring:
    made = sealing.connect(engine, tmp_path / "keys" / "master.keys")
    made.check()
    return made


def again(engine: Engine, keys: Keyring) -> Keyring:
    """As another process has it."""
    return Keyring(engine, keys.file)


def put(engine: Engine, keys: Keyring, row_id: str, phone: str) -> None:
    with engine.begin() as connection:
        sealed = keys.seal(connection, f"secret.phone.{row_id}", phone.encode())
        tokens = keys.tokens(connection, [("secret.phone", phone)])
        connection.execute(insert(SECRET).values(id=row_id, phone=sealed, blind_index=tokens))


def get(engine: Engine, keys: Keyring, row_id: str, *, at: str = "") -> str:
    with engine.connect() as connection:
        sealed = connection.scalar(select(SECRET.c.phone).where(SECRET.c.id == row_id))
        assert sealed is not None
        return keys.open(connection, f"secret.phone.{at or row_id}", sealed).decode()


def find(engine: Engine, keys: Keyring, phone: str) -> set[str]:
    with engine.connect() as connection:
        tokens = keys.sought(connection, [("secret.phone", phone)])
        return set(connection.scalars(select(SECRET.c.id).where(SECRET.c.blind_index.overlap(tokens))))


def test_a_value_opens_where_it_was_sealed_and_nowhere_else(engine: Engine, keys: Keyring) -> None:
    put(engine, keys, "a", "13800138000")

    assert get(engine, keys, "a") == "13800138000"
    with pytest.raises(Unreadable, match=r"secret\.phone\.b does not open"):
        get(engine, keys, "a", at="b")
    with engine.begin() as connection:
        sealed = connection.scalar(select(SECRET.c.phone))
        assert sealed is not None
        for place in ("secret.mobile.a", "other.phone.a"):
            with pytest.raises(Unreadable):
                keys.open(connection, place, sealed)
        for i in range(len(sealed)):
            with pytest.raises(Unreadable):
                keys.open(connection, "secret.phone.a", sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :])
        with pytest.raises(Unreadable, match="no sealed value"):
            keys.open(connection, "secret.phone.a", b"13800138000")


def test_equal_values_look_different_and_are_found_alike(engine: Engine, keys: Keyring) -> None:
    put(engine, keys, "a", "13800138000")
    put(engine, keys, "b", "13800138000")

    with engine.connect() as connection:
        one, other = connection.scalars(select(SECRET.c.phone))
        tokens = connection.scalars(select(SECRET.c.blind_index)).all()
        elsewhere = keys.tokens(connection, [("secret.mobile", "13800138000")])
    assert one != other
    assert find(engine, keys, "13800138000") == {"a", "b"}
    assert find(engine, keys, "13800138001") == set()
    assert elsewhere[0] not in tokens[0]


def test_another_process_reads_with_the_same_file(engine: Engine, keys: Keyring) -> None:
    put(engine, keys, "a", "13800138000")

    assert get(engine, again(engine, keys), "a") == "13800138000"


def test_a_value_of_an_unknown_key_is_told_and_a_new_one_is_noticed_at_once(engine: Engine, keys: Keyring) -> None:
    other = again(engine, keys)
    put(engine, keys, "a", "13800138000")
    assert get(engine, other, "a") == "13800138000"
    rotation.begin(keys, engine)
    put(engine, keys, "b", "13900139000")

    assert get(engine, other, "b") == "13900139000"
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM data_key WHERE id = 3"))
    with pytest.raises(Unreadable, match="data key 3, which is not there"):
        get(engine, again(engine, keys), "b")


def test_the_key_file_is_made_once_and_for_its_owner_only(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "keys" / "master.keys"
    rings = [Keyring(engine, file) for _ in range(4)]
    threads = [threading.Thread(target=ring.check) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["master.keys"]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM data_key")) == 2
    assert len({ring.current for ring in rings}) == 1


def test_without_its_key_file_a_service_does_not_start_and_makes_no_other(engine: Engine, keys: Keyring) -> None:
    kept = keys.file.rename(keys.file.with_name("elsewhere"))
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        again(engine, keys).check()
    assert not keys.file.exists()

    key_file.make(keys.file)
    with pytest.raises(SettingsError, match="does not hold the master key"):
        again(engine, keys).check()
    keys.file.write_text(kept.read_text().replace(" ", " A", 1))
    with pytest.raises(SettingsError, match="damaged"):
        again(engine, keys).check()


def test_a_process_says_in_one_line_why_it_does_not_start(engine: Engine, keys: Keyring, tmp_path: Path) -> None:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    told = os.environ | {"DATABASE_URL": url, "KEY_FILE": str(tmp_path / "none")}
    told |= {"RECORDER_SOURCES": "origin.thing", "ADDRESS": "127.0.0.1:0"}
    command = [sys.executable, "-m", "crm_kit.testing.recorder", "work"]

    ended = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    line = ended.stderr.strip()

    assert line == f"recorder: KEY_FILE {tmp_path / 'none'} cannot be read: No such file or directory"


def test_with_a_new_master_key_the_values_stay_and_the_old_one_is_needed_no_more(engine: Engine, keys: Keyring) -> None:
    put(engine, keys, "a", "13800138000")
    old = next(iter(key_file.read(keys.file)))
    new = key_file.add(keys.file)

    key_commands.rotate(keys, engine, [SECRET], rewrap=True)

    lines = keys.file.read_text().splitlines()
    assert [line.split()[0] for line in lines] == [new, old]
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600
    keys.file.write_text(lines[0])
    assert get(engine, again(engine, keys), "a") == "13800138000"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are taken to notice a new key sooner than they do; here there is one."""
    monkeypatch.setattr(sealing, "KEPT", 0.2)
    monkeypatch.setattr(sealing, "SETTLED", 0.4)


def finish(keys: Keyring, engine: Engine) -> None:
    assert eventually(lambda: rotation.go_on(keys, engine, [SECRET], rows=50), 60)


@pytest.mark.usefixtures("quick")
def test_everything_comes_under_the_new_keys_and_the_old_ones_retire(
    engine: Engine, keys: Keyring, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(120):
        put(engine, keys, f"r{i:03}", f"138{i:08}")
    rotation.begin(keys, engine)
    finish(keys, engine)

    with engine.connect() as connection:
        found = {(u.table, u.key_id, u.purpose): u.values for u in rotation.uses(connection, [SECRET])}
        retired = connection.scalars(text("SELECT id FROM data_key WHERE retired_time IS NOT NULL ORDER BY id")).all()
    assert found == {("secret.phone", 3, "data"): 120, ("secret.blind_index", 4, "index"): 120}
    assert list(retired) == [1, 2]
    assert get(engine, again(engine, keys), "r007") == "13800000007"
    assert find(engine, again(engine, keys), "13800000007") == {"r007"}
    key_commands.show(engine, [SECRET])
    assert '"values":{"secret.phone":120}' in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_row_that_somebody_holds_is_not_waited_for_and_not_forgotten(engine: Engine, keys: Keyring) -> None:
    put(engine, keys, "a", "13800138000")
    put(engine, keys, "b", "13900139000")
    rotation.begin(keys, engine)
    time.sleep(0.7)  # not measured: a transaction that began before the keys would be waited for
    with engine.begin() as holder:
        holder.execute(text("SELECT 1 FROM secret WHERE id = 'a' FOR UPDATE"))
        assert not rotation.go_on(keys, engine, [SECRET])
        assert find(engine, keys, "13800138000") == {"a"}
    finish(keys, engine)

    assert find(engine, again(engine, keys), "13800138000") == {"a"}
    with engine.connect() as connection:
        assert {u.key_id for u in rotation.uses(connection, [SECRET])} == {3, 4}


ROUND = """
import sys
from pathlib import Path
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY
from crm_kit import db, rotation, sealing
secret = Table(
    "secret", MetaData(), Column("id", Text, primary_key=True),
    Column("phone", LargeBinary, info=sealing.SEALED), Column("blind_index", ARRAY(Text)),
)
secret.info["tokens"] = lambda k, connection, row: k.tokens(connection, [("secret.phone", row["phone"].decode())])
engine = db.engine(sys.argv[1], "rotating", size=2)
keys = sealing.connect(engine, Path(sys.argv[2]))
while not rotation.go_on(keys, engine, [secret], rows=10):
    pass
"""


def test_a_change_of_keys_under_load_survives_being_killed(
    engine: Engine, keys: Keyring, measured: Callable[[str], None]
) -> None:
    """Readers, writers and searches go on all the time; the process that seals again is killed and another follows."""
    count, kills, stop, wrong = 1500, 3, threading.Event(), []
    with engine.begin() as connection:
        for i in range(count):
            sealed = keys.seal(connection, f"secret.phone.r{i:05}", f"138{i:08}".encode())
            tokens = keys.tokens(connection, [("secret.phone", f"138{i:08}")])
            connection.execute(insert(SECRET).values(id=f"r{i:05}", phone=sealed, blind_index=tokens))
    done = {"read": 0, "written": 0}

    def load(number: int) -> None:
        mine, i = again(engine, keys), number
        while not stop.is_set():
            i = (i * 7919 + 13) % count
            expected = f"138{i:08}"
            if get(engine, mine, f"r{i:05}") != expected or f"r{i:05}" not in find(engine, mine, expected):
                wrong.append(i)
            put(engine, mine, f"w{number}-{done['written']}", f"139{done['written']:08}")
            done["read"] += 1
            done["written"] += 1

    loading = threading.Thread(target=load, args=(1,), daemon=True)
    loading.start()
    rotation.begin(keys, engine)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-c", ROUND, url, str(keys.file)]
    ended: list[int] = []
    positions: list[Any] = []
    try:
        for _ in range(kills):
            before = position(engine)
            process = subprocess.Popen(command)
            assert eventually(lambda b=before, p=process: position(engine) != b or p.poll() is not None, 240)  # type: ignore[misc]
            positions.append(position(engine))
            process.send_signal(signal.SIGKILL)
            ended.append(process.wait())
    finally:
        stop.set()
        loading.join()
    assert eventually(lambda: rotation.go_on(keys, engine, [SECRET], rows=200), 60)

    assert ended[0] == -signal.SIGKILL
    assert positions == sorted(positions)
    assert not wrong
    fresh = again(engine, keys)
    with engine.connect() as connection:
        rows = connection.execute(select(SECRET.c.id, SECRET.c.phone)).all()
        values = {row.id: fresh.open(connection, f"secret.phone.{row.id}", row.phone).decode() for row in rows}
        under = {u.key_id for u in rotation.uses(connection, [SECRET])}
    assert under == {3, 4}
    assert all(values[f"r{i:05}"] == f"138{i:08}" for i in range(count))
    assert len(values) == count + done["written"]
    measured(f"{len(values):,} values sealed again under load, {kills} kills, 0 lost, {done['read']:,} reads all found")


def position(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT position FROM key_round WHERE table_name = 'secret'")) or ""
