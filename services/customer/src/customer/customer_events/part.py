"""Customer events, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.customer_events import first_entries
from customer.customer_events.participants import PARTICIPANTS
from customer.customer_events.record import CUSTOMER_EVENTS
from customer.customer_events.rpc import CustomerEventParticipantServicer, CustomerEventServicer

PART = Part(
    servicers=[CustomerEventServicer, CustomerEventParticipantServicer],
    records=[CUSTOMER_EVENTS, PARTICIPANTS],
    seed=first_entries.seed,
)
