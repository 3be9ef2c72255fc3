"""What an explanation of access is put into: its sentences, and where people and departments stand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from crm_kit import errors
from crm_kit.organisation import department, user

SCOPES = {
    "self": ("本人", "one's own"),
    "subordinates": ("本人及下属", "one's own and those of everybody below"),
    "department": ("本部门", "one's department"),
    "department_tree": ("本部门及下级部门", "one's department and those below it"),
    "chosen": ("指定部门", "chosen departments"),
    "all": ("全部", "all"),
}

errors.texts(
    {
        "why_yes": ("{name}拥有对这条记录的权限 {right}", "{name} holds {right} on this record"),
        "why_no": ("{name}没有对这条记录的权限 {right}", "{name} does not hold {right} on this record"),
        "why_in_use": ("账号在用：{name}", "The account of {name} is in use"),
        "why_disabled": ("账号已停用：{name}", "The account of {name} is disabled"),
        "why_role": ("角色“{name}”授予 {right}", "The role {name} gives {right}"),
        "why_no_role": ("没有角色授予 {right}", "No role gives {right}"),
        "why_grant": ("个人权限授予 {right}", "A personal right gives {right}"),
        "why_grant_until": ("个人权限授予 {right}，至 {end}", "A personal right gives {right} until {end}"),
        "why_denial": ("个人被禁止 {right}", "{right} is denied personally"),
        "why_denial_until": ("个人被禁止 {right}，至 {end}", "{right} is denied personally until {end}"),
        "why_right": ("合计：拥有权限 {right}", "In all: the right {right} is held"),
        "why_no_right": ("合计：没有权限 {right}", "In all: the right {right} is not held"),
        "why_own": ("记录属于本人（部门：{department}）", "The record is the person's own (department: {department})"),
        "why_owner": ("负责人是{owner}（部门：{department}）", "It belongs to {owner} (department: {department})"),
        "why_nobody": (
            "没有负责人，属于部门：{department}",
            "Nobody owns it; it belongs to the department {department}",
        ),
        "why_scope": (
            "角色“{role}”的数据范围“{scope}”包含这条记录",
            "The scope of the role {role}, {scope}, reaches the record",
        ),
        "why_no_scope": (
            "角色“{role}”的数据范围“{scope}”不包含这条记录",
            "The scope of the role {role}, {scope}, does not reach the record",
        ),
        "why_no_scopes": ("没有角色给出数据范围", "No role brings a scope"),
        "why_line": ("汇报线：{way}", "Line of reporting: {way}"),
        "why_no_line": ("汇报线不经过此人：{way}", "The line of reporting does not lead to this person: {way}"),
        "why_inside": (
            "记录所在部门“{home}”在范围内：{reached}",
            "The record's department, {home}, lies within {reached}",
        ),
        "why_outside": (
            "记录所在部门“{home}”不在范围内：{reached}",
            "The record's department, {home}, lies outside {reached}",
        ),
        "why_managed": (
            "没有负责人的记录归管理其部门“{home}”或其上级部门的人：{managers}",
            "What is nobody's lies with whoever manages its department, {home}, or one above it: {managers}",
        ),
        "why_not_managed": (
            "没有负责人的记录归管理其部门“{home}”或其上级部门的人，此人不在其中：{managers}",
            "What is nobody's lies with whoever manages its department, {home}, or one above it, not with this person:"
            " {managers}",
        ),
        "why_creator": ("记录由本人创建", "The person made the record"),
        "why_no_creator": ("记录不是本人创建的", "Somebody else made the record"),
        "why_together": (
            "以上各项合起来到达记录的两端",
            "Together these reach both ends of the record",
        ),
        "why_named": ("列在记录的“{label}”中", "The record names the person ({label})"),
        "why_not_named": ("未列在记录的“{label}”中", "The record does not name the person ({label})"),
        "why_team_read": ("在相关团队中（只读）", "The person belongs to its team, to read"),
        "why_team_write": ("在相关团队中（读写）", "The person belongs to its team, to read and write"),
        "why_team_read_until": (
            "在相关团队中（只读），至 {end}",
            "The person belongs to its team, to read, until {end}",
        ),
        "why_team_write_until": (
            "在相关团队中（读写），至 {end}",
            "The person belongs to its team, to read and write, until {end}",
        ),
        "why_team_short": (
            "在相关团队中（{access}），但团队成员身份不给予 {right}",
            "The person belongs to its team ({access}), which does not give {right}",
        ),
        "why_no_team": ("不在相关团队中", "The person does not belong to its team"),
        "why_pool": ("在公海“{pool}”中，此人是其成员", "It lies in the public pool {pool}, whose member the person is"),
        "why_pool_short": (
            "在公海“{pool}”中，此人是其成员，但成员身份不给予 {right}",
            "It lies in the public pool {pool}, whose member the person is; that does not give {right}",
        ),
        "why_no_pool": (
            "在公海“{pool}”中，此人不是其成员",
            "It lies in the public pool {pool}; the person is no member",
        ),
        "why_unscoped": (
            "这类记录不分数据范围：有权限者均可",
            "Records of this type have no scope: they are open to whoever holds the right",
        ),
        "why_personal": ("这类记录只属于本人", "Records of this type are for the person alone that they belong to"),
    }
)

MEMBERS = {"read": ("只读", "to read"), "write": ("读写", "to read and write")}
_FARTHEST = 100
"""Steps up a line: a circle, which no rule allows, would not end."""


def moment(time: datetime | None, zone: str) -> str:
    """A moment as people write it, in their time zone; empty where there is none."""
    return f"{time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if time else ""


class Place(NamedTuple):
    """Somebody as the copy of the organisation knows them."""

    name: str
    department_id: str | None
    manager_id: str | None


class Whereabouts:
    """Where people and departments stand now."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def person(self, user_id: str) -> Place:
        c = user.c
        row = self._connection.execute(
            select(c.name, c.department_id, c.manager_id).where(c.id == user_id)
        ).one_or_none()
        return Place(*row) if row else Place("?", None, None)

    def line(self, user_id: str, up_to: str) -> list[str]:
        """The names from somebody up the line of reporting, as far as it goes or to one person."""
        names: list[str] = []
        at: str | None = user_id
        while at and len(names) < _FARTHEST:
            place = self.person(at)
            names.append(place.name)
            at = None if at == up_to else place.manager_id
        return names

    def path(self, department_id: str | None) -> str:
        """A department with those above it, the topmost first; "-" for none."""
        return " / ".join(reversed([d.name for d in self._up(department_id)])) or "-"

    def managers(self, department_id: str | None) -> str:
        """Who manages a department and those above it, the nearest first; empty where nobody does."""
        ids = [d.manager_id for d in self._up(department_id) if d.manager_id]
        return ", ".join(self.person(i).name for i in dict.fromkeys(ids))

    def reached(self, scope: dict[str, Any], home_id: str | None) -> str:
        """The departments that a scope starts from."""
        ids = scope.get("departmentIds", ()) if scope["scope"] == "chosen" else [home_id]
        return ", ".join(self.path(i) for i in ids)

    def _up(self, department_id: str | None) -> Iterator[Any]:
        """The row of a department, and those above it."""
        for _ in range(_FARTHEST):
            row = _row(self._connection, department, department_id)
            if row is None:
                return
            yield row
            department_id = row.parent_id


def _row(connection: Connection, table: Table, row_id: str | None) -> Any:
    return connection.execute(select(table).where(table.c.id == row_id)).one_or_none() if row_id else None
