"""What the service began with: customers, and what is a part of each of them."""

from __future__ import annotations

from crm_kit.timers import Timer
from crm_records.part import Part
from customer import events, first_entries, last_contact, tables, valid_demands
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.interactions import INTERACTIONS
from customer.rpc.customers import CustomerServicer
from customer.rpc.parts import ContactServicer, DemandServicer, InteractionServicer

PART = Part(
    servicers=[CustomerServicer, ContactServicer, DemandServicer, InteractionServicer],
    records=[CUSTOMERS, CONTACTS, DEMANDS, INTERACTIONS],
    timers=[Timer(60, valid_demands.EveryDay()), Timer(60, last_contact.by_the_clock)],
    handlers=events.HANDLERS,
    seed=first_entries.seed_dictionaries,
    names=[(tables.happening.c.actor_id, tables.happening.c.actor_name)],
)
