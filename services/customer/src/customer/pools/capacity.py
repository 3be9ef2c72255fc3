"""How many customers a person and a department may hold (库容), and how many a person may take or open in a day.

Whoever counts holds a lock on what is counted, departments before people, until the transaction ends: of many who take
at once none gets past the limit. What was stored is counted afterwards, so that many in one batch are right as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from crm_kit import errors, organisation, pool
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import images
from crm_records.record import Row
from customer.pools import ownership
from customer.pools.config import ACTIVE_POOLS, ASSIGNMENT, CREATION, Config, Limit, Tree, in_order, limit_for
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
_NOT_ASKED = "capacity is not asked"
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many customers some people may hold together."""

    lock: str
    people: tuple[str, ...]
    limit: int
    name: str
    department: bool

    def refusal(self) -> errors.Conflict:
        key = "pool_department_full" if self.department else "pool_person_full"
        return errors.Conflict(key, name=self.name, limit=self.limit)


def check_claim(call: Call, config: Config) -> None:
    """Whether the caller may take one more today. RESOURCE_EXHAUSTED, or FAILED_PRECONDITION where there is no room."""
    me, tree = call.access, Tree(call.connection)
    limit = limit_for(config, tree, me.department_id)
    _obey(call.connection, _bounds(call.connection, limit, tree, (me.user_id, me.department_id, me.name)), coming=1)
    if limit.claims is None:
        return
    _lock(call.connection, _person(me.user_id))
    c = pool_move.c
    query = select(func.count()).select_from(pool_move).where(c.to_user_id == me.user_id, c.day == pool.today())
    taken = call.connection.scalar(query.where(c.kind == ownership.CLAIMED, c.pool_id == config.id)) or 0
    if taken >= limit.claims:
        raise errors.Exhausted("pool_claims_used", limit=limit.claims)


def check_view(call: Call, config: Config, record_id: str) -> None:
    """Count that the caller opens a customer. RESOURCE_EXHAUSTED where that is one too many."""
    me = call.access
    limit = limit_for(config, Tree(call.connection), me.department_id).views
    _lock(call.connection, _person(me.user_id))
    new = pool.open_one(call.connection, me.user_id, record_id, config.id)
    if new and limit is not None and pool.opened_today(call.connection, me.user_id, config.id) > limit:
        raise errors.Exhausted("pool_views_used", limit=limit)


def check(
    call: Call,
    occasion: str,
    owner_ids: Collection[str],
    *,
    pool_id: str | None = None,
    from_id: str | None = None,
    coming: int = 0,
) -> None:
    """Whether these people hold no more than they may, where the pool has that obeyed on such an occasion: the pool in
    which a customer lies, else the one that is nearest to its new owner.

    What is stored is counted, and `coming` more. What is `from_id`'s already makes no department hold more.
    """
    bounds = [b for i in owner_ids for b in bounds_of(call, occasion, i, pool_id) if from_id not in b.people]
    _obey(call.connection, bounds, coming)


def check_given(call: Call, row: Row, before: Row) -> None:
    """After a customer is stored: whether it may be whose it is now, where another had it or the recycle bin."""
    if not row["owner_id"] or row["delete_time"] or call.memo.get(_NOT_ASKED) or images.is_taking_back(call):
        return
    if before["delete_time"]:
        check(call, CREATION, [row["owner_id"]])
    elif row["owner_id"] != before["owner_id"] and not ownership.is_allowed(call):
        check(call, ASSIGNMENT, [row["owner_id"]], pool_id=before["pool_id"], from_id=before["owner_id"])


def do_not_ask(call: Call) -> None:
    """What this call gives to people is not bounded: a merge makes nobody hold more customers than there were."""
    call.memo[_NOT_ASKED] = True


def bounds_of(call: Call, occasion: str, owner_id: str, pool_id: str | None = None) -> list[Bound]:
    """What bounds the customers of somebody on an occasion; read once in a call."""
    configs = ACTIVE_POOLS.read(call.connection)
    if not any(occasion in config.capacity_on for config in configs.values()):
        return []
    key = ("capacity", occasion, owner_id, pool_id)
    if key not in call.memo:
        tree, c = Tree(call.connection), organisation.user.c
        query = select(c.id, c.department_id, c.name).where(c.id == owner_id)
        owner = call.connection.execute(query).one_or_none()
        near = [config for config, _ in in_order(configs.values(), tree, owner.department_id)] if owner else []
        config = configs.get(pool_id or "") or next(iter(near), None)
        found: list[Bound] = []
        if owner is not None and config is not None and occasion in config.capacity_on:
            limit = limit_for(config, tree, owner.department_id)
            found = _bounds(call.connection, limit, tree, tuple(owner))
        call.memo[key] = found
    bounds: list[Bound] = call.memo[key]
    return bounds


class Rooms:
    """Who has room for customers that others give them, those given in mind counted. Nothing is locked: what is then
    stored is checked."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._given = Counter[str]()
        self._held: dict[str, int] = {}

    def has(self, owner_id: str, from_id: str | None) -> bool:
        """Whether somebody may get one more, which is `from_id`'s now."""
        return all(self._count(b) < b.limit for b in self._bounds(owner_id) if from_id not in b.people)

    def moved(self, from_id: str | None, to_id: str) -> None:
        """One more is given."""
        self._given[to_id] += 1
        if from_id:
            self._given[from_id] -= 1

    def _bounds(self, owner_id: str) -> list[Bound]:
        return bounds_of(self._call, ASSIGNMENT, owner_id)

    def _count(self, bound: Bound) -> int:
        if bound.lock not in self._held:
            self._held[bound.lock] = _held(self._call.connection, bound.people, None)
        return self._held[bound.lock] + sum(self._given[p] for p in bound.people)


def _bounds(connection: Connection, limit: Limit, tree: Tree, owner: tuple[str, str | None, str]) -> list[Bound]:
    owner_id, department_id, name = owner
    found = []
    home = limit.department_id or department_id
    if limit.department is not None and home:
        c = organisation.user.c
        people = tuple(connection.scalars(select(c.id).where(one_of(c.department_id, tree.below(home)))))
        found.append(Bound(f"pool department {home}", people, limit.department, tree.name(home), True))
    if limit.person is not None:
        found.append(Bound(_person(owner_id), (owner_id,), limit.person, name, False))
    return found


def _obey(connection: Connection, bounds: Iterable[Bound], coming: int) -> None:
    """Refuse where more is held than a bound allows. Locked in one order, so that two do not wait for each other."""
    for bound in sorted({*bounds}, key=lambda b: (b.lock, b.limit)):
        _lock(connection, bound.lock)
        if _held(connection, bound.people, bound.limit + 1) + coming > bound.limit:
            raise bound.refusal()


def _held(connection: Connection, owner_ids: Collection[str], most: int | None) -> int:
    """How many customers people hold; counted no further than `most`."""
    held = select(customer.c.id).where(one_of(customer.c.owner_id, owner_ids), customer.c.delete_time.is_(None))
    return int(connection.scalar(select(func.count()).select_from(held.limit(most).subquery())) or 0)


def _person(user_id: str) -> str:
    return f"pool person {user_id}"


def _lock(connection: Connection, name: str) -> None:
    connection.execute(_LOCK, {"name": name})
