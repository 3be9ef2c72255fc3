"""Sessions: one for each login. A refresh token is good for one use; a second use ends the session.

Tokens are stored as hashes only. Ended sessions are announced, so that every service refuses their access tokens.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from crm.identity.v1 import auth_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, ids
from crm_kit.rpc import Call
from crm_kit.tokens import Claims
from identity.keys import Keys
from identity.tables import refresh_token, session

ACCESS_SECONDS = 15 * 60
REFRESH = timedelta(days=30)


def start(call: Call, user_id: str, user_name: str, device: str) -> str:
    """Open a session for a user and announce it; its id."""
    now = datetime.now(UTC)
    values = {"id": ids.uuid7(), "user_id": user_id, "device": device[:200], "address": call.metadata.address}
    call.connection.execute(insert(session).values(create_time=now, last_use_time=now, **values))
    tell(call, "opened", 1, Session(etag="1", **values)).actor_name = user_name
    call.events[-1].actor_id = user_id
    return values["id"]


def tokens(call: Call, keys: Keys, user: Any, session_id: str) -> pb.Tokens:
    """A new access token and a new refresh token of a session."""
    now = int(time.time())
    refresh = secrets.token_urlsafe(32)
    expires = datetime.now(UTC) + REFRESH
    row = {"hash": _hash(refresh), "session_id": session_id, "expire_time": expires}
    call.connection.execute(insert(refresh_token).values(row))
    claims = Claims(user.id, session_id, user.must_change_password, now, now + ACCESS_SECONDS)
    return pb.Tokens(
        access_token=keys.sign(claims),
        token_type="Bearer",  # noqa: S106
        expires_in=ACCESS_SECONDS,
        refresh_token=refresh,
        must_change_password=user.must_change_password,
        user_id=user.id,
    )


def spend(call: Call, token: str) -> str:
    """Use a refresh token up; the user whose living session it belongs to. Of many at once one wins."""
    now = datetime.now(UTC)
    spent = (
        update(refresh_token)
        .where(refresh_token.c.hash == _hash(token), refresh_token.c.used_time.is_(None))
        .where(refresh_token.c.expire_time > now)
        .values(used_time=now)
        .returning(refresh_token.c.session_id)
    )
    session_id = call.connection.scalar(spent)
    living = update(session).where(session.c.id == session_id, session.c.end_time.is_(None))
    used = living.values(last_use_time=now).returning(session.c.user_id)
    user_id = call.connection.scalar(used) if session_id else None
    if user_id is None:
        raise errors.Unauthenticated("bad_token")
    call.memo["session_id"] = session_id
    return str(user_id)


def session_of_used(call: Call, token: str) -> str | None:
    """The session of a refresh token that was used up before."""
    query = select(refresh_token.c.session_id).where(refresh_token.c.hash == _hash(token))
    return call.connection.scalar(query.where(refresh_token.c.used_time.is_not(None)))


def withdraw_refresh(call: Call, session_id: str) -> None:
    """The refresh tokens that a session was given so far are used up; the next one is on its way."""
    given = update(refresh_token).where(refresh_token.c.session_id == session_id, refresh_token.c.used_time.is_(None))
    call.connection.execute(given.values(used_time=datetime.now(UTC)))


def end(call: Call, session_id: str) -> None:
    """End one session."""
    _end(call, session.c.id == session_id)


def end_all(call: Call, user_id: str, *, but: str = "") -> None:
    """End every session of a user, or all but one."""
    mine = session.c.user_id == user_id
    _end(call, mine & (session.c.id != but) if but else mine)


def _end(call: Call, which: ColumnElement[bool]) -> None:
    ended = update(session).where(which, session.c.end_time.is_(None)).values(end_time=datetime.now(UTC))
    columns = (session.c.id, session.c.user_id, session.c.device, session.c.address)
    for row in call.connection.execute(ended.returning(*columns)).mappings().all():
        tell(call, "closed", 2, Session(etag="2", **row))


def sweep(call: Call) -> None:
    """Forget what can no longer be used."""
    now = datetime.now(UTC)
    call.connection.execute(delete(refresh_token).where(refresh_token.c.expire_time < now))
    call.connection.execute(delete(session).where(session.c.last_use_time < now - 2 * REFRESH))


def tell(call: Call, action: str, version: int, of: Session) -> Event:
    """Announce what happened to a session."""
    event = Event(record_type="session", action=action, record_id=of.id, version=version)
    event.record.Pack(of)
    call.announce(event)
    return event


def _hash(token: str) -> bytes:
    """Random and long, so one round is enough."""
    return hashlib.sha256(token.encode()).digest()
