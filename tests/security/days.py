"""Visits by day, a person's day as a route, and plan against done: all over what one reaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from security.drafts import FIRST_DAY
from security.facts import Person, Record
from security.run import Run
from security.scopes import ALLOWED

LAST_DAY = FIRST_DAY + timedelta(days=20)
PERIOD = {"from_day": FIRST_DAY.date().isoformat(), "to_day": LAST_DAY.date().isoformat()}
DONE = ("checked_in", "checked_out", "reported")


def calendar(run: Run) -> None:
    """All visits of a period, over its pages."""
    who, chance = run.world.somebody(), run.world.chance
    owner = chance.choice([*run.world.people, None, None])
    narrow = {"owner_id": owner.id} if owner and chance.random() < 0.5 else {}
    ids: list[str] = []
    page_token = ""
    while True:
        outcome = run.ask(who, "GetVisitCalendar", **PERIOD, **narrow, page_size=50, page_token=page_token)
        right = run.world.oracle.may(who, "visit.read")
        if outcome.code != ALLOWED or not right.yes:
            run.answer("calendar", who, None, right, outcome, "GetVisitCalendar")
            return
        ids += [v.id for day in outcome.answer.days for v in day.visits]
        page_token = outcome.answer.next_page_token
        if not page_token:
            break
    expected = [r for r in run.sees(who, "visit") if not narrow or r.owner == narrow["owner_id"]]
    run.same("calendar", who, expected, ids, f"GetVisitCalendar {narrow}")


def route(run: Run) -> None:
    """The visits of somebody's day, those that were called off aside."""
    who, visit = run.world.somebody(), run.world.something("visit")
    if visit.owner is None:
        return
    day = str(visit.values["plan_day"])
    outcome = run.ask(who, "GetVisitRoute", owner_id=visit.owner, day=day)
    if run.answer("route", who, None, run.world.oracle.may(who, "visit.read"), outcome, "GetVisitRoute"):
        seen = [r for r in run.sees(who, "visit") if r.owner == visit.owner and str(r.values["plan_day"]) == day]
        expected = [r for r in seen if r.state != "cancelled"]
        found = [s.visit.id for s in outcome.answer.stops]
        run.same("route", who, expected, found, f"GetVisitRoute {visit.owner} {day}")
        run.equal("route", who, {r.id for r in expected}, {*outcome.answer.suggested_ids}, "GetVisitRoute: suggested")


def statistics(run: Run) -> None:
    """How many were planned, done and called off, by person or department."""
    who, by = run.world.somebody(), run.world.chance.choice(["person", "department", "day"])
    outcome = run.ask(who, "GetVisitStatistics", **PERIOD, group_by=by)
    if not run.answer("statistics", who, None, run.world.oracle.may(who, "visit.read"), outcome, "GetVisitStatistics"):
        return
    seen = run.sees(who, "visit")
    planned: Counter[str] = Counter(_key(run, r, by) for r in seen if r.state != "cancelled")
    done: Counter[str] = Counter(_key(run, r, by) for r in seen if r.state in DONE)
    found = {g.key: (g.planned, g.done) for g in outcome.answer.groups}
    expected = {k: (planned[k], done[k]) for k in {_key(run, r, by) for r in seen}}
    run.equal("statistics", who, expected, found, f"GetVisitStatistics by {by}")
    run.equal("statistics", who, planned.total(), outcome.answer.total.planned, f"GetVisitStatistics by {by}: total")


def _key(run: Run, visit: Record, by: str) -> str:
    if by == "day":
        return str(visit.values["plan_day"])
    owner: Person | None = run.world.oracle.people.get(visit.owner or "")
    return (owner.department or "") if owner and by == "department" else (owner.id if owner and by == "person" else "")


SURFACES: tuple[Callable[[Run], None], ...] = (calendar, route, statistics)
