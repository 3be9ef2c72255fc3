"""Relationships, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.relationships import first_entries
from customer.relationships.kinds import RELATIONSHIP_KINDS
from customer.relationships.record import RELATIONSHIPS
from customer.relationships.rpc import RelationshipKindServicer, RelationshipServicer

PART = Part(
    servicers=[RelationshipServicer, RelationshipKindServicer],
    records=[RELATIONSHIPS, RELATIONSHIP_KINDS],
    seed=first_entries.seed,
)
