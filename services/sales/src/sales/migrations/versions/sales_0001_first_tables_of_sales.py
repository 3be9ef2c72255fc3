"""The first tables of sales: the catalogue, pipelines, opportunities, and the copy of customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "sales_0001"
down_revision = None
branch_labels = ("sales",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copy_customer",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("department_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_copy_customer_owner_id", "copy_customer", ["owner_id"], unique=False)
    op.create_table(
        "opportunity",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("department_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("prospect_name", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("pipeline_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("probability", sa.Integer(), nullable=True),
        sa.Column("expected_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("won_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("expected_close_date", sa.Date(), nullable=True),
        sa.Column("engage_date", sa.Date(), nullable=True),
        sa.Column("close_date", sa.Date(), nullable=True),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("contact_ids", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("competitors", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.Column("lost_note", sa.Text(), nullable=True),
        sa.Column("assign_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage_enter_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stage_history", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=True),
        sa.Column("search_grams", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(state IN ('won', 'lost', 'archived')) = (close_date IS NOT NULL)", name="ck_opportunity_closed_on_a_day"
        ),
        sa.CheckConstraint("expected_amount >= 0", name="ck_opportunity_expected_amount_min"),
        sa.CheckConstraint("probability >= 0", name="ck_opportunity_probability_min"),
        sa.CheckConstraint(
            "state IS NOT NULL AND pipeline_id IS NOT NULL AND stage IS NOT NULL", name="ck_opportunity_somewhere"
        ),
        sa.CheckConstraint("won_amount >= 0", name="ck_opportunity_won_amount_min"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_opportunity_board", "opportunity", ["pipeline_id", "stage", "id"], unique=False)
    op.create_index("ix_opportunity_close_date", "opportunity", ["close_date", "id"], unique=False)
    op.create_index("ix_opportunity_create_time", "opportunity", ["create_time", "id"], unique=False)
    op.create_index("ix_opportunity_customer_id", "opportunity", ["customer_id"], unique=False)
    op.create_index("ix_opportunity_department_id", "opportunity", ["department_id", "id"], unique=False)
    op.create_index("ix_opportunity_expected_amount", "opportunity", ["expected_amount", "id"], unique=False)
    op.create_index("ix_opportunity_expected_close_date", "opportunity", ["expected_close_date", "id"], unique=False)
    op.create_index(
        "ix_opportunity_lines",
        "opportunity",
        ["lines"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"lines": "jsonb_path_ops"},
    )
    op.create_index("ix_opportunity_owner_id", "opportunity", ["owner_id", "id"], unique=False)
    op.create_index("ix_opportunity_pipeline_id", "opportunity", ["pipeline_id"], unique=False)
    op.create_index(
        "ix_opportunity_search_grams", "opportunity", ["search_grams"], unique=False, postgresql_using="gin"
    )
    op.create_index("ix_opportunity_stage", "opportunity", ["stage", "id"], unique=False)
    op.create_index("ix_opportunity_state", "opportunity", ["state", "id"], unique=False)
    op.create_index(
        "uq_opportunity_external_id",
        "opportunity",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_opportunity_number", "opportunity", ["number"], unique=True)
    op.create_table(
        "pipeline",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stages", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_pipeline_default",
        "pipeline",
        ["default"],
        unique=True,
        postgresql_where=sa.text('"default" AND delete_time IS NULL'),
    )
    op.create_index(
        "uq_pipeline_external_id",
        "pipeline",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_pipeline_number", "pipeline", ["number"], unique=True)
    op.create_table(
        "price_item",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("price_list_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("price", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("min_quantity", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint("min_quantity >= 0", name="ck_price_item_min_quantity_min"),
        sa.CheckConstraint("min_quantity IS NOT NULL", name="ck_price_item_min_quantity_given"),
        sa.CheckConstraint("price >= 0", name="ck_price_item_price_min"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_price_item_price_list_id", "price_item", ["price_list_id"], unique=False)
    op.create_index("ix_price_item_product_id", "price_item", ["product_id"], unique=False)
    op.create_index(
        "uq_price_item_external_id",
        "price_item",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_price_item_number", "price_item", ["number"], unique=True)
    op.create_index(
        "uq_price_item_step",
        "price_item",
        ["price_list_id", "product_id", "min_quantity"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_table(
        "price_list",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_price_list_default",
        "price_list",
        ["default"],
        unique=True,
        postgresql_where=sa.text('"default" AND delete_time IS NULL'),
    )
    op.create_index(
        "uq_price_list_external_id",
        "price_list",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_price_list_number", "price_list", ["number"], unique=True)
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("series", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=True),
        sa.Column("search_grams", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_product_category_id", "product", ["category_id"], unique=False)
    op.create_index("ix_product_name", "product", ["name", "id"], unique=False)
    op.create_index("ix_product_search_grams", "product", ["search_grams"], unique=False, postgresql_using="gin")
    op.create_index(
        "uq_product_external_id",
        "product",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_product_number", "product", ["number"], unique=True)
    op.create_table(
        "product_category",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("updater_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=True),
        sa.Column("search_grams", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint("position >= 0", name="ck_product_category_position_min"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_product_category_parent_id", "product_category", ["parent_id"], unique=False)
    op.create_index(
        "ix_product_category_search_grams", "product_category", ["search_grams"], unique=False, postgresql_using="gin"
    )
    op.create_index(
        "uq_product_category_external_id",
        "product_category",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_product_category_number", "product_category", ["number"], unique=True)
