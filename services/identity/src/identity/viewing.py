"""Viewing as somebody else: what a person sees, shown to an administrator, and nothing done in their name.

The token names the person as its bearer and the administrator as who acts; its session is the administrator's own, so
it ends with that. Whatever writes refuses it (`crm_kit.rpc`), and there is nothing to renew it with.
"""

from __future__ import annotations

import time

from sqlalchemy import select

from crm.identity.v1 import users_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm_kit import errors, ids, organisation
from crm_kit.rpc import Call
from crm_kit.tokens import Claims
from crm_records import storing
from identity import sessions, users
from identity.keys import Keys

SECONDS = 15 * 60

errors.texts(
    {
        "view_as_self": ("不能以自己的身份查看", "You cannot view as yourself"),
        "view_as_client": ("API 客户端没有可查看的界面", "An API client is nobody to view as"),
    }
)


def begin(call: Call, keys: Keys, user_id: str) -> pb.ViewToken:
    """A token with which the caller sees what the person sees; announced as a session that was viewed."""
    person = storing.locked(call, users.USERS, user_id, None)
    if user_id == call.caller.user_id:
        raise errors.Conflict("view_as_self")
    known = organisation.user
    if call.connection.scalar(select(known.c.client).where(known.c.id == user_id)):
        raise errors.Conflict("view_as_client")
    if not person["active"]:
        raise errors.Conflict("account_not_active")
    users.refuse_mightier(call, person)
    now = int(time.time())
    claims = Claims(user_id, call.caller.session_id, "", now, now + SECONDS, acting_id=call.caller.user_id)
    seen = Session(id=ids.uuid7(), user_id=user_id, address=call.metadata.address, etag="1")
    sessions.tell(call, "viewed_as", 1, seen)
    return pb.ViewToken(
        access_token=keys.sign(claims),
        token_type="Bearer",  # noqa: S106
        expires_in=SECONDS,
        user_id=user_id,
        acting_id=call.caller.user_id,
    )
