"""A workbook as the ZIP file it is, looked at before anything in it is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from typing import IO

from crm_records.imports.sheets import refusal

MOST_ENTRIES = 2000
UNFOLDED = 300 * 1024 * 1024
"""Bytes of everything unpacked."""
RATIO, RATIO_FROM = 120, 1024 * 1024
"""How many times larger an entry may be unpacked, from this size on. XML of a table comes to 10 or 20."""
PIECE = 64 * 1024

_PROGRAMS = ("vbaproject", "/activex/", "/embeddings/", "/macrosheets/", "/dialogsheets/", ".bin.rels", "/ctrlprops/")
_LINKS = ("/externallinks/", "xl/connections.xml", "/querytables/")
_INSIDE = (".zip", ".xlsx", ".xlsm", ".xls", ".exe", ".dll", ".js", ".vbs", ".jar", ".7z", ".rar", ".gz")


def look(file: IO[bytes]) -> zipfile.ZipFile:
    """The opened archive, if it is what a spreadsheet program would save."""
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, EOFError, NotImplementedError):
        raise refusal("file_broken") from None
    if not entries:
        raise refusal("file_not_a_table")
    if len(entries) > MOST_ENTRIES:
        raise refusal("file_unfolds")
    names = [e.filename for e in entries]
    if len({n.lower() for n in names}) != len(names) or any(_strange(n) for n in names):
        raise refusal("file_unsafe")
    if any(e.flag_bits & 1 for e in entries):
        raise refusal("file_old_or_encrypted")
    if any(e.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for e in entries):
        raise refusal("file_unsafe")
    _weigh(entries)
    _refuse_programs(archive, names)
    return archive


def read_small(archive: zipfile.ZipFile, name: str, limit: int = 1024 * 1024) -> bytes:
    """A whole entry that is never large."""
    try:
        with archive.open(name) as entry:
            data = entry.read(limit + 1)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
        raise refusal("file_broken") from None
    if len(data) > limit:
        raise refusal("file_unfolds")
    return data


def _weigh(entries: list[zipfile.ZipInfo]) -> None:
    if sum(e.file_size for e in entries) > UNFOLDED:
        raise refusal("file_unfolds")
    for e in entries:
        if e.file_size > RATIO_FROM and e.file_size > RATIO * max(e.compress_size, 1):
            raise refusal("file_unfolds")
    end = 0
    for e in sorted(entries, key=lambda entry: entry.header_offset):
        if e.header_offset < end or (not end and e.header_offset):  # entries share bytes, or something stands before
            raise refusal("file_unsafe")
        end = e.header_offset + 30 + len(e.filename.encode()) + e.compress_size


def _strange(name: str) -> bool:
    parts = name.split("/")
    return name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or ":" in parts[0] or len(name) > 300


def _refuse_programs(archive: zipfile.ZipFile, names: list[str]) -> None:
    lower = [f"/{n.lower()}" for n in names]
    if any(word in n for n in lower for word in _PROGRAMS):
        raise refusal("file_has_macros")
    if any(word in n for n in lower for word in _LINKS):
        raise refusal("file_has_links")
    if any(n.endswith(_INSIDE) for n in lower):
        raise refusal("file_unsafe")
    if "[Content_Types].xml" not in names:
        raise refusal("file_not_a_table")
    types = read_small(archive, "[Content_Types].xml").lower()
    if b"macroenabled" in types:
        raise refusal("file_has_macros")
    if b"spreadsheetml.sheet.main+xml" not in types:
        raise refusal("file_not_a_table")
