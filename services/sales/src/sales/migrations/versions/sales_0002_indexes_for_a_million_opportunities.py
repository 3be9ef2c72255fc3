"""Indexes that lists of a million opportunities need; while they are made, opportunities are read but not written."""

import sqlalchemy as sa
from alembic import op

revision = "sales_0002"
down_revision = "sales_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_opportunity_board_amount", "opportunity", ["pipeline_id", "stage", "expected_amount", "id"], unique=False
    )
    op.create_index(
        "ix_opportunity_custom",
        "opportunity",
        ["custom"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"custom": "jsonb_path_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "ix_opportunity_lost_reason",
        "opportunity",
        ["lost_reason", "id"],
        unique=False,
        postgresql_where=sa.text("lost_reason IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_opportunity_source",
        "opportunity",
        ["source", "id"],
        unique=False,
        postgresql_where=sa.text("source IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        "ix_opportunity_tags",
        "opportunity",
        ["tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index("ix_opportunity_title", "opportunity", ["title", "id"], unique=False)
