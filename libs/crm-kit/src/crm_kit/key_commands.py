"""What an operator does with the keys of a service: look at them, change them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import orjson
from sqlalchemy import Engine, Table, select

from crm_kit import key_file, rotation
from crm_kit.sealing import Keyring, data_key


def show(engine: Engine, tables: Sequence[Table]) -> None:
    """One line of JSON for each key: what it is for, whether it has retired, how many values are under it."""
    with engine.connect() as connection:
        uses = rotation.uses(connection, tables)
        keys = connection.execute(select(data_key).order_by(data_key.c.id)).all()
    for key in keys:
        line = {
            "key": key.id,
            "purpose": key.purpose,
            "masterKey": key.master_key_id,
            "created": key.create_time,
            "retired": key.retired_time,
            "values": {u.table: u.values for u in uses if u.key_id == key.id and u.purpose == key.purpose},
        }
        sys.stdout.write(orjson.dumps(line).decode() + "\n")


def add_master(keys: Keyring) -> None:
    """Put a new master key first into the key file; each service then wraps its keys again with `--rewrap`."""
    sys.stdout.write(f"{key_file.add(keys.file)}\n")


def rotate(keys: Keyring, engine: Engine, tables: Sequence[Table], *, rewrap: bool) -> None:
    """Make new keys and seal everything again; with `rewrap` only wrap the keys with the newest master key.

    Whoever stops this stops nothing: a running service goes on with it.
    """
    if rewrap:
        with engine.begin() as connection:
            sys.stdout.write(f"{keys.rewrap(connection)} keys wrapped again\n")
        return
    with engine.connect() as connection:
        under_way = rotation.due(connection)
    if not under_way:
        rotation.begin(keys, engine)
    sys.stdout.write("going on with the change under way\n" if under_way else "new keys are made\n")
    sys.stdout.flush()
    while not rotation.go_on(keys, engine, tables):
        time.sleep(0.2)
    sys.stdout.write("everything is sealed with them; the old keys have retired\n")
