"""AuthService: login, tokens, the caller's own account."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from crm.identity.v1 import auth_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm_kit import errors, ids, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import writing
from crm_records.record import Row
from identity import passwords, sessions, tries
from identity.keys import Keys
from identity.tables import department, user
from identity.transactions import beside
from identity.users import USERS

errors.texts(
    {"login_refused": ("用户名或密码不正确，或账号已停用", "Wrong user name or password, or a disabled account")}
)

_OLD, _NEW = ("原密码", "Old password"), ("新密码", "New password")


class AuthServicer:
    """Refusals count although they roll the RPC back: what they leave is written beside it."""

    def __init__(self, service: Service, keys: Keys) -> None:
        self._service, self._keys = service, keys

    def Login(self, call: Call, request: pb.LoginRequest) -> pb.Tokens:
        with beside(self._service, call) as counting:
            tries.count(counting.connection, request.username, call.metadata.address)
        living = select(user).where(func.lower(user.c.username) == request.username.strip().lower())
        found = call.connection.execute(living.where(user.c.delete_time.is_(None))).one_or_none()
        right = passwords.fits(found.password_hash if found else None, request.password)
        if not found or not right or not _enters(call, found):
            self._tell_refused(call, request.device, found.id if found else "")
            raise errors.Unauthenticated("login_refused")
        tries.succeeded(call.connection, request.username, call.metadata.address)
        session_id = sessions.start(call, found.id, found.name, request.device)
        return sessions.tokens(call, self._keys, found, session_id)

    def Refresh(self, call: Call, request: pb.RefreshRequest) -> pb.Tokens:
        try:
            user_id = sessions.spend(call, request.refresh_token)
        except errors.Unauthenticated:
            stolen = sessions.session_of_used(call, request.refresh_token)
            if stolen:
                with beside(self._service, call) as other:
                    sessions.end(other, stolen)
            raise
        active = select(user).where(user.c.id == user_id, user.c.active, user.c.delete_time.is_(None))
        found = call.connection.execute(active.with_for_update(read=True)).one_or_none()
        if found is None:
            raise errors.Unauthenticated("account_disabled")
        return sessions.tokens(call, self._keys, found, call.memo["session_id"])

    def Logout(self, call: Call, _request: pb.LogoutRequest) -> pb.LogoutResponse:
        sessions.end(call, call.caller.session_id)
        return pb.LogoutResponse()

    def ChangePassword(self, call: Call, request: pb.ChangePasswordRequest) -> pb.Tokens:
        username = call.access.username
        with beside(self._service, call) as counting:
            tries.count(counting.connection, username, call.metadata.address)

        def give(before: Row) -> dict[str, Any]:
            if not passwords.fits(before["password_hash"], request.old_password):
                raise errors.Invalid(Problem("oldPassword", "password_wrong", {"label": _OLD}))
            if request.old_password == request.new_password:
                raise errors.Invalid(Problem("newPassword", "password_unchanged", {"label": _NEW}))
            writing.refuse(passwords.problems(request.new_password, username, "newPassword", _NEW))
            return {"password_hash": passwords.hashed(request.new_password), "must_change_password": False}

        writing.write(call, USERS, call.caller.user_id, None, "password_changed", give)
        tries.succeeded(call.connection, username, call.metadata.address)
        sessions.end_all(call, call.caller.user_id, but=call.caller.session_id)
        sessions.withdraw_refresh(call, call.caller.session_id)
        changed = call.connection.execute(select(user).where(user.c.id == call.caller.user_id)).one()
        return sessions.tokens(call, self._keys, changed, call.caller.session_id)

    def GetMe(self, call: Call, _request: pb.GetMeRequest) -> pb.Me:
        access = call.access
        joined = user.outerjoin(department, department.c.id == user.c.department_id)
        columns = (user.c.must_change_password, department.c.name)
        query = select(*columns).select_from(joined).where(user.c.id == access.user_id)
        row = call.connection.execute(query).one_or_none()
        return pb.Me(
            id=access.user_id,
            username=access.username,
            name=access.name,
            department_id=access.department_id,
            department_name=row.name if row else None,
            manager_id=access.manager_id,
            locale=access.locale,
            time_zone=access.time_zone,
            role_codes=access.role_codes,
            rights=sorted(r for r in access.rights if access.may(r)),
            must_change_password=bool(row and row.must_change_password) and not call.caller.acting_id,
            acting_id=call.caller.acting_id,
        )

    def GetKeys(self, call: Call, _request: pb.GetKeysRequest) -> pb.Keys:
        self._keys.current()
        table = organisation.signing_key
        rows = call.connection.execute(select(table).where(~table.c.retired).order_by(table.c.kid))
        return pb.Keys(
            keys=[pb.Keys.Key(kty="OKP", crv="Ed25519", kid=r.kid, x=r.x, use="sig", alg="EdDSA") for r in rows]
        )

    def _tell_refused(self, call: Call, device: str, user_id: str) -> None:
        """The name that was typed is not told: it may be a password."""
        with beside(self._service, call) as other:
            attempt = Session(id=user_id or ids.uuid7(), user_id=user_id, device=device[:200])
            attempt.address = call.metadata.address
            sessions.tell(other, "refused", 1, attempt)


def _enters(call: Call, found: Any) -> bool:
    """Note the login, unless the account was disabled or its password changed while we looked."""
    still = update(user).where(user.c.id == found.id, user.c.active, user.c.delete_time.is_(None))
    still = still.where(user.c.password_hash == found.password_hash)
    return call.connection.scalar(still.values(last_login_time=func.now()).returning(user.c.id)) is not None
