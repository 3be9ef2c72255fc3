"""Who may do what, on which records, and which fields: the three questions of every call, answered from the
organisation's copy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select, text

from crm_kit import errors, field_access, pool, team
from crm_kit import policy as policies
from crm_kit.clients import Limits, limits
from crm_kit.db import one_of
from crm_kit.field_access import FieldRules
from crm_kit.organisation import department, role, user
from crm_kit.reach import Reach, RoleAccess, holds, read_role

_BELOW = text(
    "WITH RECURSIVE below AS (SELECT CAST(:me AS uuid) AS id UNION"
    " SELECT u.id FROM org_user u JOIN below b ON u.manager_id = b.id) SELECT id FROM below"
)
_MANAGED = select(department.c.id).where(department.c.manager_id == bindparam("me"), ~department.c.deleted)
_TREE = text(
    "WITH RECURSIVE tree AS (SELECT unnest(CAST(:roots AS uuid[])) AS id UNION"
    " SELECT d.id FROM org_department d JOIN tree t ON d.parent_id = t.id WHERE NOT d.deleted) SELECT id FROM tree"
)


@dataclass(slots=True)
class Access:
    """What one person may do, read from the copy once and kept for a second."""

    user_id: str
    name: str
    username: str
    department_id: str | None
    manager_id: str | None
    locale: str
    time_zone: str
    role_codes: tuple[str, ...]
    rights: frozenset[str]
    denials: frozenset[str]
    roles: tuple[RoleAccess, ...]
    _engine: Engine
    grants: tuple[dict[str, Any], ...] = ()
    """Personal rights and denials that hold now, as the contract writes them."""
    active: bool = True
    """Whether the account is in use; whoever calls is."""
    suite: bool = False
    """Whether it is the suite's own, under whatever name."""
    restricted: bool = False
    """Whether some role may be used only from some addresses or at some times."""
    client: Limits | None = None
    """Of an API client, how it may call; None for people."""
    _reaches: dict[tuple[str, str], Reach] = field(default_factory=dict)
    _fields: dict[str, FieldRules] = field(default_factory=dict)
    _covered: dict[tuple[str, ...], Reach] = field(default_factory=dict)
    _teams: dict[str, dict[str, str]] | None = None
    _pools: dict[str, pool.Pools] | None = None
    _narrowed: dict[tuple[str, ...], Access] = field(default_factory=dict)

    @property
    def granted(self) -> frozenset[str]:
        """Rights given to the person alone; `rights` holds them and those of the roles."""
        return frozenset(g["right"] for g in self.grants if not g.get("denied"))

    def here(self, address: str) -> Access:
        """What is left of it from this address at this moment: a role that may not be used gives nothing.

        PERMISSION_DENIED if no role is left; whoever has no role at all is not asked.
        """
        usable = policies.usable(self.roles, address, self.time_zone)
        if not usable:
            raise errors.Denied("outside_policy")
        return self if len(usable) == len(self.roles) else self.with_roles(usable)

    def with_roles(self, roles: tuple[RoleAccess, ...]) -> Access:
        """The access as if the person had only these of their roles."""
        key = tuple(r.code for r in roles)
        found = self._narrowed.get(key)
        if found is None:
            found = self._narrowed[key] = replace(
                self,
                roles=roles,
                role_codes=tuple(sorted(r.code for r in roles)),
                rights=frozenset(x for r in roles for x in r.rights) | self.granted,
                _reaches={},
                _fields={},
                _narrowed={},
                _pools=None,
            )
        return found

    def may(self, right: str) -> bool:
        """Whether the person has `resource.action`; a denial wins over every grant."""
        return holds(self.rights, right) and not holds(self.denials, right)

    def fields(self, resource: str) -> FieldRules:
        """The field rules of a record type as they come together over the roles; false where there are none."""
        found = self._fields.get(resource)
        if found is None:
            found = self._fields[resource] = field_access.of(self.roles, resource)
        return found

    def reach(self, resource: str, right: str, team_of: str = "") -> Reach:
        """On which records of `resource` a right holds: the union over the roles that give the right, and teams.

        A right given to the person alone holds wherever any of their roles reaches. `team_of` is the record type
        whose teams count, if it is called differently.
        """
        found = self._reaches.get((resource, right))
        if found is None:
            found = self._reaches[resource, right] = self._compute(resource, right, team_of or resource)
        return found

    def limit(self, right: str, name: str) -> int:
        """A number of the roles' policies: of the roles that give the right the most generous counts.

        A role that does not say allows the usual. A right given to the person alone is as with all their roles.
        """
        return max((policies.number(r.policy, name) for r in self.giving(right)), default=policies.USUAL[name])

    def giving(self, right: str) -> Sequence[RoleAccess]:
        """The roles that give a right; all of them where it is given to the person alone."""
        return [r for r in self.roles if holds(r.rights, right)] or self.roles

    def scopes(self, resource: str, right: str) -> list[tuple[RoleAccess, dict[str, Any]]]:
        """The scopes in which a right holds on a resource, each with the role that brings it."""
        return [(r, s) for r in self.giving(right) for s in r.scopes_of(resource)]

    def covers(self, scope: dict[str, Any]) -> Reach:
        """What one scope of a role reaches for this person."""
        key = (scope["scope"], *scope.get("departmentIds", ()))
        found = self._covered.get(key)
        if found is None:
            found = self._covered[key] = self._cover(scope)
        return found

    def member_of(self, record_type: str, right: str) -> frozenset[str]:
        """The records that a right holds on because the person belongs to their teams: see `team.suffices`."""
        if not self.may(right):
            return frozenset()
        if self._teams is None:
            with self._engine.connect() as connection:
                self._teams = team.of(connection, self.user_id)
        action = right.rpartition(".")[2]
        return frozenset(i for i, a in self._teams.get(record_type, {}).items() if team.suffices(a, action))

    def pools(self, record_type: str) -> pool.Pools:
        """The pools of records of this type in which the person is a member, by roles in use here and now."""
        if self._pools is None:
            if not self.user_id:
                return pool.NONE
            with self._engine.connect() as connection:
                self._pools = pool.of(connection, self.user_id, self.department_id, self.role_codes)
        return self._pools.get(record_type, pool.NONE)

    def closed(self, record_type: str) -> tuple[pool.Seen, ...]:
        """The pools that hide something from the person, who does not see all records of the type anyway."""
        if self.reach(record_type, f"{record_type}.read").all:
            return ()
        return tuple(s for s in self.pools(record_type).seen if s.hidden or s.viewed)

    def opens(self, record_type: str, record_id: str, pool_id: str) -> None:
        """The person opened a record of a pool; acts at once here, within a second in other processes."""
        pools = self.pools(record_type)
        opened = replace(pools, opened={**pools.opened, record_id: pool_id})
        self._pools = {**(self._pools or {}), record_type: opened}

    def below(self, reach: Reach, record_type: str, part: Collection[str]) -> Reach:
        """What a reach comes to for a part of the records, hidden by any of these names: some pools hide it, some show
        it of what was opened."""
        if not reach.pool_ids:
            return reach
        whole, viewed, opened = self.pools(record_type).showing(part)
        return replace(reach, pool_ids=reach.pool_ids & whole, view_pool_ids=viewed, opened_ids=opened)

    def another(self, user_id: str) -> Access | None:
        """The same of another person as they stand now, in use or not; None if nobody is known by that id."""
        with self._engine.connect() as connection:
            row = connection.execute(select(user).where(user.c.id == user_id, ~user.c.deleted)).one_or_none()
            return read(connection, self._engine, row) if row else None

    def _compute(self, resource: str, right: str, team_of: str) -> Reach:
        scopes = [s for _, s in self.scopes(resource, right)]
        if any(s["scope"] == "all" for s in scopes):
            return Reach(all=True, user_id=self.user_id)
        parts = [self.covers(s) for s in scopes]
        return Reach(
            owner_ids=frozenset({self.user_id}).union(*(p.owner_ids for p in parts)),
            department_ids=frozenset[str]().union(*(p.department_ids for p in parts)),
            user_id=self.user_id,
            record_ids=self.member_of(team_of, right),
            pool_ids=self.pools(team_of).ids if self._looks(right) else frozenset(),
        )

    def _looks(self, right: str) -> bool:
        """Whether a right that is held is one that goes with membership in a pool."""
        return right.rpartition(".")[2] in pool.READING and self.may(right)

    def _cover(self, scope: dict[str, Any]) -> Reach:
        owners, departments = {self.user_id}, set[str]()
        handed = set[str]()
        """Departments of which only what is nobody's is reached: they were given it for their manager to give on."""
        match scope["scope"]:
            case "all":
                return Reach(all=True, user_id=self.user_id)
            case "department" if self.department_id:
                departments = {self.department_id}
            case "chosen":
                departments = set(scope.get("departmentIds", ()))
            case "subordinates" | "department_tree":
                with self._engine.connect() as connection:
                    if scope["scope"] == "subordinates":
                        owners.update(connection.scalars(_BELOW, {"me": self.user_id}))
                        managed = connection.scalars(_MANAGED, {"me": self.user_id}).all()
                        handed.update(connection.scalars(_TREE, {"roots": managed}) if managed else ())
                    elif self.department_id:
                        departments.update(connection.scalars(_TREE, {"roots": [self.department_id]}))
        if departments:
            with self._engine.connect() as connection:
                owners.update(connection.scalars(select(user.c.id).where(one_of(user.c.department_id, departments))))
        return Reach(owner_ids=frozenset(owners), department_ids=frozenset(departments | handed), user_id=self.user_id)


def read(connection: Connection, engine: Engine, row: Any) -> Access:
    """What a person may do, from their row of the copy."""
    roles = connection.execute(select(role).where(one_of(role.c.id, row.role_ids), ~role.c.deleted)).all()
    now = datetime.now(UTC)
    grants = [g for g in row.grants if "endTime" not in g or datetime.fromisoformat(g["endTime"]) > now]
    given = tuple(read_role(r) for r in roles)
    return Access(
        user_id=row.id,
        name=row.name,
        username=row.username,
        department_id=row.department_id,
        manager_id=row.manager_id,
        locale=row.locale or errors.ZH,
        time_zone=row.time_zone or "Asia/Shanghai",
        role_codes=tuple(sorted(r.code for r in roles)),
        rights=frozenset(x for r in roles for x in r.rights) | {g["right"] for g in grants if not g.get("denied")},
        denials=frozenset(g["right"] for g in grants if g.get("denied")),
        roles=given,
        restricted=any(r.use for r in given),
        client=limits(row.policy) if row.client else None,
        grants=tuple(grants),
        active=row.active,
        _engine=engine,
    )
