"""Document numbers of entries are unique.

Entries that shared one before stay as they are: all but the first of them are marked and left out of the index.
"""

import sqlalchemy as sa
from alembic import op

revision = "customer_0013"
down_revision = "customer_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "trade_entry", sa.Column("number_shared", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(
        "UPDATE trade_entry SET number_shared = true FROM trade_entry first"
        " WHERE first.customer_id = trade_entry.customer_id AND first.kind = trade_entry.kind"
        " AND first.document_number = trade_entry.document_number AND first.id < trade_entry.id"
        " AND first.delete_time IS NULL AND trade_entry.source_type IN ('manual', 'import')"
        " AND first.source_type IN ('manual', 'import')"
    )
    op.create_index(
        "uq_trade_entry_document_number",
        "trade_entry",
        ["customer_id", "kind", "document_number"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL AND NOT number_shared AND source_type IN ('manual', 'import')"),
    )
