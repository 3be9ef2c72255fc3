"""Users: the people who work with the suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, select, update

from crm.identity.v1 import users_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape, condition
from crm_records import changes, rows, writing
from crm_records.record import Dependent, Record, Row
from identity import administrators, giving, password_policies, passwords, rights, sessions, trees
from identity.tables import department, identity_provider, refresh_token, role, session, user

INITIAL_PASSWORD = "initial password"  # noqa: S105 - the name under which a call remembers it
FIRST = ("初始密码", "Initial password")


class Users(Record):
    """See the contract for the fields."""

    message = pb.User
    table = user
    plural = "users"
    key = "username"
    belongs_to = "id"
    told_beside = ("session",)
    search = ("name", "username", "position", "phone", "email", "external_id")
    list_fields = (
        "username",
        "name",
        "department_id",
        "manager_id",
        "position",
        "phone",
        "email",
        "role_ids",
        "active",
        "last_login_time",
        "create_time",
    )

    def __init__(self) -> None:
        super().__init__()
        self.dependents += [
            Dependent(user.c.manager_id, ("下属", "Subordinate")),
            Dependent(department.c.manager_id, ("所负责的部门", "Department managed")),
        ]

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """A person belongs to themselves: the people whose records one sees are the people one sees."""
        return condition(shape, self.table.c.id)

    def prepare_many(self, call: Call, rows: Sequence[Row]) -> None:
        """New accounts of an import get their first password here, all together."""
        first = call.memo.get(INITIAL_PASSWORD)
        if first:
            for row, hashed in zip(rows, passwords.hashed_many(first, len(rows)), strict=True):
                row.update(password_policies.first(hashed))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            row["active"] = True
            _inherit(call, row)
            writing.refuse(_weak_first_password(call, row))
        _refuse_unknown_zone(row, before)
        trees.hold(call, self, row, trees.unless_restored(before), "department_id", department)
        trees.hold(call, self, row, before, "role_ids", role)
        trees.refuse_cycle(call, self, row, before, "manager_id")
        old_grants = before["grants"] if before else []
        _refuse_unknown(row, [g for g in row["grants"] if g not in old_grants])
        giving.refuse_own(call, row, before)
        if before is not None and _weakens_or_enters(call, row, before):
            refuse_mightier(call, before)
        giving.refuse_move(call, row, before)
        giving.refuse_stronger(call, row, trees.unless_restored(before))

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None:
            administrators.keep_one(call, before, row)

    def export_besides(self, call: Call, row: Row) -> Iterator[tuple[str, dict[str, Any]]]:
        query = select(session).where(session.c.user_id == row["id"]).order_by(session.c.create_time)
        for one in call.connection.execute(query).mappings():
            yield "session", {n: rows.plain(v) for n, v in one.items() if n != "user_id"}

    def erase_besides(self, call: Call, before: Row, after: Row) -> None:
        """Nobody enters under this account any more, and where the person entered from is forgotten."""
        sessions.end_all(call, before["id"])
        mine = session.c.user_id == before["id"]
        tokens = select(session.c.id).where(mine)
        call.connection.execute(delete(refresh_token).where(refresh_token.c.session_id.in_(tokens)))
        call.connection.execute(update(session).where(mine).values(device="", address=""))
        call.connection.execute(update(user).where(user.c.id == before["id"]).values(password_hash=None))
        told = changes.event(self, "erased", after, [], after["update_time"])
        organisation.apply_users(call.connection, [told])

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_mightier(call, row)
        administrators.keep_one(call, row, None)


USERS = Users()


def refuse_mightier(call: Call, row: Row) -> None:
    """Nobody keeps out, lets in or sets the password of a person who has more than they do."""
    giving.refuse_stronger(call, row, None)


def _weakens_or_enters(call: Call, row: Row, before: Row) -> bool:
    """Whether somebody else loses rights, or comes to be entered by another account of a provider."""
    if row["id"] == call.caller.user_id or before["delete_time"] is not None:
        return False
    taken = [g for g in before["grants"] if not g.get("denied") and g not in row["grants"]]
    denied = [g for g in row["grants"] if g.get("denied") and g not in before["grants"]]
    if taken or denied or set(before["role_ids"]) - set(row["role_ids"]):
        return True
    changed = [n for n in ("external_id", "email", "phone") if row[n] != before[n]]
    if not changed:
        return False
    c = identity_provider.c
    matching = select(c.id).where(c.match_by.in_(changed), c.enabled, c.delete_time.is_(None)).limit(1)
    return call.connection.scalar(matching) is not None


def _inherit(call: Call, row: Row) -> None:
    """A new account of a group that names no roles gets those that its group starts with."""
    if not row["group"] or row["role_ids"]:
        return
    known = call.memo.setdefault("inherited roles", {})
    if row["group"] not in known:
        living = select(role.c.id).where(role.c.inherited, role.c.delete_time.is_(None)).order_by(role.c.id)
        known[row["group"]] = call.connection.scalars(living.where(role.c.group == row["group"])).all()
    row["role_ids"] = list(known[row["group"]])


def _weak_first_password(call: Call, row: Row) -> list[Problem]:
    """Why the first password of an import will not do for this row."""
    first = call.memo.get(INITIAL_PASSWORD)
    if not first:
        return []
    policy = password_policies.of_department(call, row["department_id"])
    owner = password_policies.Owner(row["username"], row["name"])
    return password_policies.problems(call, policy, first, owner, "initialPassword", FIRST)


def _refuse_unknown_zone(row: Row, before: Row | None) -> None:
    zone = row["time_zone"]
    if zone and (before is None or zone != before["time_zone"]):
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            label = USERS.fields["time_zone"].label
            raise errors.Invalid(Problem("timeZone", "bad_format", {"label": label})) from None


def _refuse_unknown(row: Row, new: Sequence[dict[str, Any]]) -> None:
    problems = [
        Problem(f"grants[{i}].right", "unknown_right", {"right": grant["right"]})
        for i, grant in enumerate(row["grants"])
        if grant in new and not rights.exists(grant["right"])
    ]
    if problems:
        raise errors.Invalid(*problems)
