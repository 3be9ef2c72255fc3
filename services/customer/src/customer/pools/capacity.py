"""How many customers a person and a department may hold (库容), and how many a person may take or open in a day.

Whoever counts holds a lock on what is counted, the department before the person, until the transaction ends: of many
who take at once none gets past the limit.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select, text

from crm_kit import errors, organisation, pool
from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.pools.config import ACTIVE_POOLS, Config, Limit, Tree, in_order, limit_for
from customer.pools.ownership import CLAIMED
from customer.pools.tables import pool_move
from customer.tables import customer

errors.texts(
    {
        "pool_claims_used": ("今日领取数已用完（{limit}）", "Today's claims are used up ({limit})"),
        "pool_views_used": ("今日查看数已用完（{limit}）", "Today's views are used up ({limit})"),
        "pool_person_full": ("{name}的库容已满（{limit}）", "{name} holds as many customers as allowed ({limit})"),
        "pool_department_full": (
            "部门“{name}”的库容已满（{limit}）",
            "The department {name} holds as many customers as allowed ({limit})",
        ),
    }
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def check_claim(call: Call, config: Config) -> None:
    """Whether the caller may take one more today. RESOURCE_EXHAUSTED, or FAILED_PRECONDITION where there is no room."""
    me, tree = call.access, Tree(call.connection)
    limit = limit_for(config, tree, me.department_id)
    _check_room(call, limit, tree, me.user_id, me.department_id, me.name)
    if limit.claims is None:
        return
    _lock(call.connection, f"pool person {me.user_id}")
    c = pool_move.c
    query = select(func.count()).select_from(pool_move).where(c.to_user_id == me.user_id, c.day == pool.today())
    taken = call.connection.scalar(query.where(c.kind == CLAIMED, c.pool_id == config.id)) or 0
    if taken >= limit.claims:
        raise errors.Exhausted("pool_claims_used", limit=limit.claims)


def check_view(call: Call, config: Config, record_id: str) -> None:
    """Count that the caller opens a customer. RESOURCE_EXHAUSTED where that is one too many."""
    me = call.access
    limit = limit_for(config, Tree(call.connection), me.department_id).views
    _lock(call.connection, f"pool person {me.user_id}")
    new = pool.open_one(call.connection, me.user_id, record_id, config.id)
    if new and limit is not None and pool.opened_today(call.connection, me.user_id, config.id) > limit:
        raise errors.Exhausted("pool_views_used", limit=limit)


def check_assignment(call: Call, owner_id: str, pool_id: str | None) -> None:
    """Whether somebody has room for a customer that others give them, where the pool has it obeyed: the pool in which
    it lies, else the one that is nearest to the new owner."""
    configs, tree = ACTIVE_POOLS.read(call.connection), Tree(call.connection)
    c = organisation.user.c
    owner = call.connection.execute(select(c.name, c.department_id).where(c.id == owner_id)).one_or_none()
    if owner is None:
        return
    near = [config for config, _ in in_order(configs.values(), tree, owner.department_id)]
    config = configs.get(pool_id or "") or next(iter(near), None)
    if config is not None and config.capacity_on_assignment:
        limit = limit_for(config, tree, owner.department_id)
        _check_room(call, limit, tree, owner_id, owner.department_id, owner.name)


def _check_room(call: Call, limit: Limit, tree: Tree, owner_id: str, department_id: str | None, name: str) -> None:
    home = limit.department_id or department_id
    if limit.department is not None and home:
        _lock(call.connection, f"pool department {home}")
        c = organisation.user.c
        people = list(call.connection.scalars(select(c.id).where(one_of(c.department_id, tree.below(home)))))
        if _held(call.connection, people) >= limit.department:
            raise errors.Conflict("pool_department_full", name=tree.name(home), limit=limit.department)
    if limit.person is not None:
        _lock(call.connection, f"pool person {owner_id}")
        if _held(call.connection, [owner_id]) >= limit.person:
            raise errors.Conflict("pool_person_full", name=name, limit=limit.person)


def _held(connection: Connection, owner_ids: Collection[str]) -> int:
    query = select(func.count()).select_from(customer).where(one_of(customer.c.owner_id, owner_ids))
    return int(connection.scalar(query.where(customer.c.delete_time.is_(None))) or 0)


def _lock(connection: Connection, name: str) -> None:
    connection.execute(_LOCK, {"name": name})
