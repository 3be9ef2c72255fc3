"""The service's tables. Columns come from the contract; what it cannot say stands here."""

from sqlalchemy import Column, Index, MetaData, Table, Uuid

from crm.workspace.v1.notifications_pb2 import Notification
from crm.workspace.v1.tasks_pb2 import Task, TaskComment
from crm_records import schema

metadata = MetaData()

task = schema.table(metadata, Task.DESCRIPTOR, "task", searchable=True)
Index("ix_task_creator_id", task.c.creator_id, task.c.id)
Index("ix_task_record_id", task.c.record_id)
Index(
    "ix_task_due",
    task.c.due_time,
    postgresql_where=(task.c.state == "open") & task.c.escalate_time.is_(None) & task.c.delete_time.is_(None),
)

task_comment = schema.table(metadata, TaskComment.DESCRIPTOR, "task_comment")

notification = schema.table(metadata, Notification.DESCRIPTOR, "notification", Column("actor_id", Uuid(as_uuid=False)))
"""Who it comes from is kept beside the name, so that the name can be taken out when that person is erased."""
Index("ix_notification_user_id", notification.c.user_id, notification.c.id)
Index("ix_notification_unread", notification.c.user_id, postgresql_where=notification.c.read_time.is_(None))

customer_record = Table(
    "customer_record",
    metadata,
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
)
"""Whose records of other services are: a task about an opportunity is one about its customer."""
Index("ix_customer_record_customer_id", customer_record.c.customer_id)
