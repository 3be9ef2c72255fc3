"""Which fields headings name, and whether one that names none still speaks of some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crm_records.imports import values
from crm_records.imports.targets import Target
from crm_records.record import Record

_MARKS = re.compile(r"[\s*＊:：()（）\[\]【】\"'“”_\-/.。#＃]+")
_REMARK = re.compile(r"[(（\[【].*?[)）\]】]")
SHORTEST, SHORTEST_LATIN = 2, 3
"""Characters of a word that is looked for within a heading."""


def heading(text: str) -> str:
    """A heading as it is compared."""
    return _MARKS.sub("", values.half_width(text)).casefold()


class Words:
    """What headings call the fields that somebody may give by a file, and those that are closed to them."""

    def __init__(self, record: Record, targets: Mapping[str, Target]) -> None:
        self._named: dict[str, tuple[str, str]] = {}
        for path, target in targets.items():
            for n, word in enumerate(target.words):
                self._named.setdefault(heading(word), (path, "name" if n < 2 else "label"))
        known = {word: path for word, (path, _) in self._named.items()}
        for alias, name in record.import_aliases.items():
            path = record.fields[name].json_name if name in record.fields else name
            known.setdefault(heading(alias), path)
            if path in targets:
                self._named.setdefault(heading(alias), (path, "alias"))
        for field in record.fields.values():
            for word in (field.json_name, *field.label):
                known.setdefault(heading(word), field.json_name)
        self._known = {w: p for w, p in known.items() if len(w) >= (SHORTEST_LATIN if w.isascii() else SHORTEST)}

    def names(self, text: str) -> Iterator[tuple[str, str]]:
        """(field, why) that a heading names: as a whole, then without what stands in brackets."""
        for some in (text, _REMARK.sub("", text)):
            hit = self._named.get(heading(some))
            if hit is not None:
                yield hit

    def speaks_of(self, text: str) -> set[str]:
        """The fields of which a heading holds a word, of longer words what they hold not counted."""
        said = heading(text)
        within = [word for word in self._known if word in said]
        return {self._known[w] for w in within if not any(w != longer and w in longer for longer in within)}
