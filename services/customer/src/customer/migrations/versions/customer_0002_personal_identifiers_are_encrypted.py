"""personal identifiers are encrypted

Columns change their type, so the release before cannot read them: nothing was released yet.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from crm import rule_pb2
from crm_records import encrypting

revision = "customer_0002"
down_revision = "customer_0001"
branch_labels = None
depends_on = ("kit_0003", "records_0001")

_PHONE, _EMAIL, _OTHER = rule_pb2.FORMAT_PHONE, rule_pb2.FORMAT_EMAIL, rule_pb2.FORMAT_UNSPECIFIED
_CUSTOMER = {
    "phone": _PHONE,
    "fax": _PHONE,
    "mobile": _PHONE,
    "email": _EMAIL,
    "wechat": _OTHER,
    "bank_account": _OTHER,
}
_CONTACT = {
    "phone": _PHONE,
    "office_phone": _PHONE,
    "mobile": _PHONE,
    "home_phone": _PHONE,
    "fax": _PHONE,
    "email": _EMAIL,
    "wechat": _OTHER,
    "home_address": _OTHER,
}


def upgrade() -> None:
    connection = op.get_bind()
    for table, formats in (("customer", _CUSTOMER), ("contact", _CONTACT)):
        op.add_column(table, sa.Column("identity_number", sa.LargeBinary(), nullable=True))
        tokens: sa.Column[list[str]] = sa.Column(
            "blind_index", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        )
        op.add_column(table, tokens)
        encrypting.to_bytes(connection, table, list(formats))
    op.execute(
        "ALTER TABLE contact ALTER family DROP DEFAULT, ALTER family DROP NOT NULL,"
        " ALTER family TYPE bytea USING convert_to(nullif(family, '[]')::text, 'UTF8')"
    )
    encrypting.seal(connection, "customer", _CUSTOMER, also=_of_contacts)  # while those can still be read
    encrypting.seal(connection, "contact", _CONTACT, whole=["family"])
    _hide_fax()
    for table in ("customer", "contact"):
        op.create_index(f"ix_{table}_blind_index", table, ["blind_index"], unique=False, postgresql_using="gin")


def _of_contacts(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
    """What customers were found by of their contacts."""
    names = ("phone", "office_phone", "mobile", "wechat")
    query = sa.text(f"SELECT customer_id::text, {', '.join(names)} FROM contact WHERE customer_id = ANY(:ids)")  # noqa: S608
    found: dict[str, list[tuple[int, str]]] = {}
    for row in connection.execute(query.bindparams(sa.bindparam("ids", list(ids), sa.ARRAY(sa.Uuid(as_uuid=False))))):
        values = [(_CONTACT[n], bytes(getattr(row, n)).decode()) for n in names if getattr(row, n)]
        found.setdefault(row.customer_id, []).extend(values)
    return found


def _hide_fax() -> None:
    """A fax number was not sensitive until now: the change log told it."""
    op.execute(
        "UPDATE change_log SET changes = (SELECT jsonb_agg(CASE c->>'field' WHEN 'fax' THEN jsonb_build_object("
        "'field', 'fax', 'before', CASE WHEN c->>'before' IS NOT NULL THEN '***' END,"
        " 'after', CASE WHEN c->>'after' IS NOT NULL THEN '***' END) ELSE c END) FROM jsonb_array_elements(changes) c)"
        " WHERE record_type IN ('customer', 'contact') AND changes @> '[{\"field\": \"fax\"}]'"
    )
