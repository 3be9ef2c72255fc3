"""The service's tables. Columns come from the contract; what it cannot say stands here."""

from sqlalchemy import Index, MetaData

from crm.customer.v1.customers_pb2 import Customer
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_records import schema
from crm_records.copies import Copy

metadata = MetaData()

CUSTOMERS = Copy(
    metadata,
    Customer,
    record_type="customer",
    service="customer",
    rpc="/crm.customer.v1.CustomerService/GetCustomer",
)
"""Names and owners of customers: a request may be made of those that the caller reaches, and shows their names."""

service_request = schema.table(metadata, ServiceRequest.DESCRIPTOR, "service_request", searchable=True)
Index("ix_service_request_creator_id", service_request.c.creator_id, service_request.c.id)
