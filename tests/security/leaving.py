"""What leaves the house: export and print hold what one sees, as far as that right reaches, and no veiled field."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from html.parser import HTMLParser

from security.facts import Person, Record
from security.kinds import KINDS, Kind
from security.oracle import HIDDEN, MASKED
from security.run import LEAK, Run
from security.scopes import Answer


def exported(run: Run) -> None:
    """A file of all records of a type."""
    found = _taken(run, "export", "ExportRecords", format="csv")
    if found is not None:
        who, kind, name, data = found
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        _compare(run, "export", who, kind, name, rows)


def printed(run: Run) -> None:
    """A page with all records of a type."""
    found = _taken(run, "print", "PrintRecords")
    if found is not None:
        who, kind, name, data = found
        page = Cells()
        page.feed(data.decode())
        _compare(run, "print", who, kind, name, page.rows)


def _taken(run: Run, action: str, rpc: str, **how: str) -> tuple[Person, Kind, str, bytes] | None:
    """(person, kind, a field with rules, the body) of what may leave; None where it was refused, a case itself."""
    chance, who = run.world.chance, run.world.somebody()
    kind = KINDS[chance.choice([k for k in KINDS if KINDS[k].ruled])]
    name = chance.choice(kind.ruled)
    right = run.world.oracle.may(who, f"{kind.type}.{action}")
    right = run.world.oracle.may(who, f"{kind.type}.read") if right.yes else right
    if right.yes and run.world.oracle.levels(who, kind.type, name, kind.states) == {HIDDEN}:
        right = Answer("INVALID_ARGUMENT", f"{name} is hidden")
    outcome = run.services.ask(
        who, rpc, service=kind.service, record_type=kind.type, fields=f"{_key(kind)},{name}", **how
    )
    if run.answer(action, who, None, right, outcome, f"{rpc} {kind.type} fields={_key(kind)},{name}"):
        return who, kind, name, outcome.answer.data
    return None


def _key(kind: Kind) -> str:
    """By what a row is known: a pool may keep the key of another system from its members, and not all have one."""
    return {"customer": "number", "care_item": "id"}.get(kind.type, "external_id")


def _compare(run: Run, surface: str, who: Person, kind: Kind, name: str, rows: list[list[str]]) -> None:
    oracle, world = run.world.oracle, run.world
    key = _key(kind)
    known = {str(r.values[key]): r for r in world.records[kind.type] if r.values.get(key)}
    told = {row[0]: row[-1] for row in rows if row and row[0] in known}

    def why(record: Record) -> Answer:
        seen = oracle.sees(who, record)
        return oracle.may_read(who, f"{kind.type}.{surface}", record) if seen.yes else seen

    expected = [r for r in known.values() if why(r).yes]
    run.same(surface, who, expected, [known[key].id for key in told], f"{surface} of {kind.nouns}", why)
    shown = [key for key in known if key in told]
    for key in run.world.chance.sample(shown, min(len(shown), 5)):
        record, value = known[key], told[key]
        level, whole = oracle.shows(who, record, name), str(record.values.get(name) or "")
        run.case(f"field in {surface}")
        if level in (HIDDEN, MASKED) and whole and value == whole:
            run.find(LEAK, f"field in {surface}", who, record, f"expected  {level} {name}", f"happened  {value!r}")
            return


class Cells(HTMLParser):
    """The rows of the tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


SURFACES: tuple[Callable[[Run], None], ...] = (exported, printed)
