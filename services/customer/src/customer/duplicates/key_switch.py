"""Switching hard keys on and off: a record for each, whose states say whether it is guaranteed.

A key that is switched on is obeyed by every new write at once. The job then gives their keys to the customers that are
there, in pieces; if two have the same, the key is switched off again and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Uuid, bindparam, delete, func, select, text

from crm.customer.v1 import duplicate_keys_pb2 as pb
from crm_kit import errors, ids, jobs
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import rows, sql, writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer.customers import CUSTOMERS
from customer.duplicates import hard_keys
from customer.duplicates.hard_keys import BUILDING, OFF, ON
from customer.duplicates.tables import duplicate_key, hard_key, likeness
from customer.tables import customer

errors.texts(
    {
        "key_has_duplicates": (
            "还有 {groups} 组共 {customers} 个客户的{label}相同，请先合并或修改",
            "{customers} customers in {groups} groups share the {label}: merge or change them first",
        )
    }
)

BUILD = "duplicates.build_key"
ROWS = 500
EXAMPLES = 20
"""Ids of duplicates that are kept."""
KNOWN = 3.0
"""Seconds after which every process knows that a key is wanted."""
_NONE = "00000000-0000-0000-0000-000000000000"
_CONFIGURE = "customer.configure"


class DuplicateKeys(Record):
    """See the contract for the fields."""

    message = pb.DuplicateKey
    table = duplicate_key
    plural = "duplicate_keys"
    states = States(
        pb.DuplicateKey,
        initial=OFF,
        transitions=[
            Transition((OFF,), "switch_on", BUILDING, _CONFIGURE, ("启用", "switch on"), "switched_on"),
            Transition((BUILDING,), "finish", ON, _CONFIGURE, ("完成", "finish"), "built"),
            Transition((BUILDING,), "refuse", OFF, _CONFIGURE, ("退回", "refuse"), "refused"),
            Transition((BUILDING, ON), "switch_off", OFF, _CONFIGURE, ("关闭", "switch off"), "switched_off"),
        ],
    )
    closed_states: ClassVar[Sequence[str]] = (OFF,)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        call.after_commit.append(hard_keys.KEPT.forget)


KEYS = DuplicateKeys()


def seed(call: Call) -> None:
    """The keys there are; a new installation has them off."""
    known = {tuple(r) for r in call.connection.execute(select(duplicate_key.c.field, duplicate_key.c.kind))}
    now = datetime.now(UTC)
    for field, kind in hard_keys.KEYS:
        if (field, kind) not in known:
            row = {"id": ids.uuid7(), "field": field, "kind": kind, "state": OFF, "create_time": now}
            call.connection.execute(duplicate_key.insert().values(**row, update_time=now))


def switch_on(call: Call, request: pb.SwitchDuplicateKeyRequest) -> pb.DuplicateKey:
    """Obey a key from now on, and look through those who are there."""
    job_id = ids.uuid7()

    def begin(before: Row) -> Mapping[str, Any]:
        if before["field"] == "name":
            _refuse_same_names(call, before["kind"])
        jobs.start(call, BUILD, "customer", {"key": before["id"]}, job_id=job_id)
        return {"job_id": job_id, "duplicates": None, "duplicate_ids": []}

    answer: pb.DuplicateKey = writing.act(call, KEYS, request.id, request.etag, "switch_on", begin)
    return answer


def switch_off(call: Call, request: pb.SwitchDuplicateKeyRequest) -> pb.DuplicateKey:
    """No longer obey a key. What it held is dropped when it is built again."""
    answer: pb.DuplicateKey = writing.act(call, KEYS, request.id, request.etag, "switch_off")
    return answer


def _refuse_same_names(call: Call, kind: str) -> None:
    """Names are compared at once; what is encrypted only the job can compare."""
    c = likeness.c
    same = select(func.count().label("n")).where(c.kind == kind, c.record_type == "customer", c.full_name != "")
    shared = same.group_by(c.full_name).having(func.count() > 1).subquery()
    groups, customers = call.connection.execute(select(func.count(), func.sum(shared.c.n))).one()
    if groups:
        label = CUSTOMERS.fields["name"].label
        raise errors.Conflict("key_has_duplicates", groups=groups, customers=int(customers), label=label)


def build(call: Call, job: Job) -> Step:
    """The next customers get their keys. The first steps drop what an earlier time left, and wait until every process
    obeys the key."""
    query = select(duplicate_key).where(duplicate_key.c.id == job.parameters["key"]).with_for_update()
    found: dict[str, Any] = dict(call.connection.execute(query).one()._mapping)
    if found["state"] != BUILDING or found["job_id"] != job.id:
        return Step()
    position = job.position or {"after": _NONE, "clean": False, "same": [], "n": 0}
    if not position["clean"]:
        return _clean(call, found, position)
    if position["after"] == _NONE and not _everybody_knows(call, found["update_time"]):
        call.connection.execute(text("SELECT pg_sleep(0.2)"))
        return Step(position=position)
    customers = _next(call, found["kind"], position["after"])
    if not customers:
        return _end(call, found, position)
    same, n = list(position["same"]), position["n"]
    for row in customers:
        for place, values in hard_keys.values(call.connection, row, [found["field"]]).items():
            if _is_taken(call, place, values, row["id"]):
                n += 1
                same = [*same, row["id"]][:EXAMPLES]
    after = {**position, "after": customers[-1]["id"], "same": same, "n": n}
    return Step(position=after, done=len(customers), result={"duplicates": n})


def _clean(call: Call, key: Mapping[str, Any], position: dict[str, Any]) -> Step:
    """Drop what is from before it was switched on: nobody kept that up since. The rows that were written meanwhile
    get theirs again with all others."""
    here = hard_key.c.field == hard_keys.place_of(key["field"], key["kind"])
    old = select(hard_key.c.value).where(here).limit(ROWS * 10)
    gone = delete(hard_key).where(here, hard_key.c.value.in_(old))
    dropped = len(call.connection.execute(gone.returning(hard_key.c.value)).all())
    return Step(position={**position, "clean": dropped < ROWS * 10})


def _is_taken(call: Call, place: str, values: Sequence[str], customer_id: str) -> bool:
    """Whether somebody else has one of the values. Those that are free, or the customer's already, are its own."""
    taken = [v for v in values if not hard_keys.take_one(call.connection, place, v, customer_id)]
    if not taken:
        return False
    others = select(func.count()).where(
        hard_key.c.field == place, hard_key.c.value.in_(taken), hard_key.c.customer_id != customer_id
    )
    return bool(call.connection.scalar(others))


_FIELDS = ("id", "name", "kind", "mobile")
_NEXT = sql.prepare(
    select(*(customer.c[n] for n in _FIELDS))
    .where(
        customer.c.id > bindparam("after", type_=Uuid(as_uuid=False)),
        customer.c.kind == bindparam("kind", type_=customer.c.kind.type),
        customer.c.delete_time.is_(None),
    )
    .order_by(customer.c.id)
    .limit(ROWS)
    .with_for_update(key_share=True)
)


def _next(call: Call, kind: str, after: str) -> list[dict[str, Any]]:
    """Locked, so that nobody takes one's name away while it gets the key of it."""
    found = _NEXT.run(call.connection, {"after": after, "kind": kind}).fetchall()
    opened = (rows.opened(call.connection, CUSTOMERS, _FIELDS, values) for values in found)
    return [dict(zip(_FIELDS, values, strict=True)) for values in opened]


def _everybody_knows(call: Call, since: datetime) -> bool:
    """Whether nobody can still be writing who does not obey the key."""
    oldest = text(
        "SELECT CAST(:since AS timestamptz) + make_interval(secs => :known) < least(now(), (SELECT min(xact_start)"
        " FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
        " AND pid <> pg_backend_pid()))"
    )
    return bool(call.connection.scalar(oldest, {"since": since, "known": KNOWN}))


def _end(call: Call, key: Mapping[str, Any], position: Mapping[str, Any]) -> Step:
    n = position["n"]
    values = {"duplicates": n, "duplicate_ids": position["same"]}
    done: pb.DuplicateKey = writing.act(call, KEYS, key["id"], str(key["version"]), "refuse" if n else "finish", values)
    return Step(result={"state": done.state, "duplicates": n})


def ended(call: Call, job: Job, _state: str) -> None:
    """The job was cancelled or failed: the key is not guaranteed."""
    row = call.connection.execute(select(duplicate_key).where(duplicate_key.c.id == job.parameters["key"])).one()
    if row.state == BUILDING and row.job_id == job.id:
        writing.act(call, KEYS, row.id, str(row.version), "refuse")
