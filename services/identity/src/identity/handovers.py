"""Handovers: what was decided about somebody who leaves, and how far the services say they are."""

from __future__ import annotations

from collections.abc import Container, Sequence

from sqlalchemy import ColumnElement, Uuid, any_, bindparam, or_, select

from crm.identity.v1 import handovers_pb2 as pb
from crm_kit import errors, scope
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import reaching
from crm_records.handover_tables import TEAM
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from identity import handover_parts, reporting_line
from identity.contract import owned_types
from identity.tables import handover, user

errors.texts(
    {
        "taker_gives": ("交出人不能接收自己的记录", "The person who leaves cannot be the one who takes"),
        "taker_inactive": ("接收人必须是在用账号", "Whoever takes must have an active account"),
        "unknown_record_type": ("没有“{value}”这种可移交的记录", "There are no records “{value}” to hand over"),
        "nobody_takes": ("请至少安排一位接收人", "Name at least one person who takes something"),
        "beyond_reach": (
            "交出人和接收人须在您的数据范围内（{resource}）",
            "Both the person who leaves and those who take must lie within your scope ({resource})",
        ),
        "reports_beyond_reach": (
            "停用的账号、更换上级的下属和所管部门须在您的修改权限范围内（{resource}）",
            "Who is deactivated or gets another manager, and the departments managed, must lie within your scope to"
            " change them ({resource})",
        ),
        "teams_ask_all": (
            "移交团队成员身份须有对全部记录的权限（{resource}）",
            "Handing over places in teams asks for the right on all records ({resource})",
        ),
        "not_counted": ("部分服务尚未完成统计：{what}", "Some services have not counted yet: {what}"),
        "nothing_failed": ("没有可重试的记录", "Nothing failed that could be tried again"),
    }
)

STATES = States(
    pb.Handover,
    initial="preview",
    transitions=[
        Transition(("preview", "done"), "start", "running", "handover.update", ("开始", "start it"), "started"),
        Transition(("running",), "finish", "done", "handover.update", ("完成", "finish it"), "done"),
        Transition(("done",), "undo", "undoing", "handover.update", ("撤销", "undo it"), "undo_started"),
        Transition(
            ("undoing",), "finishUndo", "undone", "handover.update", ("完成撤销", "finish undoing it"), "undone"
        ),
    ],
)


class Handovers(Record):
    """See the contract for the fields. It lies where the person who leaves lies; the takers see theirs."""

    message = pb.Handover
    table = handover
    plural = "handovers"
    number = "JJ{yyyyMMdd}-{seq:4}"
    search = ("number", "reason")
    states = STATES
    made_of = {"waiting_for": ("id", "state", "team_memberships")}  # noqa: RUF012
    list_fields = (
        "number",
        "from_user_id",
        "taker_ids",
        "state",
        "reason",
        "creator_id",
        "create_time",
        "start_time",
        "finish_time",
    )

    def reach(self, call: Call) -> Reach:
        """Who may not read handovers sees those that concern them."""
        asked = call.caller.right
        right = asked if asked.startswith(f"{self.type}.") else f"{self.type}.read"
        if not call.access.may(right):
            return Reach(user_id=call.access.user_id)
        return call.access.reach(self.type, right)

    def within(self, shape: scope.Shape) -> ColumnElement[bool] | None:
        c = self.table.c
        inside = scope.condition(shape, c.from_user_id, also=[c.from_user_id])
        if inside is None:
            return None
        return or_(inside, bindparam("scope_caller_id", type_=Uuid(as_uuid=False)) == any_(c.taker_ids))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            row["taker_ids"] = sorted(
                {a["toUserId"] for a in row["assignments"]} | ({row["manager_to_id"]} - {None, ""})
            )
            refuse_wrong(call, row)

    def decorate_wanted(self, call: Call, messages: Sequence[pb.Handover], wanted: Container[str]) -> None:
        """While it is under way, what was said so far stands in for what is kept at the end."""
        for message in messages:
            if "parts" in wanted and not message.parts:
                message.parts.extend(handover_parts.of(call.connection, message.id))
                if message.from_user_id and message.state:
                    message.parts.extend(reporting_line.parts(call, message))
            if "waiting_for" in wanted:
                message.waiting_for.extend(_waiting_for(call, message))


HANDOVERS = Handovers()


def expected(teams: bool) -> set[tuple[str, str]]:
    """The parts that a handover consists of, with or without places in teams: (service, record type)."""
    parts = {(service, kind) for kind, service in owned_types().items()}
    if teams:
        parts |= {(service, TEAM) for service in owned_types().values()}
    return parts


def _waiting_for(call: Call, message: pb.Handover) -> list[str]:
    """Services that have not said yet what the state of the handover waits for."""
    wanted = {"preview": handover_parts.COUNTED, "running": ("moved",), "undoing": ("undone",)}.get(message.state, ())
    if not wanted:
        return []
    said = {part for part, state in handover_parts.states(call.connection, message.id).items() if state in wanted}
    return sorted({service for service, _ in expected(message.team_memberships) - said})


def types_taken(row: Row) -> set[str]:
    """Record types that somebody takes."""
    named = {t for a in row["assignments"] for t in a.get("recordTypes", ())}
    return set(owned_types()) if any(not a.get("recordTypes") for a in row["assignments"]) else named


def refuse_beyond_reach(call: Call, row: Row) -> None:
    """PERMISSION_DENIED unless the caller may do to everybody concerned, by their own rights, what it does to them.

    That is to assign every type that changes hands, from the one to the others; to change whom it deactivates or
    gives another manager. Places in teams lie in records of anybody, so they ask for the right on all of them.
    """
    people = {row["from_user_id"], *row["taker_ids"]}
    for kind in sorted(types_taken(row)):
        call.need(f"{kind}.assign")
        _refuse_outside(call.access.reach(kind, f"{kind}.assign"), people, kind, row["team_memberships"])
    own = call.access.reach(HANDOVERS.type, call.caller.right)
    _refuse_outside(own, people, HANDOVERS.type, row["team_memberships"])
    if row["manager_to_id"] or row["deactivate"]:
        call.need("user.update")
    for record, ids in reporting_line.concerned(call, row).items():
        right = f"{record.type}.update"
        call.need(right)
        if ids - reaching.those(call, record, sorted(ids), record.reach_of(call.access, right)):
            raise errors.Denied("reports_beyond_reach", resource=record.type)


def _refuse_outside(reach: Reach, people: set[str], resource: str, teams: bool) -> None:
    if reach.all:
        return
    if teams:
        raise errors.Denied("teams_ask_all", resource=resource)
    if not people <= reach.owner_ids:
        raise errors.Denied("beyond_reach", resource=resource)


def refuse_wrong(call: Call, row: Row) -> None:
    """INVALID_ARGUMENT names everything that is wrong with who takes what, as the accounts stand now."""
    problems = []
    label = pb.Assignment.DESCRIPTOR.fields_by_name
    known = set(owned_types())
    takers = {i for i in row["taker_ids"] if kinds.is_id(i)}
    query = select(user.c.id).where(one_of(user.c.id, takers), user.c.active, user.c.delete_time.is_(None))
    active = set(call.connection.scalars(query.with_for_update(read=True, key_share=True)))
    places = [
        (f"assignments[{i}].{label['to_user_id'].json_name}", a["toUserId"]) for i, a in enumerate(row["assignments"])
    ]
    if row["manager_to_id"]:
        places.append(("managerToId", row["manager_to_id"]))
    for path, taker in places:
        if taker == row["from_user_id"]:
            problems.append(Problem(path, "taker_gives"))
        elif taker not in active:
            problems.append(Problem(path, "taker_inactive"))
    for i, a in enumerate(row["assignments"]):
        for j, kind in enumerate(a.get("recordTypes", ())):
            if kind not in known:
                problems.append(Problem(f"assignments[{i}].recordTypes[{j}]", "unknown_record_type", {"value": kind}))
    if not places:
        problems.append(Problem("assignments", "nobody_takes"))
    if problems:
        raise errors.Invalid(*problems)
