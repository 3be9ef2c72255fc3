"""Known devices: where somebody has logged in before. Strangers who guess passwords cannot lock them out.

The device keeps a random token, we keep its hash. It opens nothing by itself: the password is asked all the same.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from crm_kit import ids
from crm_kit.rpc import Call
from identity import secret, tries
from identity.tables import known_device

GOOD_FOR = timedelta(days=180)
"""After its last login."""
MOST = 20
"""Of one person; the one not used for longest is forgotten."""


def find(call: Call, token: str, user_id: str) -> str:
    """The id of a person's device; empty for a token that is unknown, over or another person's."""
    if not token:
        return ""
    # Asked alike for people there are and for those there are not.
    query = select(known_device.c.id, known_device.c.user_id).where(known_device.c.hash == secret.digest(token))
    row = call.connection.execute(query.where(known_device.c.expire_time > tries.now())).one_or_none()
    return row.id if row and row.user_id == user_id else ""


def remember(call: Call, token: str, user_id: str) -> tuple[str, str]:
    """After a login: (id, token) of the device it came from, a new one where it is not known yet."""
    now = tries.now()
    times = {"last_use_time": now, "expire_time": now + GOOD_FOR}
    known = find(call, token, user_id)
    if known:
        call.connection.execute(update(known_device).where(known_device.c.id == known).values(times))
        return known, token
    token, device_id = secrets.token_urlsafe(32), ids.uuid7()
    row = {"id": device_id, "user_id": user_id, "hash": secret.digest(token), **times}
    call.connection.execute(insert(known_device).values(row))
    mine = select(known_device.c.id).where(known_device.c.user_id == user_id)
    old = mine.order_by(known_device.c.last_use_time.desc(), known_device.c.id.desc()).offset(MOST)
    call.connection.execute(delete(known_device).where(known_device.c.id.in_(old)))
    return device_id, token


def forget(call: Call, user_id: str) -> None:
    """Forget all of a person's devices: an administrator has let nobody in but who knows the new password."""
    call.connection.execute(delete(known_device).where(known_device.c.user_id == user_id))


def sweep(call: Call) -> None:
    """Forget those that were not used for long."""
    call.connection.execute(delete(known_device).where(known_device.c.expire_time < tries.now()))
