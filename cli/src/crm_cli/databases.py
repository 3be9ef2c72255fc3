"""One database and one role per service, and which of them may have to be migrated.

`python -m crm_cli.databases` creates what is missing and prints, as JSON, which services must be migrated. It is a
process of its own so that the supervisor, which runs for months, never loads a database driver. After migrating,
`python -m crm_cli.databases done` notes the state, so that the next start needs one query per database to see that
nothing changed: only a service itself can tell whether its schema is current, and to ask all six costs seconds.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from crm_cli.folder import Folder
from crm_cli.postgres import Postgres
from crm_cli.settings import Service, Settings, Wrong
from crm_cli.topology import Topology

SHARED = ("crm_kit", "crm_records")  # they bring tables and migrations of their own


def create(server: Postgres, passwords: Mapping[str, str]) -> None:
    """A role may connect to its own database only, and to no other.

    The password leaves this process as its SCRAM verifier: the server could log the statement.
    """
    with psycopg.connect(server.url(), autocommit=True) as connection:
        roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        databases = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name, password in passwords.items():
            role = sql.Identifier(name)
            if name not in roles:
                verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
                statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(statement.format(role, sql.Literal(verifier.decode())))
            if name not in databases:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
        if not databases.issuperset(passwords):
            for name in ("postgres", "template1"):
                connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def state(service: Service, url: str) -> str | None:
    """Changes when the database or any migration changes; None when it was never migrated."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    except psycopg.errors.UndefinedTable:
        return None
    digest = hashlib.sha256(repr(rows).encode())
    for package in (*SHARED, service.package):
        spec = find_spec(package)
        if spec and spec.origin:
            for file in sorted((Path(spec.origin).parent / "migrations").rglob("*.py")):
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def main(done: bool) -> None:
    settings = Settings.read(os.environ)
    topology = Topology(settings, Folder(settings.data))
    if settings.embeds_postgres and not done:
        create(topology.postgres, topology.passwords())
    now = {service.name: state(service, topology.database_url(service)) for service in topology.installed}
    note = settings.data / "migrated.json"
    if done:
        note.write_text(json.dumps(now, indent=1))
    else:
        known = json.loads(note.read_text()) if note.exists() else {}
        sys.stdout.write(json.dumps([name for name in now if now[name] is None or now[name] != known.get(name)]))


if __name__ == "__main__":
    try:
        main(done=sys.argv[1:] == ["done"])
    except (psycopg.Error, Wrong) as error:
        sys.exit(f"{type(error).__name__}: {error}")
