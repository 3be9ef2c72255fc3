"""Secrets of API clients and the tokens given for them. At most two secrets of a client live at a time.

A secret is stored as its SHA-256 only. One round is enough, unlike for passwords: it is 256 random bits made here, so
there is nothing to guess that a slow hash would have to protect, and a client may ask for a token at any time.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from crm.identity.v1.keys_pb2 import Session
from crm_kit import clients, ids
from crm_kit.organisation import user as organisation_user
from crm_kit.rpc import Call
from crm_kit.tokens import Claims
from identity import sessions
from identity.keys import Keys
from identity.tables import api_client, client_secret, session

TOKEN_SECONDS = 15 * 60
KEPT = timedelta(days=1)
"""How long a session of a client is remembered: its token ended long before."""


def make(call: Call, client_id: str) -> str:
    """A new secret of a client, told once. What it starts with lets scanners recognise one that leaked."""
    secret = f"crm_{secrets.token_urlsafe(32)}"
    row = {"hash": _hash(secret), "client_id": client_id, "create_time": datetime.now(UTC)}
    call.connection.execute(insert(client_secret).values(row))
    return secret


def replace(call: Call, client_id: str, overlap: timedelta) -> tuple[str, datetime | None]:
    """A new secret, and until when the newest before works. What an older one opened ends, with no overlap all."""
    now = datetime.now(UTC)
    mine = client_secret.c.client_id == client_id
    living = select(client_secret).where(mine, or_(client_secret.c.end_time.is_(None), client_secret.c.end_time > now))
    known = [row.hash for row in call.connection.execute(living.order_by(client_secret.c.create_time.desc()))]
    if not overlap or len(known) > 1:
        sessions.end_all(call, client_id)
    kept = known[0] if known and overlap else b""
    call.connection.execute(delete(client_secret).where(mine, client_secret.c.hash != kept))
    end = now + overlap if kept else None
    call.connection.execute(update(client_secret).where(mine).values(end_time=end))
    return make(call, client_id), end


def holder(call: Call, client_id: str, secret: str) -> Any:
    """The active client that a living secret belongs to, with the moment at which that secret ends; None for others."""
    query = (
        select(api_client, client_secret.c.end_time.label("secret_end_time"))
        .join(client_secret, client_secret.c.client_id == api_client.c.id)
        .where(client_secret.c.hash == _hash(secret), api_client.c.active, api_client.c.delete_time.is_(None))
    )
    found = call.connection.execute(query).one_or_none()
    now = datetime.now(UTC)
    if found is None or found.id != client_id or (found.secret_end_time and found.secret_end_time <= now):
        return None
    return found


def enters(call: Call, found: Any) -> bool:
    """Note the use, unless the client was disabled while we looked: its tokens end after this, or none is made."""
    still = update(api_client).where(api_client.c.id == found.id, api_client.c.active)
    still = still.where(api_client.c.delete_time.is_(None), api_client.c.version == found.version)
    return call.connection.scalar(still.values(last_use_time=datetime.now(UTC)).returning(api_client.c.id)) is not None


def limits(call: Call, client_id: str) -> clients.Limits:
    """How the client may call, as this service's own copy of the organisation has it."""
    policy = call.connection.scalar(select(organisation_user.c.policy).where(organisation_user.c.id == client_id))
    return clients.limits(policy or {})


def token(call: Call, keys: Keys, found: Any) -> tuple[str, int]:
    """An access token in a session of its own, and its seconds. It ends with the client and with its secret."""
    now = int(time.time())
    ends = [now + TOKEN_SECONDS, *(int(t.timestamp()) for t in (found.end_time, found.secret_end_time) if t)]
    claims = Claims(found.id, _session(call, found), "", now, min(ends), client=True)
    return keys.sign(claims), max(min(ends) - now, 0)


def _session(call: Call, found: Any) -> str:
    """Open a session of a client; its id. What roles say of people's sessions is nothing to it."""
    now = datetime.now(UTC)
    values = {"id": ids.uuid7(), "user_id": found.id, "device": "client_credentials", "address": call.metadata.address}
    call.connection.execute(insert(session).values(create_time=now, last_use_time=now, **values))
    event = sessions.tell(call, "opened", 1, Session(etag="1", **values))
    event.actor_id, event.actor_name = found.id, found.name
    return values["id"]


def sweep(call: Call) -> None:
    """Forget secrets and sessions that are over."""
    now = datetime.now(UTC)
    call.connection.execute(delete(client_secret).where(client_secret.c.end_time < now))
    of_clients = session.c.user_id.in_(select(api_client.c.id))
    call.connection.execute(delete(session).where(of_clients, session.c.create_time < now - KEPT))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
