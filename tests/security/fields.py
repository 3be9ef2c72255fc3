"""The third question on every surface: a hidden field is absent, a masked one veiled, neither compared nor given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from security import company
from security.facts import Person, Record
from security.kinds import KINDS, Kind
from security.oracle import HIDDEN, MASKED, OPENNESS, REQUIRED
from security.reading import pages
from security.run import LEAK, WRONG_REFUSAL, Run
from security.scopes import ALLOWED, Answer

from crm_kit.field_names import camel

REFUSED, NOT_NOW = "INVALID_ARGUMENT", "FAILED_PRECONDITION"
GIVEN = (REQUIRED, "optional")
MANY = 15
"""Rows of a list that are looked at field by field."""
ORDERS = ("create_time", "create_time desc")


def shown(run: Run) -> None:
    """Every field with rules, of one record that a person sees: by id, and in a list."""
    who, record = _seen(run)
    if record is None:
        return
    kind = KINDS[record.type]
    if run.world.chance.random() < 0.7:
        outcome = run.ask(who, f"Get{kind.noun}", id=record.id)
        rows = [outcome.answer] if outcome.code == ALLOWED else []
    else:
        outcome = run.ask(who, f"List{kind.nouns}", page_size=200, fields="*", filter=f'id = "{record.id}"')
        rows = list(getattr(outcome.answer, kind.plural)) if outcome.code == ALLOWED else []
    if len(rows) != 1:
        run.find(WRONG_REFUSAL, "field", who, record, "expected  the record", f"happened  {outcome.code} {len(rows)}")
        return
    compare_all(run, "field", who, record, rows[0])


def listed(run: Run) -> None:
    """Every field with rules, of the first records of a list that a person sees."""
    who = run.world.somebody()
    kind = KINDS[run.world.chance.choice([k for k in KINDS if KINDS[k].ruled])]
    right = run.world.oracle.may(who, f"{kind.type}.read")
    outcome = run.ask(who, f"List{kind.nouns}", page_size=MANY, fields="*", order_by=run.world.chance.choice(ORDERS))
    if run.answer("list", who, None, right, outcome, f"List{kind.nouns}"):
        seen = {r.id: r for r in run.sees(who, kind.type)}
        rows = list(getattr(outcome.answer, kind.plural))
        run.equal("list", who, min(len(seen), MANY), len(rows), f"List{kind.nouns}: how many")
        for row in rows:
            if row.id in seen:
                compare_all(run, "field", who, seen[row.id], row)


def compare_all(run: Run, surface: str, who: Person, record: Record, message: Any) -> None:
    """Every field with rules of one record, as somebody was told it."""
    plain = MessageToDict(message)
    for name in KINDS[record.type].ruled:
        _compare(run, surface, who, record, name, str(plain.get(camel(name), "")))


def _seen(run: Run) -> tuple[Person, Record | None]:
    """Somebody, and a record with rules that this person sees."""
    who = run.world.somebody()
    seen = run.sees(who, run.world.chance.choice([k for k in KINDS if KINDS[k].ruled]))
    return who, run.world.chance.choice(seen) if seen else None


def _compare(run: Run, surface: str, who: Person, record: Record, name: str, found: str) -> None:
    level = run.world.oracle.shows(who, record, name)
    whole = _told(record, name)
    run.case(surface)
    veiled = found != whole and ("*" in found or not found)
    right = found == "" if level == HIDDEN else (veiled or not whole) if level == MASKED else found == whole
    if not right:
        what = LEAK if level in (HIDDEN, MASKED) else WRONG_REFUSAL
        asked = f"asked     {record.type}.{name} of a record in the state {record.state}"
        run.find(what, surface, who, record, asked, f"expected  {level} of {whole!r}", f"happened  {found!r}")
        run.findings[-1].lines += _rules(who, record.type, name)


def _rules(who: Person, record_type: str, name: str) -> list[str]:
    return [
        f"rule      {role.code}: {rule.level} in {sorted(rule.states) or 'every state'}"
        for role in who.roles
        for rule in role.field_rules
        if (rule.resource, rule.field) == (record_type, name)
    ]


def _told(record: Record, name: str) -> str:
    return str(record.values.get(name) or "")


def compared(run: Run) -> None:
    """Filter, order and group by a field with rules: as if there were none of that name where it is veiled."""
    chance, who = run.world.chance, run.world.somebody()
    kind = KINDS[chance.choice([k for k in KINDS if KINDS[k].ruled])]
    name = chance.choice(kind.ruled)
    oracle = run.world.oracle
    answer = oracle.may(who, f"{kind.type}.read")
    if answer.yes and not oracle.compares(who, kind.type, name, kind.states):
        answer = Answer(REFUSED, f"{name} is veiled: {oracle.levels(who, kind.type, name, kind.states)}")
    value = _told(chance.choice(run.world.records[kind.type]), name)
    condition = f'{name} = "{value}"' if value else f"{name} = null"
    how = {"order_by": f"{name} desc"} if chance.random() < 0.4 else {"filter": condition}
    if answer.yes and "order_by" in how and name in kind.sealed:
        answer = Answer(REFUSED, f"{name} is kept encrypted")
    found = pages(run, who, kind, answer, f"List{kind.nouns} {how}", **how)
    if found is not None:
        seen = run.sees(who, kind.type)
        seen = [r for r in seen if not oracle.kept(who, r, name, comparing=True)]
        expected = [r for r in seen if "order_by" in how or _told(r, name) == value]
        run.same("field", who, expected, found[0], f"List{kind.nouns} {how}")


def given(run: Run) -> None:
    """A field is changed, or emptied: refused unless it is the person's to give, and where it is required."""
    chance, oracle = run.world.chance, run.world.oracle
    kind = KINDS[chance.choice([k for k in KINDS if "update" in KINDS[k].verbs and _givable(KINDS[k])])]
    record = chance.choice(run.world.records[kind.type])
    company.refresh(run.services, record)
    right = f"{kind.type}.update"
    able = [p for p in run.world.people if oracle.may_do(p, right, record).yes and p is not run.world.boss]
    if record.deleted or not able:
        return
    who, name = chance.choice(able), chance.choice(_givable(kind))
    others = {str(r.values.get(name) or "") for r in run.world.records[kind.type]} - {_told(record, name), ""}
    value = chance.choice(sorted(others)) if others and chance.random() < 0.75 else ""
    fields = {kind.type: _with(kind, record, name, value), "update_mask": {"paths": [name]}}
    outcome = run.ask(who, f"Update{kind.noun}", etag=str(record.version), **fields)
    answer = may_set(run, who, kind, record, {name: value})
    answer = as_it_stands(record, {name: value}) or answer if answer.yes else answer
    run.answer("field given", who, record, answer, outcome, f"Update{kind.noun} {name} = {value!r}")
    if outcome.code == ALLOWED:
        company.reread(run.services, run.world, record)


def _givable(kind: Kind) -> list[str]:
    return [n for n in kind.ruled if n not in kind.told]


def _with(kind: Kind, record: Record, name: str, value: str) -> dict[str, Any]:
    given: dict[str, Any] = {"id": record.id}
    if value:
        given[name] = value
    return given


def may_set(run: Run, who: Person, kind: Kind, record: Record, values: dict[str, str]) -> Answer:
    """Whether a change may give these values: each must be the person's to give, and what is required be there."""
    oracle = run.world.oracle
    for name in _givable(kind):
        level = oracle.level(who, kind.type, name, record.state)
        before = _told(record, name)
        after = values.get(name, before)
        if name in values and OPENNESS.index(level) <= OPENNESS.index(MASKED):
            return Answer(REFUSED, f"{name} is {level}")
        if name in values and level not in GIVEN and after != before:
            return Answer(REFUSED, f"{name} is {level}")
        if level == REQUIRED and not after:
            return Answer(REFUSED, f"{name} is required and empty")
    return Answer(ALLOWED, "the fields are the person's to give")


def as_it_stands(record: Record, values: dict[str, str]) -> Answer | None:
    """Why nothing of a record is changed at present, whoever asks: its event is closed, the visit's plan was carried
    out, the care is under way."""
    event = record.parent if record.type == "customer_event_participant" else record
    if event is not None and event.type == "customer_event" and event.state == "closed":
        return Answer(NOT_NOW, "the event is closed")
    if record.type == "care_item" and record.state != "proposed":
        return Answer(NOT_NOW, "it is no longer proposed")
    before = _told(record, "purpose")
    if record.type == "visit" and record.state != "planned" and values.get("purpose", before) != before:
        return Answer(NOT_NOW, "the plan of a visit that is no longer planned")
    return None


def history(run: Run) -> None:
    """The change log tells nothing of a field that is hidden, and no value of one that is masked."""
    who, record = _seen(run)
    if record is None:
        return
    kind, oracle = KINDS[record.type], run.world.oracle
    outcome = run.services.ask(
        who, "ListChanges", run.over(), service=kind.service, record_type=record.type, id=record.id, page_size=200
    )
    if outcome.code != ALLOWED:
        return
    told = {c.field: c for change in outcome.answer.changes for c in change.changes}
    for name in kind.ruled:
        level = oracle.shows(who, record, name)
        found = told.get(camel(name))
        values = {found.before.string_value, found.after.string_value} if found else set()
        run.case("field in changes")
        if (level == HIDDEN and found) or (level == MASKED and _told(record, name) and _told(record, name) in values):
            lines = _rules(who, record.type, name)
            run.find(LEAK, "field in changes", who, record, f"expected  {level} {name}", f"happened  {found}", *lines)


def revealed(run: Run) -> None:
    """A masked field in full: with the right to reveal, on a record within that right and the one to read."""
    who, record = _seen(run)
    if record is None:
        return
    kind, oracle = KINDS[record.type], run.world.oracle
    name = run.world.chance.choice(kind.ruled)
    outcome = run.services.ask(
        who, "RevealField", run.over(), service=kind.service, record_type=record.type, id=record.id, field=name
    )
    level = oracle.shows(who, record, name)
    answer = oracle.may(who, f"{record.type}.reveal")
    if answer.yes and oracle.levels(who, record.type, name, kind.states) == {HIDDEN}:
        answer = Answer(REFUSED, f"{name} is hidden")
    elif answer.yes:
        copied = [oracle.may(who, f"{other}.reveal") for other in kind.copied.get(name, ())]
        answer = next((a for a in copied if not a.yes), oracle.may_read(who, f"{record.type}.reveal", record))
        if answer.yes and level != MASKED:
            answer = Answer(REFUSED if level == HIDDEN else "FAILED_PRECONDITION", f"{name} is {level}")
    if run.answer("reveal", who, record, answer, outcome, f"RevealField {name}"):
        found = MessageToDict(outcome.answer).get("value")
        run.equal("reveal", who, _told(record, name), str(found if found is not None else ""), f"RevealField {name}")


SURFACES: tuple[Callable[[Run], None], ...] = (shown, listed, compared, given, history, revealed)
