"""Tables of the register: the index of a register file, and what was taken over from any register."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from customer.tables import metadata

_ID = Uuid(as_uuid=False)
_TIME = DateTime(timezone=True)

company = Table(
    "register_company",
    metadata,
    Column("credit_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("legal_representative", Text),
    Column("registered_capital", Numeric(18, 2)),
    Column("founding_date", Date),
    Column("status", Text),
    Column("address", Text),
    Column("scope", Text),
    Column("risks", JSONB, nullable=False, server_default=text("'[]'")),
    Column("import_id", BigInteger, nullable=False),
    # As the search compares names: half width, lower case, without spaces; and its pairs of characters.
    Column("search_text", Text, nullable=False),
    Column("search_grams", ARRAY(Text), nullable=False),
)
Index(
    "ix_register_company_search_text",
    company.c.search_text,
    company.c.credit_code,
    postgresql_ops={"search_text": "text_pattern_ops"},
)
Index("ix_register_company_search_grams", company.c.search_grams, postgresql_using="gin")
Index("ix_register_company_import_id", company.c.import_id)

imported = Table(
    "register_import",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("file_name", Text, nullable=False),
    # When the file was last changed: as of when its facts are.
    Column("facts_time", _TIME, nullable=False),
    Column("start_time", _TIME, nullable=False),
    Column("finish_time", _TIME),
    Column("stored", Integer, nullable=False, server_default=text("0")),
    Column("skipped", Integer, nullable=False, server_default=text("0")),
)

takeover = Table(
    "register_takeover",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("customer_id", _ID, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Column("time", _TIME, nullable=False),
    Column("actor_id", _ID),
    Column("actor_name", Text, nullable=False),
)
Index("ix_register_takeover_customer_id", takeover.c.customer_id, takeover.c.time, takeover.c.id)
