"""Every day each plan proposes what is to be done: one item for each person and occasion that comes near.

The days looked at reach from today to as far as the plan proposes ahead, so a day on which nothing ran is caught up
with, and whoever is entered late is found, too. That there is one item only is what the database holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import care_items_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.jobs import ZONE, Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import changes, dictionaries, each, storing
from crm_records.new_rows import new_row
from crm_records.record import Row
from customer.care import audience, days, festivals, items, occasions, people, plans, templates
from customer.care.items import CARE_ITEMS
from customer.care.tables import care_day, care_item, care_plan, care_template, occasion
from customer.trade import business

errors.texts(
    {
        "care_birthday": ("生日", "birthday"),
        "care_company_anniversary": ("成立纪念日", "company anniversary"),
        "care_first_deal": ("首次合作纪念日", "anniversary of our first deal"),
    }
)


def _step(call: Call, job: Job) -> Step:
    """The next page of the plan under way, or of the next one. What stops one plan is told and stops no other."""
    day = date.fromisoformat(job.parameters["day"])
    position = job.position or {"plan": None, "after": None, "token": ""}
    plan = _plan(call, position)
    if plan is None:
        return Step()
    (outcome,) = each.one(call, [plan], lambda one: _propose(call, one, day, position["token"]))
    result = dict(job.result)
    if outcome.refusal is not None:
        stopped = [*result.get("stopped", []), {"plan": plan["id"], "reason": outcome.reason(call)}]
        return Step({"plan": None, "after": plan["id"], "token": ""}, result={"stopped": stopped})
    made, token = outcome.value
    goes_on = {"plan": plan["id"] if token else None, "after": plan["id"], "token": token}
    return Step(goes_on, done=made, result={"proposed": result.get("proposed", 0) + made})


PROPOSE = Kind("care_propose", ("生成关怀事项", "Propose care"), _step, daily=time(1, 10), record_type="care_plan")


def _plan(call: Call, position: Mapping[str, Any]) -> Row | None:
    c = care_plan.c
    query = select(care_plan).where(c.delete_time.is_(None), ~c.paused).order_by(c.id).limit(1)
    if position["plan"]:
        found = call.connection.execute(query.where(c.id == position["plan"])).mappings().one_or_none()
        if found is not None:
            return dict(found)
    if position["after"]:
        query = query.where(c.id > position["after"])
    found = call.connection.execute(query).mappings().one_or_none()
    return dict(found) if found is not None else None


def _propose(call: Call, plan: Row, day: date, token: str) -> tuple[int, str]:
    """(how many items a page of people made, where the next page begins)"""
    end = day + timedelta(days=plan["days_before"] + (0 if plan["automatic"] else plan["propose_days"]))
    if plan["occasion"] in (plans.DAY, plans.DATE) and not list(_common(call, plan, day, end)):
        return 0, ""
    found, next_token = audience.page(call, plan, day, end, token)
    wanted = list(_wanted(call, plan, found, day, end))
    return len(_store(call, plan, wanted)), next_token


@dataclass(frozen=True, slots=True)
class Coming:
    """An occasion that comes near: which it is, its day, and what it is called. With plan and person there is one item;
    one whose day is corrected is another."""

    key: str
    date: date
    name: str


Wanted = tuple[people.Recipient, Coming]


def _wanted(call: Call, plan: Row, found: Sequence[people.Recipient], start: date, end: date) -> Iterator[Wanted]:
    """The occasions of these people within these days."""
    match plan["occasion"]:
        case plans.DAY | plans.DATE:
            for coming in _common(call, plan, start, end):
                yield from ((one, coming) for one in found)
        case plans.OCCASION:
            yield from _entered(call, plan, found, start, end)
        case special:
            name = errors.text(f"care_{special}", _language(plan), {})
            first = _first_days(call, special, found)
            for one in found:
                begun = first.get(one.id)
                lunar = special == plans.BIRTHDAY and one.birthday_lunar
                times = days.anniversaries(begun, start, end, lunar=lunar) if begun else ()
                yield from ((one, Coming(special, day, name)) for day in times)


def _common(call: Call, plan: Row, start: date, end: date) -> Iterator[Coming]:
    """A day that everybody has."""
    if plan["occasion"] == plans.DATE:
        if start <= plan["date"] <= end:
            yield Coming(plans.DATE, plan["date"], plan["name"])
        return
    query = select(care_day).where(care_day.c.id == plan["day_id"], care_day.c.delete_time.is_(None))
    found = call.connection.execute(query).mappings().one_or_none()
    if found is not None:
        row = dict(found)
        name = festivals.name_of(row, plan["language"])
        yield from (Coming(plans.DAY, day, name) for day in days.occurrences(festivals.rule_of(row), start, end))


def _entered(call: Call, plan: Row, found: Sequence[people.Recipient], start: date, end: date) -> Iterator[Wanted]:
    c = occasion.c
    query = select(occasion).where(
        one_of(c.record_id, [r.id for r in found]), c.kind == plan["occasion_kind"], c.delete_time.is_(None)
    )
    by_id = {r.id: r for r in found}
    for row in map(dict, call.connection.execute(query.order_by(c.id)).mappings()):
        name = row["name"] or dictionaries.label(call, "occasion_kind", row["kind"])
        for day in occasions.times(row, start, end):
            yield by_id[row["record_id"]], Coming(row["id"], day, name)


def _first_days(call: Call, special: str, found: Sequence[people.Recipient]) -> dict[str, date]:
    """Since when a yearly occasion of each comes again, by recipient."""
    if special == plans.BIRTHDAY:
        return {r.id: r.birthday for r in found if r.birthday}
    if special == plans.COMPANY:
        return {r.id: r.founding_date for r in found if r.founding_date}
    traded = business.of(call.connection, {r.customer_id for r in found})
    return {r.id: traded[r.customer_id].first for r in found if r.customer_id in traded}


def _store(call: Call, plan: Row, wanted: Sequence[Wanted]) -> list[Row]:
    """Make the items that are not there yet."""
    c = care_item.c
    query = select(c.record_id, c.occasion_key, c.occasion_date).where(
        c.plan_id == plan["id"], one_of(c.record_id, {one.id for one, _ in wanted})
    )
    there = set(map(tuple, call.connection.execute(query)))
    new = [(one, coming) for one, coming in wanted if (one.id, coming.key, coming.date) not in there]
    if not new:
        return []
    query = select(care_template).where(care_template.c.id == plan["template_id"])
    template = dict(call.connection.execute(query).mappings().one())
    owners = people.owner_names(call, [one for one, _ in new])
    made = [_item(call, plan, template, w, owners) for w in new]
    storing.insert_rows(call, CARE_ITEMS, made)
    for state in dict.fromkeys(row["state"] for row in made):
        some: list[tuple[Row | None, Row]] = [(None, row) for row in made if row["state"] == state]
        changes.tell(call, CARE_ITEMS, state, some, made[0]["create_time"], bulk=True)
    return made


def _item(call: Call, plan: Row, template: Row, wanted: Wanted, owners: Mapping[str, str]) -> Row:
    one, coming = wanted
    language = plan["language"]
    said = templates.render(template, language, one.values(language, owners.get(one.owner_id or "", ""), coming.name))
    leaves = datetime.combine(coming.date - timedelta(days=plan["days_before"]), time(plan["hour"]), ZONE)
    refused = one.why_not(plan["channel"])
    state = items.NOT_SENT if refused else items.CONFIRMED if plan["automatic"] else items.PROPOSED
    row = new_row(call, CARE_ITEMS, pb.CareItem(), [])
    row.update(
        customer_id=one.customer_id,
        record_type=one.record_type,
        record_id=one.id,
        recipient_name=one.name,
        plan_id=plan["id"],
        plan_version=plan["version"],
        occasion=plan["occasion"],
        occasion_name=coming.name,
        occasion_key=coming.key,
        occasion_date=coming.date,
        channel=plan["channel"],
        language=language,
        subject=said.subject[: CARE_ITEMS.fields["subject"].max_length] or None,
        text=said.text[: CARE_ITEMS.fields["text"].max_length],
        send_time=leaves.astimezone(UTC),
        state=state,
        reason=refused or None,
        performer_id=one.owner_id,
    )
    return row


def _language(plan: Row) -> str:
    return errors.EN if plan["language"] == "en" else errors.ZH
