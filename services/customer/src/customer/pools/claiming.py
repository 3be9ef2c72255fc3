"""Customers leave a pool: members look at them and take them, administrators give them out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import customers_pb2
from crm.records.v1 import records_pb2
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.pool import ZONE, today
from crm_kit.rpc import Call
from crm_records import acting, listing, reaching, references, writing
from crm_records import fields as kinds
from crm_records.record import Row
from customer.customers import CUSTOMERS
from customer.pools import capacity
from customer.pools.config import ACTIVE_POOLS, ASSIGNMENT, Config, administers
from customer.pools.ownership import ASSIGNED, CLAIMED, Move, because
from customer.pools.tables import pool_move
from customer.tables import customer

errors.texts(
    {
        "not_in_pool": ("客户不在公海中", "The customer lies in no pool"),
        "not_a_member": ("您不是该公海的成员", "You are no member of the pool"),
        "not_pool_administrator": ("您不是该公海的管理员", "You do not administer the pool"),
        "pool_not_in_use": ("公海未启用", "The pool is not in use"),
        "pool_fresh": (
            "刚进入公海，{until} 起可领取",
            "It came into the pool just now and can be taken from {until} on",
        ),
        "pool_former_owner": (
            "您是原负责人，{until} 起可再领取",
            "You had it before and can take it again from {until} on",
        ),
    }
)


def pool_of(call: Call, customer_id: str) -> Config:
    """The pool of a customer that the caller sees. NOT_FOUND, or FAILED_PRECONDITION where it lies in none in use;
    PERMISSION_DENIED for whoever may read no customer."""
    call.need("customer.read")
    reach = CUSTOMERS.reach_of(call.access, "customer.read")
    if not kinds.is_id(customer_id) or not reaching.holds(call, CUSTOMERS, customer_id, reach):
        raise errors.NotFound()
    pool_id = call.connection.scalar(select(customer.c.pool_id).where(customer.c.id == customer_id))
    if pool_id is None:
        raise errors.Conflict("not_in_pool")
    found = ACTIVE_POOLS.read(call.connection).get(pool_id)
    if found is None:
        raise errors.Conflict("pool_not_in_use")
    return found


def view(call: Call, customer_id: str) -> customers_pb2.Customer:
    """Open a customer of a pool, which counts once a day; nothing counts for whoever sees all customers anyway."""
    pool = pool_of(call, customer_id)
    if not CUSTOMERS.reach(call).all:
        capacity.check_view(call, pool, customer_id)
        call.access.opens(CUSTOMERS.type, customer_id, pool.id)
    found: customers_pb2.Customer = listing.get(call, CUSTOMERS, records_pb2.GetRequest(id=customer_id))
    return found


def claim(call: Call, customer_id: str, etag: str) -> Row:
    """Take a customer; the row after. Of several who try at once the first gets it."""
    pool = pool_of(call, customer_id)
    if pool.id not in call.access.pools(CUSTOMERS.type).ids:
        raise errors.Denied("not_a_member")
    capacity.check_claim(call, pool)

    def take(before: Row) -> Mapping[str, Any]:
        _check_cool(call, pool, before)
        return {"owner_id": call.access.user_id}

    return _move_out(call, pool, customer_id, etag, CLAIMED, take)


def give_out(call: Call, customer_id: str, etag: str, owner_id: str) -> Row:
    """Give a customer to somebody; the row after."""
    pool = pool_of(call, customer_id)
    if not administers(pool, call.access.user_id, call.access.role_codes):
        raise errors.Denied("not_pool_administrator")
    wrong = references.not_an_owner(call, CUSTOMERS, owner_id)
    if wrong:
        raise errors.Invalid(Problem("ownerId", wrong, {"label": CUSTOMERS.fields["owner_id"].label}))
    capacity.check(call, ASSIGNMENT, [owner_id], pool_id=pool.id, coming=1)
    return _move_out(call, pool, customer_id, etag, ASSIGNED, lambda _row: {"owner_id": owner_id})


def _move_out(call: Call, pool: Config, customer_id: str, etag: str, kind: str, take: Any) -> Row:
    """Write a customer's new owner with the suite's rights: what allows it is the pool, not the caller's scope."""

    def move(before: Row) -> Mapping[str, Any]:
        if before["pool_id"] != pool.id:
            raise errors.Stale()
        return {**take(before), "pool_id": None, "pool_time": None}

    suite = acting.as_suite(call)
    because(suite, Move(kind, day=today()))
    after = writing.write(suite, CUSTOMERS, customer_id, etag, kind, move)
    call.events += suite.events
    return after


def _check_cool(call: Call, pool: Config, row: Row) -> None:
    """Whether the customer has lain in the pool long enough for the caller."""
    entered = (row["pool_time"] or datetime.now(UTC)).astimezone(ZONE).date()
    _refuse_before("pool_fresh", entered, pool.fresh_days)
    c = pool_move.c
    query = select(c.from_user_id, c.day).where(c.customer_id == row["id"], c.pool_id == pool.id, c.into)
    last = call.connection.execute(query.order_by(c.id.desc()).limit(1)).one_or_none()
    if last is not None and last.from_user_id == call.access.user_id:
        _refuse_before("pool_former_owner", last.day, pool.former_owner_days)


def _refuse_before(key: str, entered: date, days: int) -> None:
    free = entered + timedelta(days=days)
    if days and today() < free:
        raise errors.Conflict(key, until=free.isoformat())
