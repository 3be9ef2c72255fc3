"""The log file of a child: it writes to the file itself, we keep it small and show what went wrong."""

import os
import re
import shutil
from pathlib import Path
from typing import IO

LIMIT = 50 << 20
_WRONG = re.compile(rb'"level": ?"(?:error|critical)"|\bPANIC:|\[FTL\]', re.IGNORECASE)
_MESSAGE = re.compile(rb'"message": ?("(?:[^"\\]|\\.)*")')


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = 0

    def open(self) -> IO[bytes]:
        """For appending, so that cutting the file while the child writes loses no line that comes after."""
        self.cut()
        output = self.path.open("ab")
        self._seen = output.tell()
        return output

    def cut(self) -> None:
        if self.path.exists() and self.path.stat().st_size > LIMIT:
            shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
            os.truncate(self.path, 0)
            self._seen = 0

    def errors(self) -> list[str]:
        """The errors written since the last question, shortened for the console."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._seen)
                news = file.read()
        except OSError:
            return []
        whole = news.rfind(b"\n") + 1
        self._seen += whole
        return [_short(line) for line in news[:whole].splitlines() if _WRONG.search(line)]


def tail(path: Path, lines: int = 5) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _short(line: bytes) -> str:
    message = _MESSAGE.search(line)
    return (message[1] if message else line).decode(errors="replace")[:300]
