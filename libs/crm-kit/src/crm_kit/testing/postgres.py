"""The PostgreSQL of the tests."""

from __future__ import annotations

import atexit
import shutil
import socket
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg


@cache
def postgres() -> Any:
    """One PostgreSQL for this process; it ends with it and leaves nothing."""
    # Found by its name: the command line stands above the kit, only tests reach up.
    embedded = import_module("crm_cli.postgres")
    folder = Path(tempfile.mkdtemp(prefix="crm-test-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = embedded.Postgres(folder / "postgres", port, durable=False).start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server


def key_file() -> Path:
    """The key file of the services of this process; it is made when the first of them needs it."""
    return Path(postgres().folder).with_name("master.keys")


def database(name: str) -> str:
    """The address of a new, empty database."""
    with psycopg.connect(postgres().url(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return str(postgres().url(name))
