"""XML of a workbook as a stream: no declarations of types or entities, no depth, no endless token, nothing fetched."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

from crm_records.imports.sheets import refusal
from crm_records.imports.xlsx_zip import PIECE

DEEPEST = 40
LONGEST_TOKEN = 1024 * 1024
"""Bytes of one tag or text, and of all that stands between two rows or two texts."""

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


class Stream:
    """An entry of a workbook on its way through the parser: `advance` feeds it the next piece."""

    def __init__(
        self, archive: zipfile.ZipFile, name: str, start: Start, end: End, text: Callable[[str], None]
    ) -> None:
        try:
            self._entry = archive.open(name)
        except (KeyError, zipfile.BadZipFile, OSError, NotImplementedError):
            raise refusal("file_broken") from None
        self._parser: Any = expat.ParserCreate()
        self._parser.buffer_text = False
        self._depth = self._fed = self._marked = 0
        self._local: dict[str, str] = {}
        self._start, self._end = start, end
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = text
        self._parser.StartDoctypeDeclHandler = _declared
        self._parser.EntityDeclHandler = _declared
        self._parser.ExternalEntityRefHandler = _declared
        self.over = False

    @property
    def fed(self) -> int:
        """Bytes of XML so far."""
        return self._fed

    def mark(self) -> None:
        """Something whole was found: what is counted begins anew."""
        self._marked = self._fed

    def advance(self) -> bool:
        """Feed the next piece; False where there is none."""
        if self.over:
            return False
        try:
            piece = self._entry.read(PIECE)
            self._fed += len(piece)
            self._parser.Parse(piece, not piece)
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise refusal("file_broken") from None
        if not piece:
            self.stop()
            return False
        if (
            self._fed - max(self._parser.CurrentByteIndex, 0) > LONGEST_TOKEN
            or self._fed - self._marked > LONGEST_TOKEN
        ):
            raise refusal("file_unfolds")
        return True

    def stop(self) -> None:
        """Nothing of the rest is wanted."""
        self.over = True
        self._entry.close()

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise refusal("file_unsafe")
        self._start(self._local.get(name) or self._shorten(name), attributes)

    def _close(self, name: str) -> None:
        self._depth -= 1
        self._end(self._local.get(name) or self._shorten(name))

    def _shorten(self, name: str) -> str:
        """The name without its prefix."""
        if len(self._local) > 500:
            raise refusal("file_unsafe")
        found = self._local[name] = name.rpartition(":")[2]
        return found


def elements(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every element of a small part, as (name, attributes)."""
    found: list[tuple[str, dict[str, str]]] = []
    stream = Stream(archive, name, lambda n, a: found.append((n, a)), lambda _n: None, lambda _t: None)
    while stream.advance():
        yield from found
        found.clear()
        if stream.fed > 8 * LONGEST_TOKEN:
            raise refusal("file_unfolds")
        stream.mark()
    yield from found


def _declared(*_: Any) -> int:
    raise refusal("file_unsafe")
