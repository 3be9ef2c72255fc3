"""Notifications: each person's inbox. Stored as what happened, said in the reader's language when read."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, Connection, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm.workspace.v1 import notifications_pb2 as pb
from crm.workspace.v1.tasks_pb2 import Task
from crm_kit import contract, errors, scope
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records.record import Record, Row
from workspace import titles
from workspace.tables import notification

errors.texts(
    {
        "assigned_title": ("{label}已分配给您", "{label} assigned to you"),
        "assigned_body": ("{actor}将“{title}”分配给您", "{actor} assigned “{title}” to you"),
        "assigned_department_title": ("{label}已分配给您管理的部门", "{label} assigned to a department of yours"),
        "assigned_department_body": (
            "{actor}将“{title}”分配给您管理的部门，由您再分配给人员",
            "{actor} assigned “{title}” to a department that you manage: it is yours to give on",
        ),
        "given_many_title": ("{records} 条{label}记录已分配给您", "{label}: {counted} given to you"),
        "given_many_body": ("{actor}将 {records} 条{label}记录分配给您", "{actor} gave you {counted} ({label})"),
        "followed_title": ("您关注的{label}有变化", "{label} that you follow"),
        "followed_body": ("{actor}更新了“{title}”", "{actor} changed “{title}”"),
        "followed_gone_title": ("您关注的{label}已删除", "{label} that you follow"),
        "followed_gone_body": ("{actor}删除了“{title}”", "{actor} deleted “{title}”"),
        "team_added_title": ("{label}的相关团队", "Added to a team: {label}"),
        "team_added_body": ("{actor}将您加入“{title}”的相关团队", "{actor} added you to the team of “{title}”"),
        "handover_given_title": ("您的记录已移交", "Your records were handed over"),
        "handover_given_body": (
            "{actor}已将您的 {records} 条记录移交给他人（{title}）",
            "{actor} handed {counted} of yours over to others ({title})",
        ),
        "handover_taken_title": ("您接收了移交的记录", "Records were handed over to you"),
        "handover_taken_body": (
            "{actor}将 {records} 条记录移交给您（{title}）",
            "{actor} handed {counted} over to you ({title})",
        ),
        "handover_got_back_title": ("移交已撤销", "A handover was undone"),
        "handover_got_back_body": (
            "{records} 条记录已退回给您（{title}）",
            "You got back {counted} ({title})",
        ),
        "handover_gave_back_title": ("移交已撤销", "A handover was undone"),
        "handover_gave_back_body": (
            "移交给您的记录已退回，仍有 {records} 条留在您名下（{title}）",
            "What was handed over to you went back; you keep {counted} ({title})",
        ),
        "alert_birthday_title": ("生日提醒", "Birthday"),
        "alert_birthday_body": ("“{title}”{when}有生日", "“{title}”: a birthday {when}"),
        "alert_company_anniversary_title": ("成立纪念日提醒", "Company anniversary"),
        "alert_company_anniversary_body": (
            "“{title}”{when}迎来成立纪念日",
            "The anniversary of “{title}” is {when}",
        ),
        "alert_next_step_title": ("下一步到期", "Next step due"),
        "alert_next_step_body": (
            "与“{title}”约定的下一步到期了，请跟进",
            "The next step agreed with “{title}” is due",
        ),
        "alert_contact_overdue_title": ("超期未联系", "Contact overdue"),
        "alert_contact_overdue_body": (
            "已有 {records} 天没有联系“{title}”",
            "Nobody was in contact with “{title}” for {days}",
        ),
        "alert_no_business_title": ("长期无业务", "No business"),
        "alert_no_business_body": (
            "“{title}”已有 {records} 天没有业务",
            "There was no business with “{title}” for {days}",
        ),
        "alert_demand_ending_title": ("需求即将到期", "Demand running out"),
        "alert_demand_ending_body": (
            "“{title}”的需求{when}到期",
            "A demand of “{title}” runs out {when}",
        ),
        "alert_credit_exceeded_title": ("超信用额度", "Credit exceeded"),
        "alert_credit_exceeded_body": ("“{title}”的应收余额超过信用额度", "“{title}” owes more than its credit limit"),
        "task_overdue_title": ("任务逾期", "Task overdue"),
        "task_overdue_body": ("{actor}负责的任务“{title}”已逾期", "The task “{title}” of {actor} is overdue"),
    }
)

ASSIGNED, TASK_OVERDUE, GIVEN_MANY = "assigned", "task_overdue", "given_many"
ASSIGNED_DEPARTMENT = "assigned_department"
FOLLOWED, FOLLOWED_GONE = "followed", "followed_gone"
TEAM_ADDED = "team_added"
HANDED_FROM, HANDED_TO = "handover_given", "handover_taken"
BACK_FROM, BACK_TO = "handover_got_back", "handover_gave_back"
"""Kinds; each has a title and a body above."""
ALERTS = (
    *("birthday", "company_anniversary", "next_step", "contact_overdue"),
    *("no_business", "demand_ending", "credit_exceeded"),
)
"""Kinds of alerts, each a kind here behind `alert_`. `records` holds how many days it is until then, or since."""
NOBODY = ("系统", "The system")
UNREAD = 1000
"""Unread entries are counted up to here."""
_LONGEST = 200

RECORDS: dict[str, tuple[type[Message], str]] = {
    "customer.customer": (Customer, "name"),
    "sales.opportunity": (Opportunity, "title"),
    "service-desk.service_request": (ServiceRequest, "summary"),
    "workspace.task": (Task, "title"),
}
"""What people are notified of, by the source of its events: the record, and the field to show as its title."""

LABELS = {
    found.type: (found.zh, found.en) for found in (contract.record(kind.DESCRIPTOR) for kind, _ in RECORDS.values())
}
"""Record type → its label in both languages."""


def _counted(number: int) -> dict[str, str | tuple[str, str]]:
    """What the texts say with a number: records, days gone by, and the day that many days ahead."""
    days = f"{number} day" if number == 1 else f"{number} days"
    return {
        "counted": f"{number} record" if number == 1 else f"{number} records",
        "days": days,
        "when": (f"在 {number} 天后", f"in {days}") if number else ("今天", "today"),
    }


class Notifications(Record):
    """See the contract for the fields."""

    message = pb.Notification
    table = notification
    plural = "notifications"
    own_of = "user_id"
    made_of = {  # noqa: RUF012
        "title": ("kind", "record_type", "record_title", "actor_name"),
        "body": ("kind", "record_type", "record_title", "actor_name", "records"),
    }

    copies: ClassVar = {"record_title": titles.COPIES}

    def within(self, shape: Shape) -> ColumnElement[bool]:
        """Everybody's own inbox and nobody else's, whatever their roles reach."""
        return scope.is_caller(notification.c.user_id)

    def decorate_wanted(self, call: Call, messages: Sequence[pb.Notification], wanted: Container[str]) -> None:
        titles.obey_rules(call, messages)
        if "title" not in wanted and "body" not in wanted:
            return
        for message in messages:
            params = {
                "label": LABELS.get(message.record_type, message.record_type),
                "title": message.record_title,
                "actor": message.actor_name or NOBODY,
                "records": message.records,
                **_counted(message.records),
            }
            message.title = errors.text(f"{message.kind}_title", call.language, params)
            message.body = errors.text(f"{message.kind}_body", call.language, params)


NOTIFICATIONS = Notifications()


def notice(
    notice_id: str, user_id: str, kind: str, time: datetime, record: tuple[str, str, str], actor: tuple[str, str]
) -> Row:
    """An entry for somebody's inbox about a record, given as (type, id, title), from somebody, given as (id, name)."""
    record_type, record_id, title = record
    actor_id, actor_name = actor
    return {
        "id": notice_id,
        "user_id": user_id,
        "kind": kind,
        "create_time": time,
        "update_time": time,
        "record_type": record_type,
        "record_id": record_id,
        "record_title": title[:_LONGEST],
        "actor_id": actor_id or None,
        "actor_name": actor_name,
        "records": None,
    }


def put(connection: Connection, notices: Sequence[Row]) -> None:
    """Put entries into inboxes; one that is there already stays as it is."""
    if notices:
        connection.execute(insert(notification).on_conflict_do_nothing(), notices)


def unread(call: Call) -> int:
    """How many entries of the caller's inbox were not read, UNREAD at most."""
    some: Any = select(literal_column("1")).where(*_waiting(call)).limit(UNREAD)
    return int(call.connection.scalar(select(func.count()).select_from(some.subquery())) or 0)


def read(call: Call, ids: Sequence[str]) -> int:
    """Mark entries of the caller's inbox as read, all of them where none is named. How many there were."""
    now = datetime.now(UTC)
    statement = (
        update(notification)
        .where(*_waiting(call))
        .values(read_time=now, update_time=now, updater_id=call.caller.user_id, version=notification.c.version + 1)
    )
    if ids:
        statement = statement.where(one_of(notification.c.id, ids))
    return len(call.connection.execute(statement.returning(notification.c.id)).all())


def _waiting(call: Call) -> tuple[Any, ...]:
    mine = notification.c.user_id == call.access.user_id
    return mine, notification.c.read_time.is_(None), notification.c.delete_time.is_(None)
