"""For migrations: columns whose plain values are to be kept encrypted from now on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, text

from crm import rule_pb2
from crm_kit import sealing
from crm_records import blind, search

ROWS = 500

Lines = Callable[[Connection, Sequence[str]], Mapping[str, Sequence[tuple[int, str]]]]
"""Row id → (format, value) of what else the searched text of a row holds and shall hold no longer."""


def to_bytes(connection: Connection, table: str, columns: Sequence[str]) -> None:
    """Make text columns into columns of bytes; the values are still plain."""
    parts = [f"ALTER {c} TYPE bytea USING convert_to({c}, 'UTF8')" for c in columns]
    connection.execute(text(f"ALTER TABLE {table} {', '.join(parts)}"))


def seal(
    connection: Connection, table: str, formats: Mapping[str, int], whole: Sequence[str] = (), also: Lines | None = None
) -> None:
    """Seal what stands in columns of bytes, and make blind index and searched text anew.

    `formats` are the columns that are found by their value, `whole` those that are not. Keys are made in this very
    transaction, because the table they lie in was.
    """
    names = [*formats, *whole]
    values: dict[str, Any] = {n: bindparam(f"new_{n}") for n in (*names, "blind_index", "search_text", "search_grams")}
    written = text(f"UPDATE {table} SET {', '.join(f'{n} = :new_{n}' for n in values)} WHERE id = :row_id")  # noqa: S608
    keys = sealing.of(connection) if _rows(connection, table, names, None) else None
    if keys is None:
        return
    keys.ensure(connection)
    last = None
    while rows := _rows(connection, table, names, last):
        last = str(rows[-1]["id"])
        gone = also(connection, [str(row["id"]) for row in rows]) if also else {}
        changed = []
        for row in rows:
            row_id = str(row["id"])
            plain = {n: bytes(row[n]) for n in names if row[n] is not None}
            found = [(formats[n], value.decode()) for n, value in plain.items() if n in formats]
            kept, grams = _without(row["search_text"], [*found, *gone.get(row_id, ())])
            tokens = [(f"{table}.{n}", blind.normal(formats[n], v.decode())) for n, v in plain.items() if n in formats]
            new: dict[str, Any] = {"row_id": row_id, "new_search_text": kept, "new_search_grams": grams}
            new["new_blind_index"] = keys.tokens(connection, tokens) if tokens else []
            for n in names:
                place = sealing.place(table, n, row_id)
                new[f"new_{n}"] = keys.seal(connection, place, plain[n]) if n in plain else None
            changed.append(new)
        connection.execute(written, changed)
    # Written anew without its old row versions, which hold the plain values.
    connection.execute(text(f"ALTER TABLE {table} ALTER version TYPE integer USING version + 0"))


def _rows(connection: Connection, table: str, names: Sequence[str], last: str | None) -> Sequence[Any]:
    columns = ", ".join(["id", *names, "search_text"])
    behind = "WHERE id > CAST(:last AS uuid)" if last else ""
    query = text(f"SELECT {columns} FROM {table} {behind} ORDER BY id LIMIT {ROWS}")  # noqa: S608
    return connection.execute(query, {"last": last} if last else {}).mappings().all()


def _without(searched: str | None, values: Sequence[tuple[int, str]]) -> tuple[str | None, list[str] | None]:
    """A searched text without the lines that are encrypted values, and its pairs."""
    if searched is None:
        return None, None
    gone = {search.normal(search.digits(v) if form == rule_pb2.FORMAT_PHONE else v) for form, v in values}
    return search.keys(line for line in searched.split("\n") if line not in gone)
