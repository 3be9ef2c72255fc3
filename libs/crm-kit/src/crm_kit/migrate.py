"""Migrations: three lines of history in one database, the kit's, the records', the service's own.

Each is a branch of Alembic revisions in its own package, so a table of the kit is written down once and moves
forward in every service. A migration waits at most two seconds for a lock: it gives up rather than hold up a
service that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, MetaData, text

HERE = Path(__file__).parent / "migrations"
_LOCK = 0x43524D0A


def config(engine: Engine, versions: Sequence[Path], metadata: Sequence[MetaData]) -> Config:
    """Alembic's configuration, without a file."""
    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", "\n".join(str(p) for p in [HERE / "versions", *versions]))
    made.attributes["engine"] = engine
    made.attributes["metadata"] = list(metadata)
    return made


def is_current(alembic: Config) -> bool:
    """Whether the database has every migration of this release."""
    with alembic.attributes["engine"].connect() as connection:
        there = MigrationContext.configure(connection).get_current_heads()
    # Not compared with the heads: one that a revision of another line depends on is not told.
    try:
        return not list(ScriptDirectory.from_config(alembic).iterate_revisions("heads", there, implicit_base=True))
    except CommandError:  # the database knows a revision that we do not
        return False


def upgrade(alembic: Config) -> None:
    """Bring the database to this release. Several at once wait for each other."""
    command.upgrade(alembic, "heads")


def run_env() -> None:
    """What env.py does: all branches in one transaction, under a lock, with a short patience."""
    attributes = context.config.attributes
    with attributes["engine"].connect() as connection:
        connection.execute(text("SELECT set_config('lock_timeout', '2s', false)"))
        connection.execute(text("SELECT set_config('statement_timeout', '0', false)"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=attributes["metadata"], compare_server_default=False)
        context.run_migrations()
        connection.commit()
