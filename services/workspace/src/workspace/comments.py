"""What people say about a task. Who sees the task sees it; only who said it may change or take it back."""

from __future__ import annotations

from collections.abc import Sequence

from crm.workspace.v1 import tasks_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from workspace.tables import task_comment
from workspace.tasks import TASKS

errors.texts({"not_the_author": ("只能修改自己的评论", "Only what one has said oneself can be changed")})


class TaskComments(Record):
    """See the contract for the fields."""

    message = pb.TaskComment
    table = task_comment
    plural = "task_comments"
    parent = ("task_id", TASKS)
    part_of_parent = True
    made_of = {"author_name": ("creator_id",)}  # noqa: RUF012

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None:
            self.may_delete(call, before)

    def may_delete(self, call: Call, row: Row) -> None:
        if row["creator_id"] != call.caller.user_id:
            raise errors.Denied("not_the_author")

    def decorate(self, call: Call, messages: Sequence[pb.TaskComment]) -> None:
        names = organisation.names(call.connection, [m.creator_id for m in messages])
        for message in messages:
            message.author_name = names.get(message.creator_id, "")


COMMENTS = TaskComments()
