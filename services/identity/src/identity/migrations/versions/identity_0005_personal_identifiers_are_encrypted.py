"""personal identifiers are encrypted

Columns change their type, so the release before cannot read them: nothing was released yet.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from crm import rule_pb2
from crm_records import encrypting

revision = "identity_0005"
down_revision = "identity_0004"
branch_labels = None
depends_on = ("kit_0003",)


def upgrade() -> None:
    tokens: sa.Column[list[str]] = sa.Column(
        "blind_index", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
    )
    op.add_column("user_account", tokens)
    formats = {"phone": rule_pb2.FORMAT_PHONE, "email": rule_pb2.FORMAT_EMAIL}
    encrypting.to_bytes(op.get_bind(), "user_account", list(formats))
    encrypting.seal(op.get_bind(), "user_account", formats)
    op.create_index(
        "ix_user_account_blind_index", "user_account", ["blind_index"], unique=False, postgresql_using="gin"
    )
