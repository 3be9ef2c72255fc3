"""Care: what is proposed for whom, how far it has come, and days that are somebody's own under that field's rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from security import company
from security.kinds import KINDS
from security.run import LEAK, WRONG_REFUSAL, Run
from security.scopes import ALLOWED
from security.services import Services
from security.world import World

from crm_kit import jobs
from crm_kit.rpc import Call

DAY = "2027-06-08"
"""The night in which care is proposed: two days before a birthday in `drafts.py`."""
CONTACT = KINDS["contact"]


def set_up(services: Services, world: World) -> None:
    """A plan of the boss proposes something for every contact whose birthday comes."""
    plan = {"name": "生日", "occasion": "birthday", "audience": "contacts", "channel": "task"}
    made = services.ask(world.boss, "CreateCarePlan", care_plan={**plan, "template_id": world.care_template})
    assert made.code == ALLOWED, made
    company.adopt(services, world, "care_plan", made.answer)
    server = services.servers["customer"]
    server.service.act(_night)
    server.run_jobs()
    company.adopt_all(services, world, "care_item", company.boss_list(services, world, "care_item"))
    assert world.records["care_item"]


def _night(call: Call) -> None:
    jobs.start(call, "care_propose", "care_plan", {"day": DAY})


def progress(run: Run) -> None:
    """How many there are of each state, by who is to do them, over what one sees."""
    who, by = run.world.somebody(), run.world.chance.choice(["performer_id", "plan_id", "channel"])
    outcome = run.ask(who, "GetCareProgress", group_by=by)
    if not run.answer("care", who, None, run.world.oracle.may(who, "care_item.read"), outcome, f"GetCareProgress {by}"):
        return
    expected: dict[str, Counter[str]] = {}
    for record in run.sees(who, "care_item"):
        expected.setdefault(str(record.values.get(by) or ""), Counter())[str(record.state)] += 1
    found = {g.key: Counter({c.state: c.count for c in g.counts}) for g in outcome.answer.groups}
    run.equal("care", who, expected, found, f"GetCareProgress {by}")


def birthdays(run: Run) -> None:
    """The day of a birthday is told as it is told of the contact: not at all where it is veiled in a state."""
    who, oracle = run.world.somebody(), run.world.oracle
    outcome = run.ask(who, "ListCareItems", page_size=30, fields="*")
    if not run.answer("care", who, None, oracle.may(who, "care_item.read"), outcome, "ListCareItems"):
        return
    told = oracle.compares(who, "contact", "birthday", CONTACT.states)
    for item in outcome.answer.care_items:
        run.case("field in care")
        if bool(item.occasion_date) != told:
            what: Any = WRONG_REFUSAL if told else LEAK
            lines = (f"expected  {'a' if told else 'no'} day", f"happened  {item.occasion_date!r}")
            run.find(what, "field in care", who, run.world.find("care_item", item.id), *lines)


SURFACES: tuple[Callable[[Run], None], ...] = (progress, birthdays)
