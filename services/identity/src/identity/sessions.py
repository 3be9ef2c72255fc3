"""Sessions: one for each login. A refresh token is good for one use; a second use ends the session.

Tokens are stored as hashes only. Ended sessions are announced, so that every service refuses their access tokens.
What the roles of a person say of sessions (how long, how many) is asked at login and at every refresh.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from crm.identity.v1 import auth_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, ids
from crm_kit.rpc import Call
from crm_kit.tokens import PASSWORD_CHANGE, SECOND_FACTOR, Claims
from identity import role_policies
from identity.keys import ACCESS_SECONDS, Keys
from identity.secret import digest
from identity.tables import login_challenge, refresh_token, session
from identity.tables import user as account

KEPT = timedelta(days=60)
"""How long a session that is over is remembered after its last use."""
GRACE = timedelta(seconds=5)
"""In which a used refresh token, shown again by the device it was given to, is a second request and no theft."""

errors.texts(
    {
        "token_used": (
            "刷新令牌刚被本设备的另一个请求使用",
            "Another request of this device has just used the refresh token",
        ),
        "people_only": (
            "API 客户端没有密码和两步验证，此操作仅限个人账号",
            "An API client has neither password nor second factor; this is for people's own accounts",
        ),
    }
)


def refuse_client(call: Call) -> None:
    """PERMISSION_DENIED for an API client: it has no account of its own that somebody logs in to."""
    if call.access.client:
        raise errors.Denied("people_only")


def start(call: Call, user: Any, device: str, device_id: str = "") -> str:
    """Open a session for a user who has proved who they are, whichever way; its id. `user` is the row of the account.

    PERMISSION_DENIED (OUTSIDE_POLICY) where no role may be used from here or now, UNAUTHENTICATED if disabled. The
    oldest sessions end where there would be more than the roles allow.
    """
    policy = role_policies.of(call, user)
    policy.refuse_outside(call.metadata.address)
    entering = update(account).where(account.c.id == user.id, account.c.active, account.c.delete_time.is_(None))
    if call.connection.scalar(entering.values(last_login_time=func.now()).returning(account.c.id)) is None:
        raise errors.Unauthenticated("account_disabled")
    now = datetime.now(UTC)
    values = {"id": ids.uuid7(), "user_id": user.id, "device": device[:200], "address": call.metadata.address}
    times = {"create_time": now, "last_use_time": now, "expire_time": now + policy.length}
    call.connection.execute(insert(session).values(device_id=device_id or None, **times, **values))
    tell(call, "opened", 1, Session(etag="1", **values)).actor_name = user.name
    call.events[-1].actor_id = user.id
    end_beyond(call, user.id, policy.most)
    return values["id"]


def tokens(call: Call, keys: Keys, user: Any, session_id: str) -> pb.Tokens:
    """A new access token and a new refresh token of a living session; neither outlives the session."""
    now = datetime.now(UTC)
    policy = role_policies.of(call, user)
    begun = call.connection.scalar(select(session.c.create_time).where(session.c.id == session_id))
    ends = (begun or now) + policy.length
    refresh = secrets.token_urlsafe(32)
    row = {"hash": digest(refresh), "session_id": session_id, "expire_time": ends}
    call.connection.execute(insert(refresh_token).values(row))
    call.connection.execute(update(session).where(session.c.id == session_id).values(expire_time=ends))
    seconds = max(1, min(ACCESS_SECONDS, int((ends - now).total_seconds())))
    must_enrol = policy.second_factor and not user.second_factor
    pending = PASSWORD_CHANGE if user.must_change_password else SECOND_FACTOR if must_enrol else ""
    issued = int(time.time())
    return pb.Tokens(
        access_token=keys.sign(Claims(user.id, session_id, pending, issued, issued + seconds)),
        token_type="Bearer",  # noqa: S106
        expires_in=seconds,
        refresh_token=refresh,
        must_change_password=user.must_change_password,
        must_enrol_second_factor=must_enrol,
        user_id=user.id,
    )


def of_token(call: Call, token: str) -> Any:
    """The living session of a refresh token, with the moment at which the token was used, if it was.

    UNAUTHENTICATED for one that is unknown, over, or of a session that ended.
    """
    columns = (session.c.id, session.c.user_id, session.c.device_id, session.c.create_time, refresh_token.c.used_time)
    joined = refresh_token.join(session, session.c.id == refresh_token.c.session_id)
    query = select(*columns).select_from(joined).where(refresh_token.c.hash == digest(token))
    query = query.where(refresh_token.c.expire_time > datetime.now(UTC), session.c.end_time.is_(None))
    row = call.connection.execute(query).one_or_none()
    if row is None:
        raise errors.Unauthenticated("bad_token")
    return row


def spend(call: Call, token: str) -> bool:
    """Use a refresh token up, if it is still good and its session lives. Of many at once one wins."""
    now = datetime.now(UTC)
    spent = (
        update(refresh_token)
        .where(refresh_token.c.hash == digest(token), refresh_token.c.used_time.is_(None))
        .where(refresh_token.c.expire_time > now)
        .values(used_time=now)
        .returning(refresh_token.c.session_id)
    )
    session_id = call.connection.scalar(spent)
    used = update(session).where(session.c.id == session_id, session.c.end_time.is_(None)).values(last_use_time=now)
    return bool(session_id) and call.connection.scalar(used.returning(session.c.id)) is not None


def withdraw_refresh(call: Call, session_id: str) -> None:
    """The refresh tokens that a session was given so far are used up; the next one is on its way."""
    given = update(refresh_token).where(refresh_token.c.session_id == session_id, refresh_token.c.used_time.is_(None))
    call.connection.execute(given.values(used_time=datetime.now(UTC)))


def end(call: Call, session_id: str, user_id: str = "") -> int:
    """End one session, if it is this user's; how many ended."""
    one = session.c.id == session_id
    return _end(call, one & (session.c.user_id == user_id) if user_id else one)


def end_all(call: Call, user_id: str, *, but: str = "") -> int:
    """End every session of a user, or all but one, and logins that wait for the second factor; how many ended."""
    call.connection.execute(delete(login_challenge).where(login_challenge.c.user_id == user_id))
    mine = session.c.user_id == user_id
    return _end(call, mine & (session.c.id != but) if but else mine)


def end_beyond(call: Call, user_id: str, most: int | None) -> None:
    """End the oldest sessions of a user beyond so many."""
    if most is not None:
        call.connection.execute(select(session.c.id).where(living(user_id)).with_for_update())
        newest = select(session.c.id).where(living(user_id)).order_by(session.c.id.desc()).limit(most)
        _end(call, (session.c.user_id == user_id) & session.c.id.not_in(newest))


def end_over(call: Call, of: Any, policy: role_policies.Policies) -> None:
    """End what the roles allow no longer: the session `of` if it is too old, the oldest if there are too many."""
    if of.create_time + policy.length <= datetime.now(UTC):
        end(call, of.id)
    end_beyond(call, of.user_id, policy.most)


def living(user_id: str) -> ColumnElement[bool]:
    """The condition of a user's sessions that are still good."""
    now = datetime.now(UTC)
    unended = (session.c.user_id == user_id) & session.c.end_time.is_(None)
    return unended & (session.c.expire_time.is_(None) | (session.c.expire_time > now))


def _end(call: Call, which: ColumnElement[bool]) -> int:
    ended = update(session).where(which, session.c.end_time.is_(None)).values(end_time=datetime.now(UTC))
    columns = (session.c.id, session.c.user_id, session.c.device, session.c.address)
    rows = call.connection.execute(ended.returning(*columns)).mappings().all()
    for row in rows:
        tell(call, "closed", 2, Session(etag="2", **row))
    return len(rows)


def sweep(call: Call) -> None:
    """Forget what can no longer be used."""
    now = datetime.now(UTC)
    call.connection.execute(delete(refresh_token).where(refresh_token.c.expire_time < now))
    call.connection.execute(delete(login_challenge).where(login_challenge.c.expire_time < now))
    over = session.c.expire_time.is_(None) | (session.c.expire_time < now)  # a role may let one last for a year
    call.connection.execute(delete(session).where(session.c.last_use_time < now - KEPT, over))


def tell(call: Call, action: str, version: int, of: Session) -> Event:
    """Announce what happened to a session."""
    event = Event(record_type="session", action=action, record_id=of.id, version=version)
    event.record.Pack(of)
    call.announce(event)
    return event
