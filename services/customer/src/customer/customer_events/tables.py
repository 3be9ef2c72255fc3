"""Tables of customer events."""

from sqlalchemy import Index

from crm.customer.v1.customer_event_participants_pb2 import CustomerEventParticipant
from crm.customer.v1.customer_events_pb2 import CustomerEvent
from crm_records import schema
from customer.tables import metadata

customer_event = schema.table(metadata, CustomerEvent.DESCRIPTOR, "customer_event", searchable=True)
Index("ix_customer_event_start_time", customer_event.c.start_time, customer_event.c.id)
Index("ix_customer_event_responsible_ids", customer_event.c.responsible_ids, postgresql_using="gin")

customer_event_participant = schema.table(metadata, CustomerEventParticipant.DESCRIPTOR, "customer_event_participant")
_p = customer_event_participant.c
Index(
    "uq_customer_event_participant_contact",
    _p.event_id,
    _p.contact_id,
    unique=True,
    postgresql_where=_p.contact_id.is_not(None) & _p.delete_time.is_(None),
)
Index(
    "uq_customer_event_participant_customer",
    _p.event_id,
    _p.customer_id,
    unique=True,
    postgresql_where=_p.contact_id.is_(None) & _p.delete_time.is_(None),
)
