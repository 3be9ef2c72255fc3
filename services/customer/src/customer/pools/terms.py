"""When a customer comes into a pool: the one function that decides, for the nightly job and for the simulation alike.

Nothing is asked of a database here. With the same facts it says the same, whichever day it is asked on; so a simulation
tells what the job then does, as long as nothing happens to the customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from customer.clock import later

NO_CONTACT, NO_OPPORTUNITY, NO_DEAL, CONTRACT_ENDED = "no_contact", "no_opportunity", "no_deal", "contract_ended"
NOBODYS, LOCKED, OPEN_OPPORTUNITY, DEAL, NO_TERM = "nobodys", "locked", "open_opportunity", "deal", "no_term"
"""Why a customer stays, whatever day it is."""
REASONS = {
    NO_CONTACT: ("未联系", "no contact"),
    NO_OPPORTUNITY: ("无商机", "no opportunity"),
    NO_DEAL: ("未成交", "no deal"),
    CONTRACT_ENDED: ("合同到期", "the contract ended"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A pool's rule, as the contract describes it; `number` is its place, counted from 1."""

    number: int
    levels: frozenset[str]
    days: Mapping[str, int]
    """Reason → days."""
    exempt_open_opportunity: bool
    exempt_deal: bool
    exempt_open_contract: bool
    warning_days: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule looks at of one customer. Days are Chinese days."""

    customer_id: str
    owner_id: str | None
    department_id: str | None
    """Of the owner."""
    level: str | None
    owned_since: date
    locked: bool = False
    protected_until: date | None = None
    last_contact: date | None = None
    last_opportunity: date | None = None
    open_opportunity: bool = False
    last_deal: date | None = None
    """The last order or won opportunity."""
    contract_end: date | None = None
    """Of the contract that ends last."""
    warned: tuple[date, date] | None = None
    """(what day the owner was warned of, when)"""

    def has_open_contract(self, day: date) -> bool:
        return self.contract_end is not None and self.contract_end >= day


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a customer if nothing happens to it."""

    rule: Rule | None = None
    reason: str = ""
    due: date | None = None
    """The day on which its days have run out and nothing holds it any more."""
    warning: date | None = None
    """The day on which its owner is, or was, warned."""
    day: date | None = None
    """The day on which it is returned: when it is due, and its owner was warned long enough before."""
    kept_by: str = ""


def rule_for(rules: Sequence[Rule], level: str | None) -> Rule | None:
    """The rule that names the level, else the one that names none."""
    named = next((r for r in rules if level and level in r.levels), None)
    return named or next((r for r in rules if not r.levels), None)


def decide(facts: Facts, rules: Sequence[Rule], today: date) -> Verdict:
    """What the rules of a pool make of a customer. `today` is the first day on which anybody could be warned."""
    rule = rule_for(rules, facts.level)
    if facts.owner_id is None:
        return Verdict(rule, kept_by=NOBODYS)
    if rule is None:
        return Verdict(kept_by=NO_TERM)
    if facts.locked:
        return Verdict(rule, kept_by=LOCKED)
    if rule.exempt_open_opportunity and facts.open_opportunity:
        return Verdict(rule, kept_by=OPEN_OPPORTUNITY)
    if rule.exempt_deal and facts.last_deal is not None:
        return Verdict(rule, kept_by=DEAL)
    terms = sorted(_terms(facts, rule))
    if not terms:
        return Verdict(rule, kept_by=NO_TERM)
    due, reason = terms[0]
    if facts.protected_until is not None:
        due = max(due, later(facts.protected_until, 1))
    if rule.exempt_open_contract and facts.contract_end is not None:
        due = max(due, later(facts.contract_end, 1))
    if not rule.warning_days:
        return Verdict(rule, reason, due, None, max(due, today))
    ahead = timedelta(days=rule.warning_days)
    told = facts.warned is not None and facts.warned[0] == due
    warning = facts.warned[1] if facts.warned is not None and told else max(today, due - ahead)
    return Verdict(rule, reason, due, warning, max(due, warning + ahead, today))


def _terms(facts: Facts, rule: Rule) -> list[tuple[date, str]]:
    """For each term of the rule that runs for the customer: when it has run out."""
    since = {
        NO_CONTACT: facts.last_contact or facts.owned_since,
        NO_OPPORTUNITY: facts.last_opportunity or facts.owned_since,
        NO_DEAL: facts.last_deal or facts.owned_since,
        CONTRACT_ENDED: facts.contract_end,
    }
    running = [(max(day, facts.owned_since), reason) for reason, day in since.items() if day is not None]
    return [(later(day, rule.days[r]), r) for day, r in running if r in rule.days]
