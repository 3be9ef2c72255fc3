"""Indexes that lists of a million customers need.

At 1,000,000 customers they take minutes, in which customers, contacts and interactions are read but not written.
"""

import sqlalchemy as sa
from alembic import op

revision = "customer_0014"
down_revision = "customer_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_contact_decision_role",
        "contact",
        ["decision_role", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_contact_name", "contact", ["name", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_contact_position",
        "contact",
        ["position", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_business_form",
        "customer",
        ["business_form"],
        unique=False,
        postgresql_where=sa.text("business_form IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_city", "customer", ["city", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_customer_create_time",
        "customer",
        ["create_time", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_credit_rating",
        "customer",
        ["credit_rating"],
        unique=False,
        postgresql_where=sa.text("credit_rating IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_custom",
        "customer",
        ["custom"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"custom": "jsonb_path_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "ix_customer_annual_revenue",
        "customer",
        ["annual_revenue", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_employees",
        "customer",
        ["employees", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_registered_capital",
        "customer",
        ["registered_capital", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_founded",
        "customer",
        ["founding_date", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_figures",
        "customer",
        ["id"],
        unique=False,
        postgresql_include=[
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
            "owner_id",
            "department_id",
            "review_mark",
            "pool_id",
            "creator_id",
        ],
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_industry",
        "customer",
        ["industry", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_kind", "customer", ["kind", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_customer_level", "customer", ["level", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_customer_lifecycle",
        "customer",
        ["lifecycle", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_ownership_kind",
        "customer",
        ["ownership_kind"],
        unique=False,
        postgresql_where=sa.text("ownership_kind IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_payment_attitude",
        "customer",
        ["payment_attitude"],
        unique=False,
        postgresql_where=sa.text("payment_attitude IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_pool_time",
        "customer",
        ["pool_id", "pool_time", "id"],
        unique=False,
        postgresql_where=sa.text("pool_id IS NOT NULL"),
    )
    op.create_index(
        "ix_customer_province",
        "customer",
        ["province", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_region",
        "customer",
        ["region", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_registration_channel",
        "customer",
        ["registration_channel"],
        unique=False,
        postgresql_where=sa.text("registration_channel IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_relation",
        "customer",
        ["relation", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_sales_channel",
        "customer",
        ["sales_channel"],
        unique=False,
        postgresql_where=sa.text("sales_channel IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_scale", "customer", ["scale", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_customer_short_name",
        "customer",
        ["short_name", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_source",
        "customer",
        ["source", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_supply_contract",
        "customer",
        ["supply_contract"],
        unique=False,
        postgresql_where=sa.text("supply_contract IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_tags",
        "customer",
        ["tags", "behaviour_tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "ix_customer_taxpayer_kind",
        "customer",
        ["taxpayer_kind"],
        unique=False,
        postgresql_where=sa.text("taxpayer_kind IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_trade_standing",
        "customer",
        ["trade_standing"],
        unique=False,
        postgresql_where=sa.text("trade_standing IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_customer_type", "customer", ["type", "id"], unique=False, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_index(
        "ix_interaction_creator_id",
        "interaction",
        ["creator_id", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_interaction_kind",
        "interaction",
        ["kind", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_interaction_start_time",
        "interaction",
        ["start_time", "id"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
