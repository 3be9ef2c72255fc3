"""SessionService: where somebody is logged in, and ending that."""

from __future__ import annotations

import base64

from sqlalchemy import select

from crm.identity.v1 import sessions_pb2 as pb
from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import fields as kinds
from identity import sessions
from identity.tables import session, user
from identity.users import USERS

DEFAULT, LARGEST = 20, 200


class SessionServicer:
    """One's own by being signed in, others' by right and scope."""

    def ListSessions(self, call: Call, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
        return _page(call, call.caller.user_id, request.page_size, request.page_token)

    def ListUserSessions(self, call: Call, request: pb.ListUserSessionsRequest) -> pb.ListSessionsResponse:
        return _page(call, _reached(call, request.user_id), request.page_size, request.page_token)

    def EndSession(self, call: Call, request: pb.EndSessionRequest) -> pb.EndSessionsResponse:
        return _end_one(call, call.caller.user_id, request.id)

    def EndOtherSessions(self, call: Call, _request: pb.EndOtherSessionsRequest) -> pb.EndSessionsResponse:
        return pb.EndSessionsResponse(ended=sessions.end_all(call, call.caller.user_id, but=call.caller.session_id))

    def EndUserSession(self, call: Call, request: pb.EndUserSessionRequest) -> pb.EndSessionsResponse:
        return _end_one(call, _reached(call, request.user_id), request.id)

    def EndUserSessions(self, call: Call, request: pb.EndUserSessionsRequest) -> pb.EndSessionsResponse:
        ended = sessions.end_all(call, _reached(call, request.user_id), but=call.caller.session_id)
        return pb.EndSessionsResponse(ended=ended)


def _reached(call: Call, user_id: str) -> str:
    """The id of a person within the reach of the right that the RPC asks for; NOT_FOUND otherwise."""
    if not kinds.is_id(user_id):
        raise errors.NotFound()
    reach = call.access.reach(USERS.type, call.caller.right)
    query, within = select(user.c.id).where(user.c.id == user_id), USERS.within(scope.shape(reach))
    query = query if within is None else query.where(within)
    if call.connection.scalar(query, scope.parameters(reach)) is None:
        raise errors.NotFound()
    return user_id


def _end_one(call: Call, user_id: str, session_id: str) -> pb.EndSessionsResponse:
    if not kinds.is_id(session_id) or not sessions.end(call, session_id, user_id):
        raise errors.NotFound()
    return pb.EndSessionsResponse(ended=1)


def _page(call: Call, user_id: str, page_size: int, page_token: str) -> pb.ListSessionsResponse:
    if not 0 <= page_size <= LARGEST:
        key, limit = ("too_small", 0) if page_size < 0 else ("too_large", LARGEST)
        raise errors.Invalid(errors.Problem("pageSize", key, {"label": ("每页条数", "Page size"), "limit": limit}))
    size = page_size or DEFAULT
    query = select(session).where(sessions.living(user_id)).order_by(session.c.id.desc()).limit(size + 1)
    if page_token:
        query = query.where(session.c.id < _read(page_token))
    rows = call.connection.execute(query).all()
    answer = pb.ListSessionsResponse()
    for row in rows[:size]:
        answer.sessions.add(
            id=row.id,
            user_id=row.user_id,
            device=row.device,
            address=row.address,
            create_time=row.create_time,
            last_use_time=row.last_use_time,
            expire_time=row.expire_time,
            current=row.id == call.caller.session_id,
        )
    if len(rows) > size:
        answer.next_page_token = base64.urlsafe_b64encode(rows[size - 1].id.encode()).decode()
    return answer


def _read(token: str) -> str:
    try:
        last = base64.urlsafe_b64decode(token).decode()
    except ValueError:
        last = ""
    if not kinds.is_id(last):
        raise errors.Invalid(key="bad_page_token")
    return last
