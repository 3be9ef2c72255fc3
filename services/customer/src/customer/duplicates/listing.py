"""Clusters as they are shown, with which customer to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from crm.customer.v1 import customers_pb2, duplicates_pb2
from crm.customer.v1 import duplicate_clusters_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import errors, jobs, scope
from crm_kit.db import one_of
from crm_kit.jobs import job
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, visibility
from crm_records.jobs import started
from customer.customers import CUSTOMERS
from customer.duplicates import checking, clusters, scoring
from customer.duplicates.tables import duplicate_cluster, duplicate_member, duplicate_pair
from customer.tables import customer, usage

errors.texts({"finding_runs": ("查重任务正在运行", "Duplicates are being looked for already")})

_SET_BY_PROGRAM = {
    "id", "number", "etag", "create_time", "update_time", "creator_id", "updater_id", "delete_time", "pinyin",
    "pinyin_initials", "kind", "review_mark", "enterer_id",
}  # fmt: skip
NUMBER = "same_number"
"""The reason that tells of fields which a caller may not see."""
_NUMBERS = frozenset(n for n, f in CUSTOMERS.stored.items() if f.encrypted)
_FILLED = tuple(n for n in CUSTOMERS.stored if n not in _SET_BY_PROGRAM)


def find(call: Call) -> jobs_pb2.Job:
    """Queue the job that looks through all customers."""
    job_id = jobs.start_alone(call, clusters.FIND, CUSTOMERS.type, {})
    if job_id is None:
        raise errors.Conflict("finding_runs")
    return started(call, CUSTOMERS.registry, job_id)


def page(call: Call, request: pb.ListDuplicateClustersRequest) -> pb.ListDuplicateClustersResponse:
    """Clusters of the last run that the caller sees whole."""
    size = paging.page_size(request)
    if request.page_token and not kinds.is_id(request.page_token):
        raise errors.Invalid(key="bad_page_token")
    run = call.connection.execute(
        select(job.c.id, job.c.finish_time)
        .where(job.c.kind == clusters.FIND, job.c.state == jobs.DONE)
        .order_by(job.c.finish_time.desc())
        .limit(1)
    ).one_or_none()
    if run is None or not call.access.may("customer.read"):
        return pb.ListDuplicateClustersResponse()
    found = _visible(call, run.id, request, size + 1)
    token = found[size - 1].id if len(found) > size else ""
    answer = pb.ListDuplicateClustersResponse(next_page_token=token, find_time=run.finish_time)
    answer.clusters.extend(_messages(call, run.id, found[:size]))
    return answer


def _visible(call: Call, run: str, request: pb.ListDuplicateClustersRequest, limit: int) -> Sequence[Any]:
    c, m = duplicate_cluster.c, duplicate_member.c
    reach = CUSTOMERS.reach_of(call.access, "customer.read")
    within = CUSTOMERS.within(scope.shape(reach))
    living = (
        select(func.count())
        .select_from(duplicate_member.join(customer, customer.c.id == m.customer_id))
        .where(m.cluster_id == c.id, customer.c.delete_time.is_(None))
    )
    query = select(c.id, c.create_time).where(c.run_id == run, living.scalar_subquery() > 1)
    if within is not None:
        beyond = living.where(within.is_not(True))
        query = query.where(beyond.scalar_subquery() == 0)
    if request.customer_id:
        own = select(m.cluster_id).where(m.run_id == run, m.customer_id == request.customer_id)
        query = query.where(c.id.in_(own))
    if request.page_token:
        query = query.where(c.id > request.page_token)
    return call.connection.execute(query.order_by(c.id).limit(limit), scope.parameters(reach)).all()


def _messages(call: Call, run: str, found: Sequence[Any]) -> list[pb.DuplicateCluster]:
    m, p = duplicate_member.c, duplicate_pair.c
    wanted = one_of(m.cluster_id, [row.id for row in found])
    columns = [customer.c[n] for n in _FILLED]
    besides = [customer.c[n] for n in ("id", "number", "update_time", "pool_id")]
    query = select(m.cluster_id, *besides, *columns)
    query = query.select_from(duplicate_member.join(customer, customer.c.id == m.customer_id))
    rows = call.connection.execute(query.where(wanted, customer.c.delete_time.is_(None)).order_by(customer.c.id))
    members: dict[str, list[pb.DuplicateMember]] = {}
    everybody: list[dict[str, Any]] = [dict(row._mapping) for row in rows]
    used = _used(call, [row["id"] for row in everybody])
    hidden = _hidden(call, everybody)
    for row in everybody:
        member = _member(call, row, used.get(row["id"], 0), hidden.get(row["id"], frozenset()))
        members.setdefault(row["cluster_id"], []).append(member)
    of = {i.customer_id: cluster for cluster, those in members.items() for i in those}
    pairs: dict[str, list[Any]] = {}
    query = select(duplicate_pair).where(p.run_id == run, one_of(p.customer_id, list(of)))
    for pair in call.connection.execute(query):
        if pair.other_id in of:
            pairs.setdefault(of[pair.customer_id], []).append(pair)
    closed = {customer_id for customer_id, names in hidden.items() if not _NUMBERS.isdisjoint(names)}
    return [_cluster(call, row, members[row.id], pairs.get(row.id, []), closed) for row in found if row.id in members]


def _hidden(call: Call, rows: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """By customer, what the caller does not see of it in full."""
    view = visibility.of(call, CUSTOMERS)
    if view is None:
        return {}
    those = ((row["id"], customers_pb2.Customer(id=row["id"], pool_id=row["pool_id"])) for row in rows)
    return {customer_id: view.blind | view.closed_of(call, one) for customer_id, one in those}


def _cluster(
    call: Call, row: Any, members: Sequence[pb.DuplicateMember], pairs: Sequence[Any], closed: set[str]
) -> pb.DuplicateCluster:
    codes = dict.fromkeys(
        reason
        for pair in sorted(pairs, key=lambda x: -x.score)
        for reason in pair.reasons
        if reason != NUMBER or closed.isdisjoint((pair.customer_id, pair.other_id))
    )
    return pb.DuplicateCluster(
        id=row.id,
        score=min((x.score for x in pairs), default=0),
        reasons=[duplicates_pb2.DuplicateReason(code=c, label=t) for c, t in scoring.labels(call.language, [*codes])],
        members=members,
        survivor_id=survivor(members).customer_id,
        create_time=row.create_time,
    )


def survivor(members: Sequence[pb.DuplicateMember]) -> pb.DuplicateMember:
    """Which to keep: most used by others' records, then most complete, then last used, then the oldest."""

    def worth(one: pb.DuplicateMember) -> tuple[int, int, float]:
        return one.used, one.filled, one.last_use_time.ToNanoseconds()

    return max(sorted(members, key=lambda one: one.customer_id), key=worth)


def _member(call: Call, row: Mapping[str, Any], used: int, hidden: frozenset[str]) -> pb.DuplicateMember:
    """A customer with what speaks for keeping it, of what the caller sees."""
    shown = checking.as_seen(call, row)
    times = [row[n] for n in ("last_contact_time", "update_time") if n not in hidden and row[n]]
    return pb.DuplicateMember(
        customer_id=row["id"],
        name=shown.name,
        number=shown.number,
        owner_id=shown.owner_id,
        used=used,
        filled=sum(row[n] not in (None, "", [], {}, False) for n in _FILLED if n not in hidden),
        last_use_time=max(times, default=None),
    )


def _used(call: Call, customer_ids: Sequence[str]) -> dict[str, int]:
    query = select(usage.c.customer_id, func.count().label("n")).where(one_of(usage.c.customer_id, customer_ids))
    return {r.customer_id: r.n for r in call.connection.execute(query.group_by(usage.c.customer_id))}
