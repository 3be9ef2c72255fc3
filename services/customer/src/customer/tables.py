"""The service's tables. Columns come from the contract; what it cannot say stands here."""

from sqlalchemy import Column, DateTime, DefaultClause, Index, MetaData, Table, Text, Uuid, and_, text

from crm.customer.v1.contacts_pb2 import Contact
from crm.customer.v1.customers_pb2 import Customer
from crm.customer.v1.demands_pb2 import Demand
from crm.customer.v1.interactions_pb2 import Interaction
from crm_records import schema

metadata = MetaData()
FOLLOWS_MERGES = "follows merges"
"""Marks (`info`) a table whose rows have a customer as part of their key and become those of the one that stays."""

customer = schema.table(metadata, Customer.DESCRIPTOR, "customer", searchable=True)
schema.unique(customer, "credit_code")
schema.tell_unique(customer, Customer.DESCRIPTOR)
Index("ix_customer_last_contact_time", customer.c.last_contact_time, customer.c.id)
Index("ix_customer_name", customer.c.name, customer.c.id)
Index("ix_customer_deleted", customer.c.id, postgresql_where=customer.c.delete_time.is_not(None))
Index("ix_customer_has_valid_demand", customer.c.id, postgresql_where=customer.c.has_valid_demand)
Index(
    "ix_customer_review_mark",
    customer.c.review_mark,
    customer.c.id,
    postgresql_where=customer.c.review_mark != "approved",
)
# What lists are filtered and sorted by. Without these a value that few customers have is looked for through all of
# them. Those of the living only, so that whoever counts by a value reads the index and no customer.
_LIVING = customer.c.delete_time.is_(None)
_LISTED = (
    "kind",
    "type",
    "level",
    "relation",
    "industry",
    "region",
    "province",
    "city",
    "source",
    "scale",
    "lifecycle",
)
for _name in (*_LISTED, "short_name", "create_time", "employees", "registered_capital", "annual_revenue"):
    Index(f"ix_customer_{_name}", customer.c[_name], customer.c.id, postgresql_where=_LIVING)
Index("ix_customer_founded", customer.c.founding_date, customer.c.id, postgresql_where=_LIVING)
# Fields that few fill in: looked for, not sorted by.
for _name in (
    *("ownership_kind", "business_form", "trade_standing", "sales_channel", "registration_channel", "taxpayer_kind"),
    *("credit_rating", "payment_attitude", "supply_contract"),
):
    Index(
        f"ix_customer_{_name}",
        customer.c[_name],
        postgresql_where=and_(customer.c[_name].is_not(None), _LIVING),
    )
# The statistics of a large result are made of this instead of the customers themselves, which are ten times as wide.
Index(
    "ix_customer_figures",
    customer.c.id,
    postgresql_include=[*_LISTED, "owner_id", "department_id", "review_mark", "pool_id", "creator_id"],
    postgresql_where=_LIVING,
)
# Without a list of what is still to be sorted in, as for names: each question would read all of it.
Index(
    "ix_customer_tags",
    *(customer.c.tags, customer.c.behaviour_tags),
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
)
Index(
    "ix_customer_custom",
    customer.c.custom,
    postgresql_using="gin",
    postgresql_ops={"custom": "jsonb_path_ops"},
    postgresql_with={"fastupdate": "off"},
)
customer.c.lifecycle.server_default = DefaultClause(text("'potential'"))
"""Also of those who were there before there were stages."""

contact = schema.table(metadata, Contact.DESCRIPTOR, "contact", searchable=True)
Index(
    "uq_contact_primary",
    contact.c.customer_id,
    unique=True,
    postgresql_where=contact.c.primary & contact.c.delete_time.is_(None),
)

for _name in ("name", "position", "decision_role"):
    Index(f"ix_contact_{_name}", contact.c[_name], contact.c.id, postgresql_where=contact.c.delete_time.is_(None))
Index(
    "ix_contact_review_mark", contact.c.review_mark, contact.c.id, postgresql_where=contact.c.review_mark != "approved"
)

demand = schema.table(metadata, Demand.DESCRIPTOR, "demand")

interaction = schema.table(metadata, Interaction.DESCRIPTOR, "interaction")
for _name in ("start_time", "kind", "creator_id"):
    Index(
        f"ix_interaction_{_name}",
        interaction.c[_name],
        interaction.c.id,
        postgresql_where=interaction.c.delete_time.is_(None),
    )
Index("ix_interaction_timeline", interaction.c.customer_id, interaction.c.start_time, interaction.c.id)

happening = Table(
    "happening",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("record_type", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("title", Text, nullable=False),
    # Kept beside the name, so that the name can be taken out when that person is erased.
    Column("actor_id", Uuid(as_uuid=False)),
    Column("actor_name", Text, nullable=False),
)
"""What other services announced about a customer: their part of its timeline."""
Index("ix_happening_timeline", happening.c.customer_id, happening.c.time, happening.c.id)

usage = Table(
    "customer_usage",
    metadata,
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
)
"""Living records of other services that point at a customer: a customer in use is not deleted."""
Index("ix_customer_usage_customer_id", usage.c.customer_id)
