"""Password policies: one for a department; the nearest up the tree holds, that of the root for everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, delete, false, insert, select, text

from crm.identity.v1 import password_policies_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records.record import Dependent, Record, Row
from identity import known_bad, passwords, tries
from identity.departments import DEPARTMENTS
from identity.tables import department, former_password, password_policy

DEFAULTS = {"min_length": 8, "character_classes": 1, "history": 1}
"""Where a policy says nothing."""
FIRST: dict[str, Any] = {"min_length": 8, "character_classes": 2, "history": 5}
"""The policy that the root starts with."""
MOST_FORMER = 24

errors.texts(
    {
        "password_too_short": ("{label}至少 {limit} 个字符", "{label} needs at least {limit} characters"),
        "password_too_plain": (
            "{label}须含小写字母、大写字母、数字、其他字符中的至少 {limit} 种",
            "{label} needs at least {limit} of small letters, capital letters, digits and other characters",
        ),
        "password_known_bad": ("{label}太常见，容易被猜到", "{label} is too common and easily guessed"),
        "password_personal": (
            "{label}不能主要由用户名、姓名、公司名或禁用词组成",
            "{label} must not rest on the user name, the name, the company or words that are barred",
        ),
        "password_used_before": ("{label}最近用过", "{label} was used before"),
        "root_policy": (
            "根部门的密码策略是所有人的默认策略，不能删除",
            "The root's password policy is the default of everybody and cannot be deleted",
        ),
        "policy_own": ("{department}自己的密码策略", "the department's own policy ({department})"),
        "policy_inherited": (
            "{own}没有自己的密码策略，沿用上级“{department}”的策略",
            "{own} has no policy of its own; the nearest above it is that of {department}",
        ),
        "policy_none": ("没有设置任何密码策略，使用默认值", "no policy is set, so the defaults hold"),
    }
)

_NEAREST = text(
    "WITH RECURSIVE up AS (SELECT id, parent_id, name, 0 AS depth FROM department WHERE id = :department_id UNION ALL"
    " SELECT d.id, d.parent_id, d.name, up.depth + 1 FROM department d JOIN up ON d.id = up.parent_id"
    " WHERE up.depth < 100)"
    " SELECT up.name AS department_name, up.depth, p.* FROM up LEFT JOIN password_policy p"
    " ON p.department_id = up.id AND p.delete_time IS NULL ORDER BY up.depth"
)


class PasswordPolicies(Record):
    """See the contract for the fields."""

    message = pb.PasswordPolicy
    table = password_policy
    plural = "password_policies"

    def __init__(self) -> None:
        super().__init__()
        DEPARTMENTS.dependents.append(Dependent(password_policy.c.department_id, self.label))

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """A policy lies where its department lies."""
        if shape.all:
            return None
        if not shape.departments:
            return false()
        departments = bindparam("scope_department_ids", type_=ARRAY(Uuid(as_uuid=False)))
        return self.table.c.department_id == any_(departments)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        reach = self.reach(call)
        if before is None and not reach.all and row["department_id"] not in reach.department_ids:
            label = self.fields["department_id"].label
            raise errors.Invalid(Problem("departmentId", "unknown_reference", {"label": label}))

    def may_delete(self, call: Call, row: Row) -> None:
        parent = select(department.c.parent_id).where(department.c.id == row["department_id"])
        if call.connection.scalar(parent) is None:
            raise errors.Conflict("root_policy")


PASSWORD_POLICIES = PasswordPolicies()


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds in a department: the nearest policy's row with the defaults, and where it was found."""

    row: Mapping[str, Any]
    path: Sequence[str] = ()
    """Names of the departments from the person's own up to the one whose policy it is."""
    company: str = ""
    """Name of the root."""
    found: bool = False

    def reason(self, language: str) -> str:
        if not self.found:
            return errors.text("policy_none", language, {})
        key = "policy_own" if len(self.path) == 1 else "policy_inherited"
        return errors.text(key, language, {"own": self.path[0], "department": self.path[-1]})

    def is_over(self, since: datetime | None) -> bool:
        """Whether a password that was set then must be changed."""
        days = self.row["expiry_days"]
        return bool(days and since and since + timedelta(days=days) <= tries.now())


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose password it is to be."""

    username: str
    name: str = ""
    id: str = ""
    password_hash: str | None = None
    own_words: Sequence[str] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> Owner:
        return cls(row["username"] or "", row["name"] or "", row["id"], row.get("password_hash"))


def of_department(call: Call, department_id: str | None) -> Policy:
    """The policy that holds for the people of a department; looked up once in a call."""
    known: dict[str | None, Policy] = call.memo.setdefault(_NEAREST, {})
    if department_id not in known:
        known[department_id] = _look_up(call, department_id)
    return known[department_id]


def _look_up(call: Call, department_id: str | None) -> Policy:
    rows = call.connection.execute(_NEAREST, {"department_id": department_id}).mappings().all()
    company = rows[-1]["department_name"] if rows else ""
    nothing: dict[str, Any] = {**DEFAULTS, "expiry_days": None, "allow_known_bad": False, "own_words": []}
    for i, row in enumerate(rows):
        if row["id"] is not None:
            given = {n: v if v is not None else DEFAULTS.get(n) for n, v in row.items()}
            return Policy(given, [r["department_name"] for r in rows[: i + 1]], company, True)
    return Policy(nothing, [r["department_name"] for r in rows], company)


def problems(
    call: Call, policy: Policy, password: str, owner: Owner, path: str, label: tuple[str, str]
) -> list[Problem]:
    """Why this password is not good enough under a policy, if it is not: the first reason."""
    found = _problem(policy, password, owner)
    if found is None and _was_used(call, password, owner, policy.row["history"]):
        found = ("password_used_before", {})
    return [Problem(path, found[0], {"label": label, **found[1]})] if found else []


def _problem(policy: Policy, password: str, owner: Owner) -> tuple[str, dict[str, Any]] | None:
    row = policy.row
    if len(password) < row["min_length"]:
        return "password_too_short", {"limit": row["min_length"]}
    if len(password) > passwords.LONGEST:
        return "too_long", {"limit": passwords.LONGEST}
    words = list(row["own_words"])
    if not row["allow_known_bad"]:
        if known_bad.is_common(password) or known_bad.is_monotonous(password):
            return "password_known_bad", {}
        company = [policy.company, *known_bad.spoken(policy.company)]
        words += [*known_bad.of_person(owner.username, owner.name), *company]
    if known_bad.leans_on(password, words):
        return "password_personal", {}
    if _classes(password) < row["character_classes"]:
        return "password_too_plain", {"limit": row["character_classes"]}
    return None


def _classes(password: str) -> int:
    kinds = {
        "lower" if c.islower() else "upper" if c.isupper() else "digit" if c.isdigit() else "other" for c in password
    }
    return len(kinds)


def _was_used(call: Call, password: str, owner: Owner, history: int) -> bool:
    """Whether it is one of the last ones of this person. Each costs a hash, so it is asked last."""
    if not owner.password_hash:
        return False
    query = select(former_password.c.hash).where(former_password.c.user_id == owner.id)
    former = call.connection.scalars(query.order_by(former_password.c.id.desc()).limit(history - 1)).all()
    return any(passwords.fits(hashed, password) for hashed in (owner.password_hash, *former))


def replacing(call: Call, before: Row, password: str, *, must_change: bool) -> dict[str, Any]:
    """The values of an account that gets this password; the hash of the one before is kept."""
    if before["password_hash"]:
        former = {"user_id": before["id"], "hash": before["password_hash"]}
        call.connection.execute(insert(former_password).values(former))
        mine = select(former_password.c.id).where(former_password.c.user_id == before["id"])
        old = mine.order_by(former_password.c.id.desc()).offset(MOST_FORMER)
        call.connection.execute(delete(former_password).where(former_password.c.id.in_(old)))
    return first(passwords.hashed(password), must_change=must_change)


def first(hashed: str, *, must_change: bool = True) -> dict[str, Any]:
    """The values of an account with this hash of a password."""
    return {"password_hash": hashed, "password_time": tries.now(), "must_change_password": must_change}


def refuse_for_all(call: Call, password: str, department_ids: set[str], path: str, label: tuple[str, str]) -> None:
    """INVALID_ARGUMENT if a first password for many is good enough in none of their departments."""
    found = [
        problems(call, of_department(call, d), password, Owner(""), path, label)
        for d in department_ids or {_root(call)}
    ]
    if all(found):
        raise errors.Invalid(*found[0])


def _root(call: Call) -> str:
    return str(call.connection.scalar(select(department.c.id).where(department.c.parent_id.is_(None)).limit(1)) or "")
