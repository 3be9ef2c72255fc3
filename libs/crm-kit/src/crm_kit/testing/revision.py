"""Writes a migration: `make migration S=customer M="customers have a nickname"`.

A database of its own is brought to the migrations there are; what the tables of the code have beyond that goes into
a new file of one line of history: the service's own, the kit's or the records'. It is a proposal: read it, and
make it one that the release before can live with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import MetaData

from crm_kit import db, migrate
from crm_kit.service import KIT_METADATA, Service
from crm_kit.testing.postgres import database

KIT = migrate.HERE / "versions"


def revise(service: Service, line: str, folder: Path, others: Iterable[MetaData], message: str) -> Path | None:
    """The new migration of a line of history, in its folder; None where the tables are as the migrations make them.

    `others` are the tables of the other lines, which this one leaves alone.
    """
    elsewhere = {name for metadata in others for name in metadata.tables}
    folder.mkdir(parents=True, exist_ok=True)
    before = sorted(path.stem for path in folder.glob(f"{line}_[0-9]*.py"))
    number = int(before[-1].removeprefix(f"{line}_")[:4]) + 1 if before else 1
    engine = db.engine(database(f"revision_{line}"), "revision", size=2)
    metadata = list(dict.fromkeys([*KIT_METADATA, *service.metadata]))
    alembic = migrate.config(engine, service.versions, metadata)

    def only_ours(_context: Any, _revision: Any, proposals: list[Any]) -> None:
        ops = proposals[0].upgrade_ops
        ops.ops = [op for op in ops.ops if op.table_name not in elsewhere]
        if not ops.ops:
            proposals.clear()

    try:
        migrate.upgrade(alembic)
        script: Any = command.revision(
            alembic,
            message=message,
            autogenerate=True,
            rev_id=f"{line}_{number:04}",
            head=f"{line}@head" if before else "base",
            branch_label=None if before else line,
            version_path=str(folder),
            process_revision_directives=only_ours,
        )
    finally:
        engine.dispose()
    return Path(script.path) if script else None


def main(line: str, message: str) -> None:
    """`line` is a service's package (service_desk), or `kit` or `records`."""
    package = "customer" if line in ("kit", "records") else line
    service: Service = import_module(f"{package}.app").SERVICE
    records = import_module("crm_records.tables")  # found by name: it stands above the kit
    own = [m for m in service.metadata if m not in (*KIT_METADATA, *records.METADATA)]
    lines = {"kit": (KIT, KIT_METADATA), "records": (records.VERSIONS, records.METADATA)}
    lines[package] = (service.versions[-1], tuple(own))
    others = [m for name, (_, metadata) in lines.items() if name != line for m in metadata]
    made = revise(service, line, lines[line][0], others, message)
    sys.stdout.write(f"{made}\n" if made else "the migrations make these tables already\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
