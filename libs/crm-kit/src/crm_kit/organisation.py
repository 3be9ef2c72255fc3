"""The organisation as every service keeps it: a copy fed by identity's events.

People, departments, roles, token keys and ended sessions. `crm_kit.access` answers from it who may do what, so a
service works while identity is away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from crm.identity.v1.api_clients_pb2 import ApiClient
from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.keys_pb2 import Session, SigningKey
from crm.identity.v1.roles_pb2 import Role
from crm.identity.v1.users_pb2 import User
from crm.records.v1.event_pb2 import Event
from crm_kit import codec

metadata = MetaData()
_R = TypeVar("_R", User, Department, Role, SigningKey, Session, ApiClient)


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
    Column("client", Boolean, nullable=False, server_default=text("false")),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
    Column("deleted", Boolean, nullable=False),
    _version(),
)
"""People, and API clients (`client`), whose `policy` says from where, how fast and until when they may call."""
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
    Column("field_rules", JSONB, nullable=False, server_default=text("'[]'")),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
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
                "field_rules": [codec.to_dict(f) for f in r.field_rules],
                "policy": codec.to_dict(r.policy),
                "deleted": r.HasField("delete_time"),
                "version": event.version,
            }
        )
    _upsert(connection, role, rows)


def apply_api_clients(connection: Connection, events: Sequence[Event]) -> None:
    """Keep each client as somebody with a role of its own, so that rights, scopes and names need no special case."""
    users, roles = [], []
    for event in _last(events):
        c = _unpack(ApiClient, event)
        code, deleted = f"client:{c.id}", c.HasField("delete_time")
        policy = {
            "addresses": list(c.allowed_addresses),
            "rate": c.rate_per_minute,
            "endTime": c.end_time.ToDatetime(UTC).isoformat() if c.HasField("end_time") else None,
            "certificate": c.certificate_sha256,
        }
        shared = {"id": c.id, "name": c.name, "deleted": deleted, "version": event.version}
        scopes = [codec.to_dict(s) for s in c.scopes]
        roles.append({**shared, "code": code, "rights": list(c.rights), "scopes": scopes})
        users.append(
            {
                **shared,
                "username": code,
                "department_id": c.department_id or None,
                "role_ids": [c.id],
                "grants": [],
                "active": c.active,
                "client": True,
                "policy": policy,
            }
        )
    _upsert(connection, role, roles)
    _upsert(connection, user, users)


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
    "identity.api_client": apply_api_clients,
    "identity.signing_key": apply_signing_keys,
    "identity.session": apply_sessions,
}
"""What every service but identity reads to keep the copy; identity applies the same as it records the events."""


def sweep(connection: Connection, keep_days: int = 2) -> None:
    """Forget sessions that ended longer ago than any access token lives."""
    connection.execute(
        delete(ended_session).where(ended_session.c.time < func.now() - text(f"interval '{int(keep_days)} days'"))
    )
