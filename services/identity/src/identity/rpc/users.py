"""UserService: the standard RPCs, first passwords, letting people in and keeping them out, colleagues."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, func, select

from crm.identity.v1 import departments_pb2
from crm.identity.v1 import users_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import bulk, recycling, writing
from crm_records import fields as kinds
from crm_records.new_rows import new_row
from crm_records.record import Row
from crm_records.servicer import Servicer
from identity import devices, moves, password_policies, passwords, people, sessions, users, viewing
from identity.keys import Keys
from identity.tables import user
from identity.users import USERS

errors.texts(
    {
        "account_active": ("账号已启用", "The account is active already"),
        "account_not_active": ("账号已停用", "The account is disabled already"),
        "own_account": ("不能停用或删除自己的账号", "You cannot disable or delete your own account"),
    }
)


class UserServicer(Servicer):
    record = USERS
    service = pb.DESCRIPTOR.services_by_name["UserService"]

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def CreateUser(self, call: Call, request: pb.CreateUserRequest) -> pb.User:
        first = request.initial_password
        if not first:
            return _user(writing.create(call, USERS, request.user))
        department_id = request.user.department_id if kinds.is_id(request.user.department_id) else None
        policy = password_policies.of_department(call, department_id)
        owner = password_policies.Owner(request.user.username, request.user.name)
        problems = password_policies.problems(call, policy, first, owner, "initialPassword", users.FIRST)
        if problems:
            new_row(call, USERS, request.user, problems)  # names every other wrong field, too
            writing.refuse(problems)
        return _user(writing.create(call, USERS, request.user, **password_policies.first(passwords.hashed(first))))

    def ImportUsers(self, call: Call, request: pb.ImportUsersRequest) -> records_pb.BulkResponse:
        first = request.initial_password
        if first:
            departments = {u.department_id for u in request.users if kinds.is_id(u.department_id)}
            password_policies.refuse_for_all(call, first, departments, "initialPassword", users.FIRST)
            call.memo[users.INITIAL_PASSWORD] = first
        _as_stored(call, request)
        return bulk.import_rows(call, USERS, request.users)

    def DeleteUser(self, call: Call, request: records_pb.DeleteRequest) -> records_pb.Deleted:
        _refuse_own(call, request.id)
        deleted = recycling.delete(call, USERS, request)
        sessions.end_all(call, request.id)
        return deleted

    def ListUserMoves(self, call: Call, request: departments_pb2.ListMovesRequest) -> departments_pb2.ListMovesResponse:
        return moves.page(call, USERS, request)

    def ActivateUser(self, call: Call, request: pb.ActivateUserRequest) -> pb.User:
        return _switch(call, request, "activated", True)

    def DeactivateUser(self, call: Call, request: pb.DeactivateUserRequest) -> pb.User:
        _refuse_own(call, request.id)
        answer = _switch(call, request, "deactivated", False)
        sessions.end_all(call, request.id)
        return answer

    def SetPassword(self, call: Call, request: pb.SetPasswordRequest) -> pb.User:
        def give(before: Row) -> dict[str, Any]:
            users.refuse_mightier(call, before)
            policy = password_policies.of_department(call, before["department_id"])
            owner, label = password_policies.Owner.of(before), ("新密码", "New password")
            new = request.new_password
            writing.refuse(password_policies.problems(call, policy, new, owner, "newPassword", label))
            return password_policies.replacing(call, before, new, must_change=True)

        row = writing.write(call, USERS, request.id, None, "password_set", give)
        sessions.end_all(call, request.id)
        devices.forget(call, request.id)
        return _user(writing.answer(call, USERS, row))

    def ViewAs(self, call: Call, request: pb.ViewAsRequest) -> pb.ViewToken:
        return viewing.begin(call, self._keys, request.id)

    def ListPeople(self, call: Call, request: pb.ListPeopleRequest) -> pb.ListPeopleResponse:
        return people.page(call, request)

    def GetPerson(self, call: Call, request: pb.GetPersonRequest) -> pb.Person:
        return people.one(call, request.id)


def _switch(call: Call, request: Any, event: str, active: bool) -> pb.User:
    def turn(before: Row) -> dict[str, Any]:
        users.refuse_mightier(call, before)
        if before["active"] == active:
            raise errors.Conflict("account_active" if active else "account_not_active")
        return {"active": active}

    return _user(writing.answer(call, USERS, writing.write(call, USERS, request.id, request.etag, event, turn)))


def _user(message: Any) -> pb.User:
    assert isinstance(message, pb.User)
    return message


def _refuse_own(call: Call, user_id: str) -> None:
    if user_id == call.caller.user_id:
        raise errors.Conflict("own_account")


def _as_stored(call: Call, request: pb.ImportUsersRequest) -> None:
    """A user name is the same in capitals: a row finds its account however it is written."""
    wanted = {u.username.strip().lower() for u in request.users}
    query = select(user.c.username).where(
        one_of(func.lower(user.c.username, type_=Text), wanted), user.c.delete_time.is_(None)
    )
    stored = {name.lower(): name for name in call.connection.scalars(query)}
    for one in request.users:
        one.username = stored.get(one.username.strip().lower(), one.username)
