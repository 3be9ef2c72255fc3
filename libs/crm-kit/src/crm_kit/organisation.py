"""The organisation as every service keeps it: a copy fed by identity's events.

People, departments, roles, token keys and ended sessions. `Access` answers the first two questions of every
call: may this person do this, and on which records. It is read from the copy at most once a second per
person and dropped at once when an event changes the organisation, so a changed right acts everywhere within
two seconds, and a service works while identity is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.keys_pb2 import Session, SigningKey
from crm.identity.v1.roles_pb2 import Role
from crm.identity.v1.users_pb2 import User
from crm.records.v1.event_pb2 import Event
from crm_kit import codec, errors
from crm_kit.db import one_of

metadata = MetaData()
_R = TypeVar("_R", User, Department, Role, SigningKey, Session)


def _id() -> Column[str]:
    return Column("id", Uuid(as_uuid=False), primary_key=True)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False)


user = Table(
    "org_user",
    metadata,
    _id(),
    Column("username", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("department_id", Uuid(as_uuid=False)),
    Column("manager_id", Uuid(as_uuid=False)),
    Column("position", Text),
    Column("locale", Text),
    Column("time_zone", Text),
    Column("role_ids", ARRAY(Uuid(as_uuid=False)), nullable=False),
    Column("grants", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    _version(),
)
Index("ix_org_user_manager_id", user.c.manager_id)
Index("ix_org_user_department_id", user.c.department_id)

department = Table(
    "org_department",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("parent_id", Uuid(as_uuid=False)),
    Column("manager_id", Uuid(as_uuid=False)),
    Column("region", Text),
    Column("deleted", Boolean, nullable=False),
    _version(),
)
Index("ix_org_department_parent_id", department.c.parent_id)

role = Table(
    "org_role",
    metadata,
    _id(),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("rights", ARRAY(Text), nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("deleted", Boolean, nullable=False),
    _version(),
)

signing_key = Table(
    "org_signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("x", Text, nullable=False),
    Column("retired", Boolean, nullable=False),
)

ended_session = Table(
    "org_ended_session",
    metadata,
    _id(),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

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
    scopes: tuple[dict[str, Any], ...]
    _engine: Engine
    _reaches: dict[str, Reach] = field(default_factory=dict)

    def may(self, right: str) -> bool:
        """Whether the person has `resource.action`; a denial wins over every grant."""
        return _holds(self.rights, right) and not _holds(self.denials, right)

    def reach(self, resource: str) -> Reach:
        """On which records of `resource` the person's rights hold: the union over the roles."""
        found = self._reaches.get(resource)
        if found is None:
            found = self._reaches[resource] = self._compute(resource)
        return found

    def _compute(self, resource: str) -> Reach:
        named = [s for s in self.scopes if s["resource"] == resource]
        kinds = named or [s for s in self.scopes if s["resource"] == "*"]
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
            scopes=({"resource": "*", "scope": "all"},),
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
            scopes=tuple(s for r in roles for s in r.scopes),
            _engine=self._reader,
        )


def names(connection: Connection, user_ids: Iterable[str]) -> dict[str, str]:
    """Names of people by id, for showing them."""
    driver: Any = connection.connection.driver_connection  # lists ask this each time: SQLAlchemy doubles its cost
    found = driver.execute("SELECT id, name FROM org_user WHERE id = ANY(%s::uuid[])", [list(set(user_ids) - {""})])
    return dict(found.fetchall())


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace, but never by an older version."""
    statement = insert(table)
    newer = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={c.name: statement.excluded[c.name] for c in table.c if c.name != "id"},
        where=table.c.version < statement.excluded.version,
    )
    connection.execute(newer, rows)


def _unpack(kind: type[_R], event: Event) -> _R:
    record = kind()
    event.record.Unpack(record)
    return record


def _last(events: Iterable[Event]) -> list[Event]:
    """Events carry whole records, so of several about one record the last says it all."""
    return list({e.record_id: e for e in events}.values())


def apply_users(connection: Connection, events: Sequence[Event]) -> None:
    """Keep the people."""
    rows = []
    for event in _last(events):
        u = _unpack(User, event)
        rows.append(
            {
                "id": u.id,
                "username": u.username,
                "name": u.name,
                "department_id": u.department_id or None,
                "manager_id": u.manager_id or None,
                "position": u.position or None,
                "locale": u.locale or None,
                "time_zone": u.time_zone or None,
                "role_ids": list(u.role_ids),
                "grants": [codec.to_dict(g) for g in u.grants],
                "active": u.active,
                "deleted": u.HasField("delete_time"),
                "version": event.version,
            }
        )
    _upsert(connection, user, rows)


def apply_departments(connection: Connection, events: Sequence[Event]) -> None:
    """Keep the tree."""
    rows = []
    for event in _last(events):
        d = _unpack(Department, event)
        rows.append(
            {
                "id": d.id,
                "name": d.name,
                "parent_id": d.parent_id or None,
                "manager_id": d.manager_id or None,
                "region": d.region or None,
                "deleted": d.HasField("delete_time"),
                "version": event.version,
            }
        )
    _upsert(connection, department, rows)


def apply_roles(connection: Connection, events: Sequence[Event]) -> None:
    """Keep the roles."""
    rows = []
    for event in _last(events):
        r = _unpack(Role, event)
        rows.append(
            {
                "id": r.id,
                "code": r.code,
                "name": r.name,
                "rights": list(r.rights),
                "scopes": [codec.to_dict(s) for s in r.scopes],
                "deleted": r.HasField("delete_time"),
                "version": event.version,
            }
        )
    _upsert(connection, role, rows)


def apply_signing_keys(connection: Connection, events: Sequence[Event]) -> None:
    """Keep the keys that tokens are verified with. One that retired stays so, though its first event comes again."""
    for event in events:
        key = _unpack(SigningKey, event)
        new = insert(signing_key).values(kid=key.kid, x=key.x, retired=key.retired)
        kept = {"x": new.excluded.x, "retired": signing_key.c.retired | new.excluded.retired}
        connection.execute(new.on_conflict_do_update(index_elements=["kid"], set_=kept))


def apply_sessions(connection: Connection, events: Sequence[Event]) -> None:
    """Keep which sessions ended."""
    rows = [{"id": e.record_id} for e in events if e.action == "closed"]
    if rows:
        connection.execute(insert(ended_session).on_conflict_do_nothing(), rows)


HANDLERS = {
    "identity.user": apply_users,
    "identity.department": apply_departments,
    "identity.role": apply_roles,
    "identity.signing_key": apply_signing_keys,
    "identity.session": apply_sessions,
}
"""What every service but identity reads to keep the copy; identity applies the same as it records the events."""
