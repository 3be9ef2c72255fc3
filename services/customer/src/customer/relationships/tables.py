"""Tables of relationships."""

from crm.customer.v1.relationship_kinds_pb2 import RelationshipKind
from crm.customer.v1.relationships_pb2 import Relationship
from crm_records import schema
from customer.tables import metadata

relationship_kind = schema.table(metadata, RelationshipKind.DESCRIPTOR, "relationship_kind")
schema.unique(relationship_kind, "code")
schema.tell_unique(relationship_kind, RelationshipKind.DESCRIPTOR)

relationship = schema.table(metadata, Relationship.DESCRIPTOR, "relationship")
