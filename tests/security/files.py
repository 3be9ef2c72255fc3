"""Import of a file as a job: rows about customers within reach and out of it, fields that are veiled, other owners."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from security import company
from security.facts import Person, Record
from security.fields import GIVEN, may_set
from security.kinds import KINDS
from security.run import Run
from security.scopes import ALLOWED, NOT_THERE, Answer
from security.services import Outcome

CUSTOMER = KINDS["customer"]
RIGHT = "customer.import"
HEAD = ("externalId", "name", "shortName", "remarks", "ownerId")
OLD, NEW = 5, 2
"""Rows about customers that are there, and new ones."""


@dataclass(slots=True)
class Row:
    """One line of the file, and what is to become of it."""

    cells: list[str]
    record: Record | None
    expected: Answer


def imported(run: Run) -> None:
    """A dry run tells of each row what the same request alone would come to; what is stored is that, and is undone."""
    chance, oracle = run.world.chance, run.world.oracle
    able = [p for p in run.world.people if oracle.may(p, RIGHT).yes and p is not run.world.boss]
    who = chance.choice(able) if able and chance.random() < 0.9 else run.world.somebody()
    level = oracle.level(who, "customer", "short_name", None)
    rows = [_old(run, who, r, level) for r in chance.sample(_living(run), OLD)] + [_new(run, who) for _ in range(NEW)]
    file = {"data": _csv(rows), "content_type": "text/csv"}
    made = _ask(run, who, "CreateImport", file_name="rows.csv", file=file)
    if not run.answer("import job", who, None, oracle.may(who, RIGHT), made, "CreateImport"):
        return
    found = _reads(run, who, made.answer.id)
    columns = {c.header: c.field for c in found.columns}
    mapped = {"externalId": "externalId", "shortName": "shortName" if level in GIVEN else ""}
    run.equal("import job", who, mapped, {h: columns.get(h) for h in mapped}, f"CreateImport: columns, {level}")
    _strangers(run, who, found.id)
    options = {"key": "externalId", "existing": "update"}
    _ask(run, who, "UpdateImport", id=found.id, etag=found.etag, options=options)
    _ask(run, who, "CheckImport", id=found.id)
    _compare(run, who, found.id, rows, "CheckImport")
    if chance.random() < 0.4:
        _stored(run, who, found.id, rows)


def _old(run: Run, who: Person, record: Record, level: str) -> Row:
    """A row about a customer that is there: for whom it is not to be seen, it is not told more than that."""
    company.refresh(run.services, record)
    oracle, chance = run.world.oracle, run.world.chance
    short = str(chance.choice(_living(run)).values["short_name"])
    key = str(record.values["external_id"])
    answer = oracle.sees(who, record)
    answer = oracle.may_do(who, RIGHT, record) if answer.yes else answer
    if answer.yes:
        given = level in GIVEN and short  # an empty cell says nothing
        answer = may_set(run, who, CUSTOMER, record, {"short_name": short} if given else {})
    return Row([key, str(record.values["name"]), short, f"导入{chance.randrange(10**9)}", ""], record, answer)


def _new(run: Run, who: Person) -> Row:
    """A row about a new customer, which is the importer's or given to somebody, which takes the right to assign."""
    chance, oracle = run.world.chance, run.world.oracle
    number = f"{chance.randrange(10**12):012}"
    to = chance.choice([None, who, run.world.somebody()])
    initial = Record("customer", "", state=CUSTOMER.states[0])
    answer = may_set(run, who, CUSTOMER, initial, {})
    if to is not None and to is not who and answer.yes:
        answer = oracle.may(who, "customer.assign")
        answer = oracle.may_give(who, "customer.assign", "customer", to.id, None) if answer.yes else answer
    return Row([f"new-{number}", f"新客户{number}有限公司", "", "新", f"u-{to.id[:8]}" if to else ""], None, answer)


def _living(run: Run) -> list[Record]:
    return [r for r in run.world.records["customer"] if not r.deleted and r.values.get("external_id")]


def _csv(rows: list[Row]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([HEAD, *(r.cells for r in rows)])
    return out.getvalue().encode()


def _ask(run: Run, who: Person, rpc: str, **fields: Any) -> Outcome:
    return run.services.ask(who, rpc, service="customer", record_type="customer", **fields)


def _reads(run: Run, who: Person, import_id: str) -> Any:
    """The import when its job is over."""
    run.services.servers["customer"].run_jobs()
    return _ask(run, who, "GetImport", id=import_id).answer


def _strangers(run: Run, who: Person, import_id: str) -> None:
    """An import, its rows and its errors are for who made it."""
    stranger = run.world.somebody()
    if stranger is who:
        return
    rpc = run.world.chance.choice(["GetImport", "ListImportRows", "CheckImport", "StartImport", "ExportImportErrors"])
    right = run.world.oracle.may(stranger, RIGHT)
    expected = Answer(NOT_THERE, "somebody else's import") if right.yes else right
    outcome = _ask(run, stranger, rpc, id=import_id)
    run.answer("import job", stranger, None, expected, outcome, rpc)


def _compare(run: Run, who: Person, import_id: str, rows: list[Row], asked: str) -> None:
    found = _reads(run, who, import_id)
    outcome = _ask(run, who, "ListImportRows", id=import_id, page_size=50)
    told = list(outcome.answer.rows) if outcome.code == ALLOWED else []
    run.equal("import job", who, len(rows), len(told), f"{asked} in the state {found.state}: rows")
    for row, line in zip(told, rows, strict=False):
        done = "updated" if line.record else "created"
        expected = Answer(done, line.expected.why) if line.expected.yes else Answer("rejected", line.expected.why)
        said = str([p.message for p in row.problems])
        run.answer(
            "import job", who, line.record, expected, Outcome(row.outcome, None, {}, said), f"{asked}: {line.cells}"
        )
        if line.record is not None and not run.world.oracle.sees(who, line.record).yes:
            run.equal("import job", who, "", row.record_id, f"{asked}: the id of a customer that is not seen")


def _stored(run: Run, who: Person, import_id: str, rows: list[Row]) -> None:
    """What is stored is what the dry run said; taken back, everything is as it was."""
    outcome = _ask(run, who, "StartImport", id=import_id)
    run.answer("import job", who, None, Answer(ALLOWED, "one's own"), outcome, "StartImport")
    _compare(run, who, import_id, rows, "StartImport")
    told = _ask(run, who, "ListImportRows", id=import_id, outcome="created", page_size=50).answer
    new = [run.services.ask(run.world.boss, "GetCustomer", id=row.record_id) for row in told.rows]
    made = [company.adopt(run.services, run.world, "customer", outcome.answer) for outcome in new]
    act_id = _ask(run, who, "GetImport", id=import_id).answer.act_id
    undone = _ask(run, who, "UndoAct", id=act_id)
    run.answer("undo", who, None, Answer(ALLOWED, "one's own act"), undone, "UndoAct of an import")
    run.services.servers["customer"].run_jobs()
    for line in rows:
        if line.record is not None:
            company.reread(run.services, run.world, line.record)
    company.refresh(run.services, *made)
    left = [r.id for r in made if not r.deleted]
    run.equal("undo", who, [], left, "UndoAct of an import: new customers that are still there")


SURFACES: tuple[Callable[[Run], None], ...] = (imported,)
