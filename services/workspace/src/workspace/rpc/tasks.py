"""TaskService and TaskCommentService: the standard RPCs, and the verbs of a task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crm.workspace.v1 import tasks_pb2 as pb
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Row
from crm_records.servicer import Servicer
from workspace.comments import COMMENTS
from workspace.tasks import TASKS, refuse_open_subtasks


class TaskServicer(Servicer):
    record = TASKS
    service = pb.DESCRIPTOR.services_by_name["TaskService"]

    def AssignTask(self, call: Call, request: pb.AssignTaskRequest) -> pb.Task:
        said = writing.given(request)

        def hand_on(before: Row) -> dict[str, Any]:
            # Before the task is another's: its comments may be out of the caller's sight afterwards.
            if said["note"]:
                writing.create(call, COMMENTS, pb.TaskComment(task_id=before["id"], text=said["note"]))
            return {"owner_id": said["owner_id"]}

        return writing.act(call, TASKS, request.id, request.etag, "assign", hand_on)

    def CompleteTask(self, call: Call, request: pb.CompleteTaskRequest) -> pb.Task:
        said = writing.given(request)

        def complete(before: Row) -> dict[str, Any]:
            refuse_open_subtasks(call, before)
            return {"progress": 100, "done_time": datetime.now(UTC), "result": said["result"] or before["result"]}

        return writing.act(call, TASKS, request.id, request.etag, "complete", complete)

    def CancelTask(self, call: Call, request: pb.CancelTaskRequest) -> pb.Task:
        return writing.act(call, TASKS, request.id, request.etag, "cancel")

    def ReopenTask(self, call: Call, request: pb.ReopenTaskRequest) -> pb.Task:
        def reopen(before: Row) -> dict[str, Any]:
            progress = 0 if before["state"] == "done" else before["progress"]
            return {"progress": progress, "done_time": None, "escalate_time": None}

        return writing.act(call, TASKS, request.id, request.etag, "reopen", reopen)


class TaskCommentServicer(Servicer):
    record = COMMENTS
    service = pb.DESCRIPTOR.services_by_name["TaskCommentService"]
