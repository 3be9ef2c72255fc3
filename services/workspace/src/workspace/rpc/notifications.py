"""NotificationService: the caller's own inbox."""

from __future__ import annotations

from crm.records.v1 import records_pb2 as records_pb
from crm.workspace.v1 import notifications_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing
from crm_records.servicer import Servicer
from workspace import notifications
from workspace.notifications import NOTIFICATIONS


class NotificationServicer(Servicer):
    record = NOTIFICATIONS
    service = pb.DESCRIPTOR.services_by_name["NotificationService"]

    def ListNotifications(self, call: Call, request: records_pb.ListRequest) -> pb.ListNotificationsResponse:
        page = listing.page(call, NOTIFICATIONS, request)
        return pb.ListNotificationsResponse(
            notifications=page.messages,
            next_page_token=page.next_page_token,
            total=page.total,
            total_capped=page.total_capped,
            unread=notifications.unread(call),
        )

    def ReadNotifications(self, call: Call, request: pb.ReadNotificationsRequest) -> pb.ReadNotificationsResponse:
        if not all(kinds.is_id(i) for i in request.ids):
            raise errors.Invalid(Problem("ids", "bad_format", {"label": ("标识", "Ids")}))
        return pb.ReadNotificationsResponse(read=notifications.read(call, request.ids))
