"""SecondFactorService: setting the second factor up, and logging in with it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from crm.identity.v1 import auth_pb2, users_pb2
from crm.identity.v1 import second_factor_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import writing
from crm_records.record import Row
from identity import entering, passwords, role_policies, second_factors, sessions, tries, users
from identity.keys import Keys
from identity.tables import user
from identity.transactions import beside
from identity.users import USERS

_PASSWORD, _CODE = ("密码", "Password"), ("验证码", "Code")


class SecondFactorServicer:
    """Tries are counted beside the RPC, which is rolled back where a code is refused."""

    def __init__(self, service: Service) -> None:
        self._service, self._keys = service, Keys(service)

    def GetSecondFactor(self, call: Call, _request: pb.GetSecondFactorRequest) -> pb.SecondFactor:
        return _standing(call)

    def EnrolSecondFactor(self, call: Call, request: pb.EnrolSecondFactorRequest) -> pb.SecondFactorSecret:
        account = _account(call)
        if account.second_factor:
            raise errors.Conflict("second_factor_on")
        self._ask_password(call, account, request.password)
        secret, uri = second_factors.enrol(call, account.id, account.username)
        return pb.SecondFactorSecret(secret=secret, uri=uri)

    def ConfirmSecondFactor(self, call: Call, request: pb.ConfirmSecondFactorRequest) -> pb.ConfirmSecondFactorResponse:
        sessions.refuse_client(call)
        me = call.caller.user_id
        if not second_factors.is_waiting(call, me):
            raise errors.Conflict("nothing_to_confirm")
        counted = self._count(call, tries.of_codes(me))
        if not second_factors.confirm(call, me, request.code):
            raise self._wrong(call, "code", "code_wrong", _CODE)
        tries.succeeded(call.connection, counted)
        writing.write(call, USERS, me, None, "second_factor_enabled", lambda _before: {"second_factor": True})
        sessions.end_all(call, me, but=call.caller.session_id)
        sessions.withdraw_refresh(call, call.caller.session_id)
        codes = second_factors.new_recovery_codes(call, me)
        tokens = sessions.tokens(call, self._keys, _account(call), call.caller.session_id)
        return pb.ConfirmSecondFactorResponse(recovery_codes=codes, tokens=tokens)

    def DisableSecondFactor(self, call: Call, request: pb.DisableSecondFactorRequest) -> pb.SecondFactor:
        account = _account_with_one(call)
        self._ask_password(call, account, request.password)
        self._ask_code(call, account.id, request.code)
        second_factors.remove(call, account.id)
        writing.write(call, USERS, account.id, None, "second_factor_disabled", lambda _before: {"second_factor": False})
        required = role_policies.of(call, account).second_factor
        sessions.end_all(call, account.id, but="" if required else call.caller.session_id)
        return pb.SecondFactor(required=required)

    def RegenerateRecoveryCodes(self, call: Call, request: pb.RegenerateRecoveryCodesRequest) -> pb.RecoveryCodes:
        account = _account_with_one(call)
        self._ask_code(call, account.id, request.code)
        return pb.RecoveryCodes(recovery_codes=second_factors.new_recovery_codes(call, account.id))

    def VerifySecondFactor(self, call: Call, request: pb.VerifySecondFactorRequest) -> auth_pb2.Tokens:
        first = second_factors.challenged(call, request.challenge)
        counted = self._count(call, tries.of_codes(first.user_id))
        active = select(user).where(user.c.id == first.user_id, user.c.active, user.c.delete_time.is_(None))
        account = call.connection.execute(active).one_or_none()
        good = account is not None and second_factors.answered(call, first)
        if not good or not second_factors.take(call, first.user_id, request.code):
            entering.tell_refused(self._service, call, first.device, first.user_id)
            raise errors.Unauthenticated("code_refused")
        tries.succeeded(call.connection, counted)
        return entering.open_session(call, self._keys, account, first.device, request.device_token, first.sign_on)

    def ResetSecondFactor(self, call: Call, request: pb.ResetSecondFactorRequest) -> users_pb2.User:
        def reset(before: Row) -> dict[str, Any]:
            users.refuse_mightier(call, before)
            if not before["second_factor"]:
                raise errors.Conflict("second_factor_off")
            return {"second_factor": False}

        row = writing.write(call, USERS, request.id, None, "second_factor_reset", reset)
        second_factors.remove(call, request.id)
        sessions.end_all(call, request.id)
        answer = writing.answer(call, USERS, row)
        assert isinstance(answer, users_pb2.User)
        return answer

    def _count(self, call: Call, keys: list[tries.Key]) -> tries.Try:
        with beside(self._service, call) as counting:
            return tries.count(counting.connection, keys)

    def _ask_password(self, call: Call, account: Any, password: str) -> None:
        with passwords.in_line():
            counted = self._count(call, tries.of_login(account.username, call.metadata.address))
            right = passwords.fits(account.password_hash, password)
        if not right:
            raise self._wrong(call, "password", "password_wrong", _PASSWORD)
        tries.succeeded(call.connection, counted)

    def _ask_code(self, call: Call, user_id: str, code: str) -> None:
        counted = self._count(call, tries.of_codes(user_id))
        if not second_factors.take(call, user_id, code):
            raise self._wrong(call, "code", "code_wrong", _CODE)
        tries.succeeded(call.connection, counted)

    def _wrong(self, call: Call, path: str, key: str, label: tuple[str, str]) -> errors.Invalid:
        """The refusal of a wrong password or code; the trail is told as of a failed login."""
        entering.tell_refused(self._service, call, "", call.caller.user_id)
        return errors.Invalid(Problem(path, key, {"label": label}))


def _account(call: Call) -> Any:
    sessions.refuse_client(call)
    return call.connection.execute(select(user).where(user.c.id == call.caller.user_id)).one()


def _account_with_one(call: Call) -> Any:
    account = _account(call)
    if not account.second_factor:
        raise errors.Conflict("second_factor_off")
    return account


def _standing(call: Call) -> pb.SecondFactor:
    account = _account(call)
    return pb.SecondFactor(
        enabled=account.second_factor,
        required=role_policies.of(call, account).second_factor,
        recovery_codes_left=second_factors.recovery_codes_left(call, account.id),
    )
