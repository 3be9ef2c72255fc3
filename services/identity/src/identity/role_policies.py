"""What the policies of a person's roles come to: from where and when, how long, how many sessions, a second factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from crm_kit import errors, policy
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Row
from identity.tables import role

errors.texts(
    {
        "bad_network": (
            "“{value}”不是网段或地址，例如 10.0.0.0/8、2001:db8::/32",
            "“{value}” is no network and no address, such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        "bad_hours": (
            "时段应为“08:30”到“18:00”的形式，且结束晚于开始",
            "Hours are written as 08:30 and 18:00, and end after they start",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class _Role:
    use: policy.Use | None
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of the roles of one person. Of several the more generous counts, a second factor counts always."""

    roles: tuple[_Role, ...]
    time_zone: str

    @property
    def length(self) -> timedelta:
        """From a login to the next one."""
        hours = [policy.number(r.policy, "sessionHours") for r in self.roles]
        return timedelta(hours=max(hours, default=policy.USUAL["sessionHours"]))

    @property
    def most(self) -> int | None:
        """Sessions at the same time; None for any number."""
        given = [r.policy.get("concurrentSessions") for r in self.roles]
        return max((n for n in given if n), default=None) if all(given) else None

    @property
    def second_factor(self) -> bool:
        """Whether a second factor must be set up."""
        return any(r.policy.get("secondFactor") for r in self.roles)

    def refuse_outside(self, address: str) -> None:
        """PERMISSION_DENIED if there are roles and none may be used from this address now."""
        if self.roles and not policy.usable(self.roles, address, self.time_zone):
            raise errors.Denied("outside_policy")


def of(call: Call, user: Any) -> Policies:
    """The policies that hold for an account; looked up once in a call."""
    key = (Policies, user.id)
    if key not in call.memo:
        query = select(role.c.policy).where(one_of(role.c.id, user.role_ids), role.c.delete_time.is_(None))
        found = call.connection.scalars(query).all() if user.role_ids else ()
        roles = tuple(_Role(policy.stored_use(p), p or {}) for p in found)
        call.memo[key] = Policies(roles, user.time_zone or "Asia/Shanghai")
    return call.memo[key]


def problems(row: Row) -> list[Problem]:
    """What is wrong with the addresses and hours of a role."""
    given = row["policy"] or {}
    found = []
    for i, address in enumerate(given.get("allowedAddresses", ())):
        try:
            policy.network(address)
        except ValueError:
            found.append(Problem(f"policy.allowedAddresses[{i}]", "bad_network", {"value": address[:60]}))
    for i, hours in enumerate(given.get("allowedHours", ())):
        try:
            policy.span(hours)
        except ValueError:
            found.append(Problem(f"policy.allowedHours[{i}].end", "bad_hours"))
    return found
