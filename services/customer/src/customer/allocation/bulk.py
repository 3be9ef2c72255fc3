"""Giving away many: as a job that can be taken back, and what it would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import allocation_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import errors, ids, jobs, organisation
from crm_kit.db import one_of
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import acting, acts, each, images, reaching, selecting, storing
from crm_records.jobs import started
from customer.allocation.choosing import Chooser
from customer.allocation.giving import KIND, count, give
from customer.customers import CUSTOMERS
from customer.tables import customer

BATCH = 100
LOOKED_AT = 10_000
"""Customers that a preview looks at."""

errors.texts({"no_rule_takes_it": ("没有适用的分配规则", "No allocation rule takes it")})


def start(call: Call, request: pb.AllocateCustomersRequest) -> jobs_pb2.Job:
    """Queue it as an act."""
    selection = selecting.check(call, CUSTOMERS, request)
    act_id = ids.uuid7()
    images.begin(call, act_id, KIND, CUSTOMERS.type, selection)
    chosen = list(dict.fromkeys(request.ids))
    selecting.write_down(call.connection, act_id, chosen)
    jobs.start(call, KIND, CUSTOMERS.type, {"selection": selection}, job_id=act_id, total=len(chosen) or None)
    return started(call, CUSTOMERS.registry, act_id)


def kind_of_job() -> Kind:
    """The job that gives many away."""
    return Kind(KIND, ("按规则分配", "Allocation by rules"), _step, ended=lambda call, job, _how: _over(call, job, {}))


def _step(call: Call, job: Job) -> Step:
    selection = job.parameters["selection"]
    at = job.position or {"token": "", "found": 0, "done": 0 if "ids" in selection else -1}
    if at["done"] < 0:
        token, found = selecting.go_on(call, CUSTOMERS, job.id, selection, at["token"], at["found"])
        return Step({"token": token, "found": found, "done": -1 if token else 0}, total=None if token else found)
    targets = selecting.next_ones(call.connection, job.id, at["done"], BATCH)
    suite = acting.as_suite(call, quiet=True)
    images.go_on(suite, job.id)
    rows = dict(zip(targets, each.one(call, targets, lambda i: _locked(call, i)), strict=True))
    owners = {i: row.value["owner_id"] for i, row in rows.items() if row.refusal is None}
    decisions = Chooser(suite).decide(list(owners), owners)
    result = {"changed": 0, "unchanged": 0, "failed": 0, "_given": {}, **job.result}
    given = dict(result["_given"])

    def one(record_id: str) -> bool:
        if rows[record_id].refusal is not None:
            raise rows[record_id].refusal  # type: ignore[misc]
        if record_id not in decisions:
            raise errors.Conflict("no_rule_takes_it")
        after = give(suite, rows[record_id].value, decisions[record_id], job.id)
        return after is not None

    for record_id, outcome in zip(targets, each.one(suite, targets, one), strict=True):
        result["failed" if outcome.refusal else "changed" if outcome.value else "unchanged"] += 1
        if outcome.refusal is not None:
            images.fail(suite, CUSTOMERS.type, record_id, outcome.reason(call))
        elif outcome.value:
            count(given, {"owner_id": decisions[record_id].owner_id})
    call.events.extend(suite.events)
    more = len(targets) == BATCH
    if not more:
        _over(call, job, given)
    position = {**at, "done": at["done"] + len(targets)} if more else None
    return Step(position, done=len(targets), result={**result, "_given": given})


def _locked(call: Call, record_id: str) -> Any:
    return storing.locked(call, CUSTOMERS, record_id, None)


def _over(call: Call, job: Job, given: dict[str, int]) -> None:
    images.finish(call, job.id)
    selecting.forget(call.connection, job.id)
    acts.tell_given(call, job.id, CUSTOMERS.type, KIND, given or job.result.get("_given", {}))


def preview(call: Call, request: pb.AllocateCustomersRequest) -> pb.PreviewAllocationResponse:
    """Who would get how many if it were done now."""
    selection = selecting.check(call, CUSTOMERS, request)
    targets, capped = _targets(call, list(dict.fromkeys(request.ids)), selection)
    reach = CUSTOMERS.reach_of(call.access, "customer.assign")
    suite = acting.as_suite(call, quiet=True)
    chooser = Chooser(suite, trying=True)
    answer = pb.PreviewAllocationResponse(total=len(targets), capped=capped)
    shares: dict[tuple[Any, ...], int] = {}
    rules = {rule.id: rule for rule in chooser.rules}
    within = reaching.those(call, CUSTOMERS, targets, reach)
    mine = [i for i in targets if i in within]
    query = select(customer.c.id, customer.c.owner_id)
    owners = {r.id: r.owner_id for r in call.connection.execute(query.where(one_of(customer.c.id, mine)))}
    held = {p: chooser.holds(p) for rule in chooser.rules for p in rule.user_ids}
    for decision in chooser.decide(mine, owners).values():
        key = (decision.rule.id, decision.owner_id or "", decision.department_id or "")
        shares[key] = shares.get(key, 0) + 1
    names = organisation.names(call.connection, {user_id for _, user_id, _ in shares if user_id})
    names |= _departments(call, [d for _, _, d in shares if d])
    for (rule_id, user_id, department_id), n in shares.items():
        answer.shares.add(
            rule_id=rule_id,
            rule_name=rules[rule_id].name,
            user_id=user_id,
            department_id=department_id,
            name=names.get(user_id or department_id, ""),
            count=n,
            holds=held.get(user_id, 0),
        )
    answer.unmatched = len(targets) - sum(shares.values())
    return answer


def _targets(call: Call, chosen: list[str], selection: dict[str, Any]) -> tuple[list[str], bool]:
    if chosen:
        return chosen, False
    found: list[str] = []
    token = ""
    while len(found) < LOOKED_AT:
        page = selecting.read_page(call, CUSTOMERS, selection["filter"], selection["search"], token, 200)
        found += [m.id for m in page.messages]
        token = page.next_page_token
        if not token:
            return found, False
    return found, True


def _departments(call: Call, ids: Sequence[str]) -> dict[str, str]:
    d = organisation.department.c
    return {r.id: r.name for r in call.connection.execute(select(d.id, d.name).where(one_of(d.id, list(ids))))}
