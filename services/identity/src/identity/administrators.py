"""There is always somebody who can administer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text

from crm_kit import errors, policy
from crm_kit.rpc import Call
from crm_records.record import Row
from identity.tables import role, user

CODE = "system_admin"
NEEDED = ("user.*", "role.*", "department.*")
"""What the role of administrators keeps, whatever else is taken from it."""

_ONE_LEAVES = 0x43524D12

errors.texts(
    {
        "last_administrator": (
            "这是最后一个可用的系统管理员，不能停用、删除或取消其角色",
            "This is the last active administrator: it cannot be disabled, deleted or lose the role",
        ),
        "administrators_unlimited": (
            "系统管理员角色不能限制字段、地址或时段，否则可能无人能再管理；请另建角色",
            "The role of the system administrators takes no field rules, addresses or hours: nobody might be left to"
            " administer; make another role for that",
        ),
        "administrators_need": (
            "系统管理员角色必须保留 {what}",
            "The role of the system administrators must keep {what}",
        ),
    }
)


def keep_one(call: Call, before: Row, after: Row | None) -> None:
    """Refuse a change of a user after which nobody could administer; `after` is None for a deletion."""
    role_id = call.connection.scalar(select(role.c.id).where(role.c.code == CODE, role.c.delete_time.is_(None)))
    if not role_id or not _administers(before, role_id) or (after and _administers(after, role_id)):
        return
    call.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_LEAVES})
    columns = (user.c.active, user.c.delete_time, user.c.role_ids, user.c.grants, user.c.password_hash)
    others = select(*columns).where(user.c.id != before["id"], user.c.role_ids.contains([role_id]))
    if not any(_administers(dict(other), role_id) for other in call.connection.execute(others).mappings()):
        raise errors.Conflict("last_administrator")


def refuse_weaker(row: Row) -> None:
    """Refuse to take from the administrators' role what is needed to administer."""
    if row["code"] != CODE:
        return
    rights = set(row["rights"])
    lacking = [] if "*" in rights else [r for r in NEEDED if r not in rights]
    if lacking:
        raise errors.Conflict("administrators_need", what=", ".join(lacking))
    if row["field_rules"] or policy.use(row["policy"]) is not None:
        raise errors.Conflict("administrators_unlimited")
    for resource in ("user", "role", "department"):
        named = [s for s in row["scopes"] if s["resource"] == resource]
        if not any(s["scope"] == "all" for s in named or [s for s in row["scopes"] if s["resource"] == "*"]):
            raise errors.Conflict("administrators_need", what=f"{resource}: all")


def _administers(row: Row, role_id: str) -> bool:
    living = row["active"] and row["delete_time"] is None and row["password_hash"]
    return bool(living and role_id in row["role_ids"] and not any(_hinders(g) for g in row["grants"]))


def _hinders(grant: dict[str, Any]) -> bool:
    over = "endTime" in grant and datetime.fromisoformat(grant["endTime"]) <= datetime.now(UTC)
    resource = grant["right"].partition(".")[0]
    return bool(grant.get("denied")) and not over and resource in ("*", "user", "role", "department")
