"""What a job was given or has made: files in parts, sealed, kept with the job and for a week after its end."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import IO

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    select,
)

from crm_kit import sealing

metadata = MetaData()

PART = 128 * 1024
"""Bytes of a file in one row: a change of keys takes two hundred of them at once."""

job_file = Table(
    "job_file",
    metadata,
    Column("job_id", Uuid(as_uuid=False), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("content_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, info=sealing.SEALED),
)
"""What a job was given or has made, in parts, so that no statement carries a whole file. Sealed: it may hold personal
data of thousands."""


def save(connection: Connection, job_id: str, name: str, content_type: str, content: bytes | IO[bytes]) -> None:
    """Keep a file of a job, in place of one of the same name; its bytes, or an open file that is read to its end."""
    connection.execute(delete(job_file).where(job_file.c.job_id == job_id, job_file.c.name == name))
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    keys = sealing.of(connection)
    for part in itertools.count():
        piece = file.read(PART)
        if part and not piece:
            return
        sealed = keys.seal(connection, _place(job_id, name, part), piece)
        row = {"job_id": job_id, "name": name, "part": part, "content_type": content_type, "content": sealed}
        connection.execute(insert(job_file).values(row))


def drop(connection: Connection, job_id: str, begin: str) -> None:
    """Drop the files of a job whose names begin like this."""
    these = job_file.c.name.startswith(begin, autoescape=True)
    connection.execute(delete(job_file).where(job_file.c.job_id == job_id, these))


def parts(connection: Connection, job_id: str, name: str, begin: int = 0, many: int = 100_000) -> Iterator[bytes]:
    """The content of a job's file, `PART` by `PART`, from one of them on."""
    keys = sealing.of(connection)
    query = select(job_file.c.content).where(job_file.c.job_id == job_id, job_file.c.name == name)
    for part in range(begin, begin + many):
        sealed = connection.scalar(query.where(job_file.c.part == part))
        if sealed is None:
            return
        yield keys.open(connection, _place(job_id, name, part), bytes(sealed))


def find(connection: Connection, job_id: str, name: str) -> tuple[str, int] | None:
    """(content type, parts) of a job's file; None if there is none, or no longer."""
    query = select(job_file.c.content_type, func.count()).where(job_file.c.job_id == job_id, job_file.c.name == name)
    row = connection.execute(query.group_by(job_file.c.content_type)).one_or_none()
    return (row[0], row[1]) if row else None


def read(connection: Connection, job_id: str, name: str) -> tuple[str, bytes] | None:
    """(content type, content) of a job's file; None if there is none, or no longer."""
    found = find(connection, job_id, name)
    return (found[0], b"".join(parts(connection, job_id, name))) if found else None


def _place(job_id: str, name: str, part: int) -> str:
    return sealing.place(job_file.name, "content", job_id, name, part)
