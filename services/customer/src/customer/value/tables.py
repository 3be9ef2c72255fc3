"""Value models, the scores that they give, and how those were."""

from sqlalchemy import Column, Date, Index, Integer, Numeric, Table, Text, Uuid

from crm.customer.v1.value_models_pb2 import ValueModel
from crm_records import schema
from customer.tables import metadata

_ID = Uuid(as_uuid=False)
_SCORE = Numeric(7, 4)

value_model = schema.table(metadata, ValueModel.DESCRIPTOR, "value_model")
_c = value_model.c
Index("uq_value_model_code", _c.code, unique=True, postgresql_where=(_c.state == "active") & _c.delete_time.is_(None))
schema.tell_unique(value_model, ValueModel.DESCRIPTOR)

score = Table(
    "customer_score",
    metadata,
    Column("customer_id", _ID, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("score", _SCORE, nullable=False),
    Column("level", Text, nullable=False),
    Column("model_id", _ID, nullable=False),
    Column("model_version", Integer, nullable=False),
)
"""The computed score of each customer by the code of a model: what conditions and tiers are asked of."""
Index("ix_customer_score_score", score.c.code, score.c.score, score.c.customer_id)

score_change = Table(
    "customer_score_change",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("customer_id", _ID, nullable=False),
    Column("code", Text, nullable=False),
    Column("score", _SCORE, nullable=False),
    Column("level", Text, nullable=False),
    Column("date", Date, nullable=False),
    Column("model_id", _ID, nullable=False),
    Column("model_version", Integer, nullable=False),
)
"""Each score that differed from the one before."""
Index("ix_customer_score_change_customer", score_change.c.customer_id, score_change.c.id)
