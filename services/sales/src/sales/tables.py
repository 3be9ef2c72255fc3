"""The service's tables. Columns come from the contract; what it cannot say stands here."""

from sqlalchemy import CheckConstraint, Index, MetaData, and_

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity, Pipeline
from crm.sales.v1.products_pb2 import PriceItem, PriceList, Product, ProductCategory
from crm_records import schema
from crm_records.copies import Copy

metadata = MetaData()

CUSTOMER = Copy(
    metadata,
    Customer,
    record_type="customer",
    service="customer",
    rpc="/crm.customer.v1.CustomerService/GetCustomer",
    fields=("name", "region"),
)

product_category = schema.table(metadata, ProductCategory.DESCRIPTOR, "product_category", searchable=True)

product = schema.table(metadata, Product.DESCRIPTOR, "product", searchable=True)
Index("ix_product_name", product.c.name, product.c.id)

price_list = schema.table(metadata, PriceList.DESCRIPTOR, "price_list")
Index(
    "uq_price_list_default",
    price_list.c.default,
    unique=True,
    postgresql_where=price_list.c.default & price_list.c.delete_time.is_(None),
)

price_item = schema.table(
    metadata,
    PriceItem.DESCRIPTOR,
    "price_item",
    CheckConstraint("min_quantity IS NOT NULL", name="ck_price_item_min_quantity_given"),
)
Index(
    "uq_price_item_step",
    price_item.c.price_list_id,
    price_item.c.product_id,
    price_item.c.min_quantity,
    unique=True,
    postgresql_where=price_item.c.delete_time.is_(None),
)

pipeline = schema.table(metadata, Pipeline.DESCRIPTOR, "pipeline")
Index(
    "uq_pipeline_default",
    pipeline.c.default,
    unique=True,
    postgresql_where=pipeline.c.default & pipeline.c.delete_time.is_(None),
)

opportunity = schema.table(
    metadata,
    Opportunity.DESCRIPTOR,
    "opportunity",
    CheckConstraint(
        "state IS NOT NULL AND pipeline_id IS NOT NULL AND stage IS NOT NULL", name="ck_opportunity_somewhere"
    ),
    CheckConstraint(
        "(state IN ('won', 'lost', 'archived')) = (close_date IS NOT NULL)", name="ck_opportunity_closed_on_a_day"
    ),
    searchable=True,
)
# A column of a board; a list by stage or state of all pipelines; the orders that lists are asked for in.
Index("ix_opportunity_board", opportunity.c.pipeline_id, opportunity.c.stage, opportunity.c.id)
Index("ix_opportunity_stage", opportunity.c.stage, opportunity.c.id)
Index("ix_opportunity_state", opportunity.c.state, opportunity.c.id)
Index("ix_opportunity_expected_amount", opportunity.c.expected_amount, opportunity.c.id)
Index("ix_opportunity_expected_close_date", opportunity.c.expected_close_date, opportunity.c.id)
Index("ix_opportunity_close_date", opportunity.c.close_date, opportunity.c.id)
Index("ix_opportunity_create_time", opportunity.c.create_time, opportunity.c.id)
# A board's column by amount; what is won and lost for which reason, where it came from, how it is tagged.
_LIVING = opportunity.c.delete_time.is_(None)
Index(
    "ix_opportunity_board_amount",
    *(opportunity.c.pipeline_id, opportunity.c.stage, opportunity.c.expected_amount, opportunity.c.id),
)
Index("ix_opportunity_title", opportunity.c.title, opportunity.c.id)
for _name in ("source", "lost_reason"):
    Index(
        f"ix_opportunity_{_name}",
        opportunity.c[_name],
        opportunity.c.id,
        postgresql_where=and_(opportunity.c[_name].is_not(None), _LIVING),
    )
Index("ix_opportunity_tags", opportunity.c.tags, postgresql_using="gin", postgresql_with={"fastupdate": "off"})
Index(
    "ix_opportunity_custom",
    opportunity.c.custom,
    postgresql_using="gin",
    postgresql_ops={"custom": "jsonb_path_ops"},
    postgresql_with={"fastupdate": "off"},
)
# Which opportunities hold a product: asked before it is deleted.
Index(
    "ix_opportunity_lines",
    opportunity.c.lines,
    postgresql_using="gin",
    postgresql_ops={"lines": "jsonb_path_ops"},
)
