"""AuthService: login, tokens, the caller's own account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn

from sqlalchemy import func, select, update

from crm.identity.v1 import auth_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import writing
from crm_records.record import Row
from identity import devices, entering, password_policies, passwords, role_policies, sessions, signing_out, tries
from identity.keys import Keys
from identity.tables import department, user
from identity.transactions import beside
from identity.users import USERS

errors.texts(
    {
        "login_refused": ("用户名或密码不正确，或账号已停用", "Wrong user name or password, or a disabled account"),
        "password_unchanged": ("{label}不能与原密码相同", "{label} must differ from the old one"),
    }
)

_OLD, _NEW = ("原密码", "Old password"), ("新密码", "New password")


class AuthServicer:
    """Refusals count although they roll the RPC back: what they leave is written beside it."""

    def __init__(self, service: Service, keys: Keys) -> None:
        self._service, self._keys = service, keys

    def Login(self, call: Call, request: pb.LoginRequest) -> pb.Tokens:
        living = select(user).where(func.lower(user.c.username) == request.username.strip().lower())
        found = call.connection.execute(living.where(user.c.delete_time.is_(None))).one_or_none()
        known = devices.find(call, request.device_token, found.id if found else "")
        keys = tries.of_device(known) if known else tries.of_login(request.username, call.metadata.address)
        with passwords.in_line():  # or it is no try: nothing was looked at
            with beside(self._service, call) as counting:
                counted = tries.count(counting.connection, keys)
            right = passwords.fits(found.password_hash if found else None, request.password)
        if not found or not right or not _is_still(call, found):
            entering.tell_refused(self._service, call, request.device, found.id if found else "")
            raise errors.Unauthenticated("login_refused")
        try:
            answer = entering.enter(call, self._keys, _with_expiry(call, found), request.device, request.device_token)
        except errors.Denied:
            with beside(self._service, call) as other:
                tries.succeeded(other.connection, counted)  # it was no guess
            entering.tell_refused(self._service, call, request.device, found.id)
            raise
        tries.succeeded(call.connection, counted)
        return answer

    def Refresh(self, call: Call, request: pb.RefreshRequest) -> pb.Tokens:
        found = sessions.of_token(call, request.refresh_token)
        if found.used_time:
            self._refuse_used(call, request, found)
        active = select(user).where(user.c.id == found.user_id, user.c.active, user.c.delete_time.is_(None))
        account = call.connection.execute(active.with_for_update(read=True)).one_or_none()
        if account is None:
            raise errors.Unauthenticated("account_disabled")
        policy = role_policies.of(call, account)
        policy.refuse_outside(call.metadata.address)
        if policy.most is not None or found.create_time + policy.length <= datetime.now(UTC):
            with beside(self._service, call) as other:
                sessions.end_over(other, found, policy)
        if not sessions.spend(call, request.refresh_token):
            self._refuse_used(call, request, sessions.of_token(call, request.refresh_token))
        return sessions.tokens(call, self._keys, account, found.id)

    def _refuse_used(self, call: Call, request: pb.RefreshRequest, found: Any) -> NoReturn:
        """A refresh token that comes again was stolen, or stolen from: the session ends.

        Unless it comes within seconds from the device it was given to, which sent two requests at once.
        """
        again = found.used_time and found.used_time + sessions.GRACE > datetime.now(UTC)
        if again and found.device_id and found.device_id == devices.find(call, request.device_token, found.user_id):
            raise errors.Unauthenticated("token_used")
        with beside(self._service, call) as other:
            sessions.end(other, found.id)
        raise errors.Unauthenticated("bad_token")

    def Logout(self, call: Call, _request: pb.LogoutRequest) -> pb.LogoutResponse:
        sessions.end(call, call.caller.session_id)
        return pb.LogoutResponse(end_session_url=signing_out.url(call, call.caller.session_id))

    def ChangePassword(self, call: Call, request: pb.ChangePasswordRequest) -> pb.Tokens:
        sessions.refuse_client(call)
        username = call.access.username

        def give(before: Row) -> dict[str, Any]:
            if not passwords.fits(before["password_hash"], request.old_password):
                entering.tell_refused(self._service, call, "", call.caller.user_id)
                raise errors.Invalid(Problem("oldPassword", "password_wrong", {"label": _OLD}))
            if request.old_password == request.new_password:
                raise errors.Invalid(Problem("newPassword", "password_unchanged", {"label": _NEW}))
            policy = password_policies.of_department(call, before["department_id"])
            owner, new = password_policies.Owner.of(before), request.new_password
            writing.refuse(password_policies.problems(call, policy, new, owner, "newPassword", _NEW))
            return password_policies.replacing(call, before, new, must_change=False)

        with passwords.in_line():
            with beside(self._service, call) as counting:
                counted = tries.count(counting.connection, tries.of_login(username, call.metadata.address))
            writing.write(call, USERS, call.caller.user_id, None, "password_changed", give)
        tries.succeeded(call.connection, counted)
        sessions.end_all(call, call.caller.user_id, but=call.caller.session_id)
        sessions.withdraw_refresh(call, call.caller.session_id)
        changed = call.connection.execute(select(user).where(user.c.id == call.caller.user_id)).one()
        return sessions.tokens(call, self._keys, changed, call.caller.session_id)

    def GetMe(self, call: Call, _request: pb.GetMeRequest) -> pb.Me:
        access = call.access
        joined = user.outerjoin(department, department.c.id == user.c.department_id)
        columns = (user.c.must_change_password, user.c.second_factor, department.c.name)
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
            must_enrol_second_factor=bool(
                row and not row.second_factor and any(r.policy.get("secondFactor") for r in access.roles)
            )
            and not call.caller.acting_id,
            acting_id=call.caller.acting_id,
        )

    def GetKeys(self, call: Call, _request: pb.GetKeysRequest) -> pb.Keys:
        self._keys.current()
        table = organisation.signing_key
        rows = call.connection.execute(select(table).where(~table.c.retired).order_by(table.c.kid))
        return pb.Keys(
            keys=[pb.Keys.Key(kty="OKP", crv="Ed25519", kid=r.kid, x=r.x, use="sig", alg="EdDSA") for r in rows]
        )


def _is_still(call: Call, found: Any) -> bool:
    """Whether the account is neither disabled nor has another password since we looked; it stays so until the end."""
    still = select(user.c.id).where(user.c.id == found.id, user.c.active, user.c.delete_time.is_(None))
    same = still.where(user.c.password_hash == found.password_hash)
    return call.connection.scalar(same.with_for_update()) is not None


def _with_expiry(call: Call, found: Any) -> Any:
    """The account, which must change its password if that is too old for its policy."""
    policy = password_policies.of_department(call, found.department_id)
    if found.must_change_password or not policy.is_over(found.password_time or found.create_time):
        return found
    call.connection.execute(update(user).where(user.c.id == found.id).values(must_change_password=True))
    return call.connection.execute(select(user).where(user.c.id == found.id)).one()
