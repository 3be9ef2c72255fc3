"""MergeService: customers and contacts of which there are two."""

from __future__ import annotations

from crm.customer.v1 import merging_pb2 as pb
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.jobs import started
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.merging import merges, preview


class MergeServicer:
    """Answers for the records that can be merged."""

    def MergeCustomers(self, call: Call, request: pb.MergeRequest) -> pb.MergeCustomersResponse:
        act_id, row = merges.begin(call, CUSTOMERS, request)
        if row is None:
            return pb.MergeCustomersResponse(act_id=act_id, job=started(call, CUSTOMERS.registry, act_id))
        return pb.MergeCustomersResponse(act_id=act_id, customer=writing.answer(call, CUSTOMERS, row))

    def PreviewMergeCustomers(self, call: Call, request: pb.PreviewMergeRequest) -> pb.PreviewMergeResponse:
        return preview.preview(call, CUSTOMERS, request)

    def MergeContacts(self, call: Call, request: pb.MergeRequest) -> pb.MergeContactsResponse:
        act_id, row = merges.begin(call, CONTACTS, request)
        if row is None:
            return pb.MergeContactsResponse(act_id=act_id, job=started(call, CONTACTS.registry, act_id))
        return pb.MergeContactsResponse(act_id=act_id, contact=writing.answer(call, CONTACTS, row))

    def PreviewMergeContacts(self, call: Call, request: pb.PreviewMergeRequest) -> pb.PreviewMergeResponse:
        return preview.preview(call, CONTACTS, request)
