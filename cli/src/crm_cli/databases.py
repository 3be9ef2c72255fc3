"""One database and one role per service, and whether a schema is the one its service expects.

`python -m crm_cli.databases` creates what is missing and prints, as JSON, which services must be migrated. It is a
process of its own so that the supervisor, which runs for months, never loads a database driver.
"""

import ast
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


def is_behind(service: Service, url: str) -> bool:
    """Whether the schema is not at the newest migration. One query, without loading Alembic."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = {version for (version,) in connection.execute("SELECT version_num FROM alembic_version")}
    except psycopg.errors.UndefinedTable:
        found = set()
    return found != heads(service)


def heads(service: Service) -> set[str]:
    """The migrations that no other one follows, read without running them."""
    spec = find_spec(service.package)
    if not (spec and spec.origin):
        return set()
    revisions: set[str] = set()
    followed: set[str] = set()
    for file in (Path(spec.origin).parent / "migrations" / "versions").glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            name = target.id if isinstance(target, ast.Name) else ""
            if name in ("revision", "down_revision") and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                value = ast.literal_eval(node.value)
                names = {value} if isinstance(value, str) else set(value or ())
                (revisions if name == "revision" else followed).update(names)
    return revisions - followed


def main() -> None:
    settings = Settings.read(os.environ)
    topology = Topology(settings, Folder(settings.data))
    if settings.embeds_postgres:
        create(topology.postgres, topology.passwords())
    behind = [service.name for service in topology.installed if is_behind(service, topology.database_url(service))]
    sys.stdout.write(json.dumps(behind))


if __name__ == "__main__":
    try:
        main()
    except (psycopg.Error, Wrong) as error:
        sys.exit(f"{type(error).__name__}: {error}")
