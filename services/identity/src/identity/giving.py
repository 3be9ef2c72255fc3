"""What people are given, by roles, by personal rights and by where they stand: never more than the giver has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from crm_kit import errors, policy
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records.record import Row
from identity import field_rules, rights, scopes, trees
from identity.scopes import Giver, Power
from identity.tables import department, role, user

OWN = ("department_id", "manager_id", "role_ids", "grants")
"""What nobody changes of themselves: it decides what they may do, and where."""

errors.texts(
    {
        "own_rights": (
            "不能修改自己的部门、上级、角色、个人权限，或限定时段所依据的时区",
            "You cannot change your own department, manager, roles, personal rights or the time zone of allowed hours",
        ),
        "place_not_held": (
            "只能在自己的数据范围内调整人员和部门的归属（{resource}）",
            "You can only move people and departments within your own scope ({resource})",
        ),
    }
)


def refuse_own(call: Call, row: Row, before: Row | None) -> None:
    """PERMISSION_DENIED if callers change what they may do themselves, unless they may do everything anyway."""
    hours = any(r.use and r.use.spans for r in call.access.roles)
    names = (*OWN, "time_zone") if hours else OWN
    if before is None or row["id"] != call.caller.user_id or all(row[n] == before[n] for n in names):
        return
    if not Giver(call.access).does_everything():
        raise errors.Denied("own_rights")


def refuse_stronger_role(call: Call, row: Row, before: Row | None) -> None:
    """PERMISSION_DENIED unless the caller holds what a role gains: rights, where they hold, which fields they show.

    A role whose use is limited lends only what is limited as much.
    """
    field_rules.refuse_opening_role(call.access, row, before)
    if before and not policy.covers(before["policy"], row["policy"]):
        before = None  # what may be used more freely is given anew
    old = before["rights"] if before else []
    rights.refuse_more_than_own(call, [r for r in row["rights"] if r not in old])
    giver, after = _giver(call, [row["policy"]]), Power([scopes.role(row)])
    if giver.does_everything():
        return
    known = Power([scopes.role(before)]) if before else Power()
    for pair in scopes.pairs(giver.power, after, known):
        giver.refuse_wider(pair, scopes.wider(after.parts(*pair), known.parts(*pair)))


def refuse_stronger(call: Call, row: Row, before: Row | None) -> None:
    """PERMISSION_DENIED unless the caller holds what a person gains; without `before`, all that the person has."""
    old_roles, old_grants = (set(before["role_ids"]), before["grants"]) if before else (set(), [])
    new_roles = set(row["role_ids"]) - old_roles
    granted = [g for g in row["grants"] if not g.get("denied") and _holds(g)]
    new_grants = [g for g in granted if g not in old_grants]
    lifted = [g for g in old_grants if _is_lifted(g, row["grants"])]
    nothing_new = not (new_roles or new_grants or lifted) or Giver(call.access).does_everything()
    if nothing_new and not field_rules.restricts(call.access):
        return
    columns = (role.c.id, role.c.rights, role.c.scopes, role.c.field_rules, role.c.policy)
    query = select(*columns).where(one_of(role.c.id, old_roles | set(row["role_ids"])))
    found = {r["id"]: r for r in call.connection.execute(query).mappings()}
    roles = {i: scopes.role(r) for i, r in found.items()}
    giver = _giver(call, [*(found[i]["policy"] for i in new_roles), *([None] if new_grants or lifted else [])])
    brought = Power([roles[i] for i in new_roles])
    given = [g["right"] for g in (*new_grants, *lifted)]
    rights.refuse_more_than_own(call, [*given, *(right for r in brought.roles for right in r.rights)])
    denials = [g for g in old_grants if g.get("denied") and _holds(g)]
    after = Power(
        [roles[i] for i in row["role_ids"]], _rights(granted), _rights([g for g in denials if g not in lifted])
    )
    kept = [g for g in granted if g not in new_grants]
    known = Power([roles[i] for i in old_roles], _rights(kept), _rights(denials)) if before else Power()
    field_rules.refuse_opening(call.access, after, known)
    for pair in [] if nothing_new else scopes.pairs(giver.power, after, known):
        fresh = brought.parts(*pair) if new_roles else set()
        wanted = fresh | scopes.wider(after.parts(*pair), known.parts(*pair))
        giver.refuse_wider(pair, wanted)
        _refuse_elsewhere(call, giver, pair, {kind for kind, _ in wanted}, row)


def _giver(call: Call, given: Iterable[Mapping[str, Any] | None]) -> Giver:
    """The caller with those of their roles that may be used as freely as all of what is given with these policies.

    A right of one person is not limited. Who administers the system decides about the limits themselves.
    """
    giver, policies = Giver(call.access), list(given)
    lending = tuple(r for r in call.access.roles if all(policy.covers(r.policy, p) for p in policies))
    if len(lending) == len(call.access.roles) or giver.does_everything():
        return giver
    return Giver(call.access.with_roles(lending))


def refuse_move(call: Call, row: Row, before: Row | None) -> None:
    """PERMISSION_DENIED if somebody comes to see, or to be seen, where the caller does not see everything."""
    if before is None or all(row[n] == before[n] for n in ("department_id", "manager_id")):
        return
    people, departments = trees.below(call, user, "manager_id", row["id"]), set[str]()
    if row["manager_id"]:
        people.add(row["manager_id"])
    if row["department_id"] != before["department_id"]:
        departments = trees.below(call, department, "parent_id", row["department_id"])
    refuse_beyond_reach(call, people, departments)


def refuse_beyond_reach(call: Call, people: set[str], departments: set[str]) -> None:
    """PERMISSION_DENIED unless the caller reaches all of these with every right they have."""
    giver = Giver(call.access)
    for resource, right in scopes.pairs(giver.power):
        if giver.power.parts(resource, right):
            reach = giver.reach(resource, right)
            if not reach.all and not (people <= reach.owner_ids and departments <= reach.department_ids):
                raise errors.Denied("place_not_held", resource=resource)


def _refuse_elsewhere(call: Call, giver: Giver, pair: scopes.Pair, kinds: set[str], row: Row) -> None:
    """A scope that is relative reaches from where its holder stands: that must lie within the caller's reach."""
    if not kinds & {"subordinates", "department", "department_tree"}:
        return
    reach = giver.reach(*pair)
    if reach.all:
        return
    people, departments = set[str](), set[str]()
    if "subordinates" in kinds:
        people = trees.below(call, user, "manager_id", row["id"])
        managed = select(department.c.id).where(
            department.c.manager_id == row["id"], department.c.delete_time.is_(None)
        )
        for top in call.connection.scalars(managed).all():
            departments |= trees.below(call, department, "parent_id", top)
    if "department" in kinds:
        departments.add(row["department_id"])
    if "department_tree" in kinds:
        departments |= trees.below(call, department, "parent_id", row["department_id"])
    if not (people <= reach.owner_ids and departments <= reach.department_ids):
        raise errors.Denied("scope_not_held", resource=pair[0])


def _rights(grants: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(g["right"] for g in grants)


def _is_lifted(grant: dict[str, Any], after: list[dict[str, Any]]) -> bool:
    """Whether a denial that still holds is gone or ends earlier."""
    if not grant.get("denied") or not _holds(grant):
        return False
    return not any(g.get("denied") and g["right"] == grant["right"] and _end(g) >= _end(grant) for g in after)


def _holds(grant: dict[str, Any]) -> bool:
    return _end(grant) > datetime.now(UTC)


def _end(grant: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(grant["endTime"]) if "endTime" in grant else datetime.max.replace(tzinfo=UTC)
