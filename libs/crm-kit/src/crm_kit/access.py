"""Who may do what, and on which records: the first two questions of every call, answered from the organisation's copy.

An answer is kept for a second per person and dropped at once when an event changes the organisation, so a
changed right acts everywhere within two seconds.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode
from sqlalchemy import Engine, select, text

from crm_kit import errors
from crm_kit.clients import Limits, limits
from crm_kit.db import one_of
from crm_kit.organisation import ended_session, role, signing_key, user

_BELOW = text(
    "WITH RECURSIVE below AS (SELECT CAST(:me AS uuid) AS id UNION"
    " SELECT u.id FROM org_user u JOIN below b ON u.manager_id = b.id) SELECT id FROM below"
)
_TREE = text(
    "WITH RECURSIVE tree AS (SELECT unnest(CAST(:roots AS uuid[])) AS id UNION"
    " SELECT d.id FROM org_department d JOIN tree t ON d.parent_id = t.id WHERE NOT d.deleted) SELECT id FROM tree"
)


@dataclass(frozen=True, slots=True)
class Reach:
    """On which records a right holds: all, or those of these owners, or ownerless ones of these departments."""

    all: bool = False
    owner_ids: frozenset[str] = frozenset()
    department_ids: frozenset[str] = frozenset()
    user_id: str = ""
    """Whose reach it is: some records name people who see them besides their owner."""


@dataclass(frozen=True, slots=True)
class RoleAccess:
    """What one role gives: rights, and on which records they hold."""

    rights: frozenset[str]
    scopes: tuple[dict[str, Any], ...]
    field_rules: tuple[dict[str, Any], ...] = ()
    policy: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    name: str = ""

    def scopes_of(self, resource: str) -> list[dict[str, Any]]:
        """The scopes that the role names for a resource, else those for all it does not name."""
        named = [s for s in self.scopes if s["resource"] == resource]
        return named or [s for s in self.scopes if s["resource"] == "*"]


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
    _reaches: dict[tuple[str, str], Reach] = field(default_factory=dict)
    client: Limits | None = None
    """Of an API client, how it may call; None for people."""

    def may(self, right: str) -> bool:
        """Whether the person has `resource.action`; a denial wins over every grant."""
        return _holds(self.rights, right) and not _holds(self.denials, right)

    def reach(self, resource: str, right: str) -> Reach:
        """On which records of `resource` a right holds: the union over the roles that give the right.

        A right given to the person alone holds wherever any of their roles reaches.
        """
        found = self._reaches.get((resource, right))
        if found is None:
            found = self._reaches[resource, right] = self._compute(resource, right)
        return found

    def _compute(self, resource: str, right: str) -> Reach:
        roles = [r for r in self.roles if _holds(r.rights, right)] or self.roles
        kinds = [s for r in roles for s in r.scopes_of(resource)]
        if any(s["scope"] == "all" for s in kinds):
            return Reach(all=True, user_id=self.user_id)
        owners, departments = {self.user_id}, set[str]()
        with self._engine.connect() as connection:
            for one in kinds:
                if one["scope"] == "subordinates":
                    owners.update(connection.scalars(_BELOW, {"me": self.user_id}))
                elif one["scope"] == "department" and self.department_id:
                    departments.add(self.department_id)
                elif one["scope"] == "department_tree" and self.department_id:
                    departments.update(connection.scalars(_TREE, {"roots": [self.department_id]}))
                elif one["scope"] == "chosen":
                    departments.update(one.get("departmentIds", ()))
            if departments:
                owners.update(connection.scalars(select(user.c.id).where(one_of(user.c.department_id, departments))))
        return Reach(owner_ids=frozenset(owners), department_ids=frozenset(departments), user_id=self.user_id)


def _holds(rights: frozenset[str], right: str) -> bool:
    return right in rights or "*" in rights or f"{right.partition('.')[0]}.*" in rights


class Organisation:
    """Reads the copy; one for each process."""

    KEPT = 1.0
    """Seconds that an answer is kept: a change made in another process acts within that time."""

    def __init__(self, reader: Engine) -> None:
        self._reader = reader
        self._kept: dict[tuple[str, str], tuple[float, Access]] = {}
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._lock = threading.Lock()

    def access(self, user_id: str, session_id: str) -> Access:
        """Who the caller is. UNAUTHENTICATED if disabled or the session ended, UNAVAILABLE if not here yet."""
        now = time.monotonic()
        kept = self._kept.get((user_id, session_id))
        if kept and kept[0] > now:
            return kept[1]
        access = self._load(user_id, session_id)
        with self._lock:
            if len(self._kept) > 20_000:
                self._kept.clear()
            self._kept[(user_id, session_id)] = (now + self.KEPT, access)
        return access

    def system(self) -> Access:
        """What the suite itself may do when nobody asked it: everything, under no person's name."""
        return Access(
            user_id="",
            name="",
            username="",
            department_id=None,
            manager_id=None,
            locale=errors.ZH,
            time_zone="Asia/Shanghai",
            role_codes=(),
            rights=frozenset({"*"}),
            denials=frozenset(),
            roles=(RoleAccess(frozenset({"*"}), ({"resource": "*", "scope": "all"},)),),
            _engine=self._reader,
        )

    def forget(self) -> None:
        """Something changed: ask the database again."""
        self._kept.clear()
        self._keys.clear()

    def key(self, kid: str) -> Ed25519PublicKey | None:
        """The public key of a token, None if there is none of that name."""
        found = self._keys.get(kid)
        if found is None:
            query = select(signing_key.c.x).where(signing_key.c.kid == kid, ~signing_key.c.retired)
            with self._reader.connect() as connection:
                x = connection.scalar(query)
            if x is None:
                return None
            found = self._keys[kid] = Ed25519PublicKey.from_public_bytes(base64url_decode(x))
        return found

    def _load(self, user_id: str, session_id: str) -> Access:
        deadline = time.monotonic() + 2
        with self._reader.connect() as connection:
            while True:
                if connection.scalar(select(ended_session.c.id).where(ended_session.c.id == session_id)):
                    raise errors.Unauthenticated("bad_token")
                row = connection.execute(select(user).where(user.c.id == user_id)).one_or_none()
                if row is not None:
                    break
                # The token is genuine, so the account exists: its event is under way.
                if time.monotonic() > deadline:
                    raise errors.Unavailable("organisation_not_here", retry_after=1)
                time.sleep(0.05)
            if not row.active or row.deleted:
                raise errors.Unauthenticated("account_disabled")
            roles = connection.execute(select(role).where(one_of(role.c.id, row.role_ids), ~role.c.deleted)).all()
        now = datetime.now(UTC)
        grants = [g for g in row.grants if "endTime" not in g or datetime.fromisoformat(g["endTime"]) > now]
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
            roles=tuple(
                RoleAccess(frozenset(r.rights), tuple(r.scopes), tuple(r.field_rules), r.policy, r.code, r.name)
                for r in roles
            ),
            _engine=self._reader,
            client=limits(row.policy) if row.client else None,
        )
