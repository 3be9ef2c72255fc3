"""Members: asked, written down by a job, put in and taken out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import segments_pb2 as pb
from crm.records.v1 import records_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, jobs, scope
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import counting, listing, reaching, rows, sql, storing, writing
from crm_records import fields as kinds
from crm_records.conditions import Narrowing
from crm_records.record import Row
from customer import clock
from customer.customers import CUSTOMERS
from customer.segments.conditions import PREFIX, compile_conditions, looked_at
from customer.segments.record import FROZEN, LIVE, SEGMENTS, refuse_foreign, refuse_unseen
from customer.segments.tables import member
from customer.tables import customer

errors.texts({"segment_is_live": ("动态客户群没有固定成员", "A live segment has no members that are written down")})

KIND = "freeze_segment"
SIZE = 2000
"""Members of one step."""
COMPUTED, ADDED, REMOVED = "computed", "added", "removed"


def find(call: Call, segment_id: str) -> Row:
    """A living segment that the caller may use, or NOT_FOUND. PERMISSION_DENIED as in `refuse_unseen`."""
    call.need("customer.read")
    if not kinds.is_id(segment_id):
        raise errors.NotFound()
    table, reach = SEGMENTS.table, SEGMENTS.reach_of(call.access, "segment.read")
    query = select(table).where(table.c.id == segment_id, table.c.delete_time.is_(None))
    within = SEGMENTS.within(scope.shape(reach))
    found = sql.prepare(query if within is None else query.where(within)).run(call.connection, scope.parameters(reach))
    values = found.fetchone()
    if values is None:
        raise errors.NotFound()
    row = storing.as_row(call, SEGMENTS, values)
    refuse_unseen(call, row)
    return row


def condition(call: Call, row: Mapping[str, Any]) -> Narrowing:
    """Who belongs to a segment, for `listing.page(call, CUSTOMERS, …, also=…)`, which adds the caller's scope.

    The row comes from `find`, which has refused a caller who does not see all that the segment looks at.
    """
    if row["kind"] == LIVE:
        return compile_conditions(call, row, clock.today(call))
    c = member.c
    name = f"{PREFIX}_id"
    query = select(c.customer_id).where(c.segment_id == bindparam(name, type_=c.segment_id.type), c.origin != REMOVED)
    return Narrowing(customer.c.id.in_(query), (PREFIX, FROZEN), {name: row["id"]}, looked_at(call, row))


def page(call: Call, request: pb.ListSegmentMembersRequest) -> pb.ListSegmentMembersResponse:
    """One page of the members that the caller reaches."""
    also = condition(call, find(call, request.id))
    names = ("page_size", "page_token", "fields", "order_by", "count")
    asked = records_pb2.ListRequest(**{n: getattr(request, n) for n in names})
    found = listing.page(call, CUSTOMERS, asked, also=also)
    answer = pb.ListSegmentMembersResponse(
        customers=found.messages, next_page_token=found.next_page_token, total_capped=found.total_capped
    )
    if found.total is not None:
        answer.total = found.total
    return answer


def count(call: Call, segment_id: str) -> int:
    """How many members the caller reaches."""
    return counting.count(call, CUSTOMERS, condition(call, find(call, segment_id)))


def start(call: Call, request: pb.FreezeSegmentRequest) -> str:
    """Write the members down as a job, in the caller's name."""
    row = _frozen(call, request.id, request.etag)
    asked = {n: row[n] for n in ("filter", "conditions", "match")}  # whoever changes it while it is written down
    parameters = {"segment": row["id"], "day": clock.today(call).isoformat(), "asked": asked}
    job_id = jobs.start_alone(call, KIND, "segment", parameters, of_each="segment")
    if job_id is None:
        raise errors.Conflict("job_under_way")
    return job_id


def step(call: Call, job: Job) -> Step:
    """The next members; after the last, those that were not found any more go."""
    row = {**find(call, job.parameters["segment"]), **job.parameters["asked"]}
    refuse_unseen(call, row)
    also = compile_conditions(call, row, datetime.fromisoformat(job.parameters["day"]).date())
    reach = CUSTOMERS.reach(call)
    within = CUSTOMERS.within(scope.shape(reach))
    query = select(customer.c.id).where(customer.c.delete_time.is_(None), also.condition)
    query = query if within is None else query.where(within)
    query = query.where(customer.c.id > job.position) if job.position else query
    prepared = sql.prepare(query.order_by(customer.c.id).limit(SIZE))
    found = [r[0] for r in prepared.run(call.connection, {**scope.parameters(reach), **also.values}).fetchall()]
    if found:
        new = insert(member).values(
            [{"segment_id": row["id"], "customer_id": i, "origin": COMPUTED, "job_id": job.id} for i in found]
        )
        same = member.c.origin == COMPUTED
        call.connection.execute(
            new.on_conflict_do_update(index_elements=["segment_id", "customer_id"], set_={"job_id": job.id}, where=same)
        )
    if len(found) == SIZE:
        return Step(found[-1], done=len(found))
    c = member.c
    call.connection.execute(delete(member).where(c.segment_id == row["id"], c.origin == COMPUTED, c.job_id != job.id))
    writing.write(call, SEGMENTS, row["id"], None, "frozen", lambda _before: {"freeze_time": datetime.now(UTC)})
    return Step(done=len(found))


def put(call: Call, request: pb.SegmentMembersRequest, origin: str) -> int:
    """Put customers in or take them out by hand: how many became other than they were."""
    row = _frozen(call, request.id, None)
    given = writing.given(request)["customer_ids"]
    reached = reaching.those(call, CUSTOMERS, given, CUSTOMERS.reach(call))
    if unknown := [i for i in given if i not in reached]:
        label = ("客户", "Customer")
        writing.refuse(
            [Problem(f"customerIds[{given.index(i)}]", "unknown_reference", {"label": label}) for i in unknown]
        )
    new = insert(member).values(
        [{"segment_id": row["id"], "customer_id": i, "origin": origin, "job_id": None} for i in sorted(given)]
    )
    changed = new.on_conflict_do_update(
        index_elements=["segment_id", "customer_id"], set_={"origin": origin}, where=member.c.origin != origin
    ).returning(member.c.customer_id)
    number = len(call.connection.execute(changed).all()) if given else 0
    if number:
        told = Event(record_type="segment", action=f"members_{origin}", record_id=row["id"], version=row["version"])
        told.record.Pack(rows.to_message(SEGMENTS, row))
        call.announce(told)
    return number


def _frozen(call: Call, segment_id: str, etag: str | None) -> Row:
    """A frozen segment that the caller may change, locked."""
    row = storing.locked(call, SEGMENTS, segment_id, etag)
    refuse_foreign(call, row)
    refuse_unseen(call, row)
    if row["kind"] == LIVE:
        raise errors.Conflict("segment_is_live")
    return row


FREEZE = Kind(KIND, ("固化客户群", "Write down the members of a segment"), step)
