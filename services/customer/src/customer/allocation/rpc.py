"""AllocationRuleService and AllocationService."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict
from sqlalchemy import select

from crm.customer.v1 import allocation_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, reaching, visibility
from crm_records.servicer import Servicer
from customer.allocation import bulk
from customer.allocation.rules import RULES
from customer.allocation.tables import allocation
from customer.customers import CUSTOMERS


class AllocationRuleServicer(Servicer):
    record = RULES
    service = pb.DESCRIPTOR.services_by_name["AllocationRuleService"]


_TELLING = {
    "owner_id": ("from_user_id", "to_user_id", "why"),
    "department_id": ("to_department_id",),
}
"""By field of the customer, what of an allocation tells it."""


class AllocationServicer:
    """Gives customers away by the rules."""

    def AllocateCustomers(self, call: Call, request: pb.AllocateCustomersRequest) -> jobs_pb2.Job:
        return bulk.start(call, request)

    def PreviewAllocation(self, call: Call, request: pb.AllocateCustomersRequest) -> pb.PreviewAllocationResponse:
        return bulk.preview(call, request)

    def ListAllocations(self, call: Call, request: pb.ListAllocationsRequest) -> pb.ListAllocationsResponse:
        reaching.check_details(call, CUSTOMERS, request.customer_id)
        unseen = visibility.unseen(call, CUSTOMERS, request.customer_id)
        hidden = {name for of, names in _TELLING.items() if of in unseen for name in names}
        size = paging.page_size(request)
        query = select(allocation).where(allocation.c.customer_id == request.customer_id)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(allocation.c.id < request.page_token)
        rows = call.connection.execute(query.order_by(allocation.c.id.desc()).limit(size + 1)).all()
        answer = pb.ListAllocationsResponse(next_page_token=rows[size - 1].id if len(rows) > size else "")
        for row in rows[:size]:
            made = answer.allocations.add()
            for name, value in row._mapping.items():
                if name in hidden:
                    continue
                if name == "why":
                    ParseDict(value, made.why)
                elif name == "time":
                    made.time.FromDatetime(value)
                elif value is not None:
                    setattr(made, name, value)
        return answer
