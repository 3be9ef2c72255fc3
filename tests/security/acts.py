"""One act on many records, its job and what it leaves; and what strangers are told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security import company
from security.facts import Person, Record
from security.fields import may_set
from security.kinds import KINDS, Kind
from security.run import Run
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer
from security.services import Outcome
from security.writing import unusable

from crm_kit import job_files

MANY = 8
VERBS = {"customer": ("update", "assign", "delete", "approve"), "contact": ("update", "delete", "approve")}
"""What is possible on many at once."""
FILE = "result.csv"

State = tuple[str | None, str | None, bool, object, object]


def bulk(run: Run) -> None:
    """Each record that the person may not write is told and left alone, the others change; then all is undone."""
    chance, oracle = run.world.chance, run.world.oracle
    kind = KINDS[chance.choice(list(VERBS))]
    verb = chance.choice(VERBS[kind.type])
    right = f"{kind.type}.{verb}"
    able = [p for p in run.world.people if oracle.may(p, right).yes and p is not run.world.boss]
    who = chance.choice(able) if able and chance.random() < 0.9 else run.world.somebody()
    records = chance.sample(run.world.records[kind.type], MANY)
    company.refresh(run.services, *records)
    to = chance.choice(run.world.people)
    given: dict[str, Any] = {
        "update": {"changes": {"remarks": f"批量{chance.randrange(10**6)}"}},
        "assign": {"owner_id": to.id},
    }.get(verb, {})
    asked = f"Bulk{verb.capitalize()}"
    fields = {"record_type": kind.type, "ids": [r.id for r in records], **given}
    outcome = _ask(run, who, kind, asked, **fields)
    if not run.answer("bulk", who, None, oracle.may(who, right), outcome, asked):
        return
    act_id = outcome.answer.id
    allowed = {r.id for r in records if _may(run, who, kind, verb, r, to).yes}
    before = _states(run, records)
    run.services.servers["customer"].run_jobs()
    after = _states(run, records)
    changed = {i for i in after if after[i] != before[i]}
    same = {r.id for r in records if verb == "assign" and (r.owner, r.department) == before[r.id][:2]}
    if not run.equal("bulk", who, allowed - same, changed, f"{asked} {given}: changed"):
        wrong = next(r for r in records if r.id in (allowed - same) ^ changed)
        run.findings[-1].lines.append(f"of {wrong.id}: {_may(run, who, kind, verb, wrong, to).why}")
    if verb == "assign" and changed and to is not who:
        run.given[to.id][act_id] += 1  # told once, of all of them
    failed = _ask(run, who, kind, "ListActItems", record_type=kind.type, id=act_id, outcome="failed", page_size=50)
    refused = {i.record_id for i in failed.answer.items} if failed.code == ALLOWED else failed.code
    run.equal("bulk", who, {r.id for r in records} - allowed, refused, f"{asked}: told as failed")
    _strangers(run, who, kind, act_id)
    _undone(run, who, kind, act_id, right, records, before)


def _ask(run: Run, who: Person, kind: Kind, rpc: str, **fields: Any) -> Outcome:
    return run.services.ask(who, rpc, run.over(), service=kind.service, **fields)


def _states(run: Run, records: list[Record]) -> dict[str, State]:
    """Of each record whose it is, whether it lies in the bin, and what acts change: the text and the mark of the
    review."""
    company.refresh(run.services, *records)
    asked = f"SELECT id, remarks, review_mark FROM {records[0].type} WHERE id = ANY(CAST(:ids AS uuid[]))"
    rows = run.services.servers["customer"].sql(asked, ids=[r.id for r in records])
    changed = {record_id: (text, mark) for record_id, text, mark in rows}
    return {r.id: (r.owner, r.department, r.deleted, *changed[r.id]) for r in records}


def _may(run: Run, who: Person, kind: Kind, verb: str, record: Record, to: Person) -> Answer:
    """Whether one record of an act is changed: as if it were asked for alone."""
    oracle, right = run.world.oracle, f"{kind.type}.{verb}"
    answer = oracle.may_do(who, right, record)
    if not answer.yes or record.deleted:
        return Answer(NOT_THERE, "it is deleted") if answer.yes else answer
    if verb == "update":
        return may_set(run, who, kind, record, {})
    if verb == "approve":
        waits = record.state in kind.own_states[verb]
        return answer if waits else Answer("FAILED_PRECONDITION", f"it is {record.state}")
    if verb == "delete":
        return unusable(run, who, "delete", record) or answer
    if (record.owner, record.department) == (to.id, None):
        return answer
    return oracle.may_give(who, right, kind.type, to.id, None)


def _strangers(run: Run, who: Person, kind: Kind, act_id: str) -> None:
    """A job is for who started it and who may configure the type; an act the same, if that reaches every record.

    What a job has made is for who started it alone.
    """
    with run.services.servers["customer"].service.writer.begin() as connection:
        job_files.save(connection, act_id, FILE, "text/csv", b"x")
    chance, oracle, configure = run.world.chance, run.world.oracle, f"{kind.type}.configure"
    able = [p for p in run.world.people if oracle.may(p, configure).yes]
    for one in (chance.choice([who, run.world.somebody()]), chance.choice(able)):
        job = act = file = Answer(NOT_THERE, "somebody else's")
        if one is who:
            job = act = file = Answer(ALLOWED, "one's own")
        elif oracle.may(one, configure).yes:
            job = Answer(ALLOWED, "configures the type")
            act = Answer(ALLOWED, "and all of it") if oracle.owners(one, configure, "customer") is None else act
        asked: list[tuple[str, str, Answer, dict[str, str]]] = [
            ("GetJob", "job", job, {}),
            ("ExportJobFile", "job file", file, {"name": FILE}),
            ("GetAct", "act", act, {}),
            ("ListActItems", "act", act, {}),
        ]
        for rpc, surface, expected, more in chance.sample(asked, 3):
            outcome = _ask(run, one, kind, rpc, record_type=kind.type, id=act_id, **more)
            run.answer(surface, one, None, expected, outcome, rpc)
        rpc, plural, expected = chance.choice([("ListJobs", "jobs", job), ("ListActs", "acts", act)])
        outcome = _ask(run, one, kind, rpc, record_type=kind.type, page_size=200)
        listed = {m.id for m in getattr(outcome.answer, plural)} if outcome.code == ALLOWED else outcome.code
        run.equal(plural[:-1], one, expected.yes, act_id in listed, f"{rpc} {kind.type}: has {act_id}")


def _undone(
    run: Run, who: Person, kind: Kind, act_id: str, right: str, records: list[Record], before: dict[str, State]
) -> None:
    """A stranger does not take it back; who did it does, or configures all of it, and every record is what it was."""
    oracle, this = run.world.oracle, {"record_type": kind.type, "id": act_id}
    stranger = run.world.somebody()
    able = [who, *configurers(run, kind.type)]
    if stranger not in able:
        outcome = _ask(run, stranger, kind, "UndoAct", **this)
        run.answer("undo", stranger, None, Answer(NOT_THERE, "somebody else's act"), outcome, "UndoAct")
    one = run.world.chance.choice(able)
    outcome = _ask(run, one, kind, "UndoAct", **this)
    run.answer("undo", one, None, Answer(ALLOWED, "one's own act, or configures all"), outcome, f"UndoAct with {right}")
    run.services.servers["customer"].run_jobs()
    run.equal("undo", one, before, _states(run, records), "UndoAct: every record is what it was")
    again = _ask(run, who, kind, "UndoAct", **this)
    run.answer("undo", who, None, Answer("FAILED_PRECONDITION", "it is undone"), again, "UndoAct again")
    unable = [p for p in run.world.people if not oracle.may(p, right).yes]
    if unable:
        poor = run.world.chance.choice(unable)
        fields: dict[str, Any] = {"record_type": kind.type, "ids": [records[0].id]}
        fields |= {"changes": {"remarks": "x"}} if right.endswith("update") else {}
        rpc = f"Bulk{right.partition('.')[2].capitalize()}"
        run.answer("bulk", poor, None, Answer(NO_RIGHT, f"no {right}"), _ask(run, poor, kind, rpc, **fields), rpc)


def configurers(run: Run, record_type: str) -> list[Person]:
    """Who may configure a type and reaches all of its records with that: they see and undo what others did."""
    oracle, right = run.world.oracle, f"{record_type}.configure"
    return [p for p in run.world.people if oracle.may(p, right).yes and oracle.owners(p, right, "customer") is None]


SURFACES: tuple[Callable[[Run], None], ...] = (bulk,)
