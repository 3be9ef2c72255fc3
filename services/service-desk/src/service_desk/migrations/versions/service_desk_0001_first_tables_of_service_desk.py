"""first tables of service_desk"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "service_desk_0001"
down_revision = None
branch_labels = ("service_desk",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copy_customer",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("department_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_copy_customer_owner_id", "copy_customer", ["owner_id"], unique=False)
    op.create_table(
        "service_request",
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
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("priority", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("promise_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("assign_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("handling", sa.Text(), nullable=True),
        sa.Column("handle_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handler_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("feedback_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rounds", sa.Integer(), nullable=True),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "linked_ids", postgresql.ARRAY(sa.Uuid(as_uuid=False)), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("deleter_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=True),
        sa.Column("search_grams", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint("rounds >= 0", name="ck_service_request_rounds_min"),
        sa.CheckConstraint("satisfaction >= 1", name="ck_service_request_satisfaction_min"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_service_request_creator_id", "service_request", ["creator_id", "id"], unique=False)
    op.create_index("ix_service_request_customer_id", "service_request", ["customer_id"], unique=False)
    op.create_index("ix_service_request_department_id", "service_request", ["department_id", "id"], unique=False)
    op.create_index("ix_service_request_merged_into_id", "service_request", ["merged_into_id"], unique=False)
    op.create_index("ix_service_request_owner_id", "service_request", ["owner_id", "id"], unique=False)
    op.create_index(
        "ix_service_request_search_grams", "service_request", ["search_grams"], unique=False, postgresql_using="gin"
    )
    op.create_index(
        "uq_service_request_external_id",
        "service_request",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("uq_service_request_number", "service_request", ["number"], unique=True)
