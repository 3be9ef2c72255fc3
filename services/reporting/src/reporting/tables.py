"""The read models: one row for each record as it stands, wide enough that a report joins nothing large.

Lines and stays repeat the owner, the department and what is counted of their opportunity, so that every report
is one scan of one table, and every row that is added up was prepared when its event came. A deleted record keeps
its rows, marked; every other row counts.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

metadata = MetaData()

_MONEY = Numeric(18, 2)


def _id(name: str = "id") -> Column[str]:
    return Column(name, Uuid(as_uuid=False), primary_key=True)


def _belonging() -> list[Column[Any]]:
    """Where a row belongs, as every data scope asks; whether it counts."""
    return [
        Column("owner_id", Uuid(as_uuid=False)),
        Column("department_id", Uuid(as_uuid=False)),
        Column("deleted", Boolean, nullable=False),
    ]


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False)


def _counted() -> list[Column[Any]]:
    """What the figures of opportunities are added up from."""
    return [
        # "open", "won" or "lost": an archived opportunity stays what it was.
        Column("outcome", Text, nullable=False),
        Column("won_amount", _MONEY, nullable=False),
        Column("open_amount", _MONEY, nullable=False),
        # Days from engagement to closing; only of won ones.
        Column("cycle_days", Integer),
        # Day of closing; of the open ones the day it is expected.
        Column("report_date", Date),
        # Whose success or failure it is, where that is not the owner: closed ones that were handed over since.
        Column("credited_id", Uuid(as_uuid=False)),
    ]


fact_customer = Table(
    "fact_customer",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("type", Text),
    Column("level", Text),
    Column("relation", Text),
    Column("industry", Text),
    Column("province", Text),
    Column("region", Text),
    Column("source", Text),
    Column("month", Text),
    # The public pool in which it lies: its members see it.
    Column("pool_id", Uuid(as_uuid=False)),
    *_belonging(),
    _version(),
)

fact_opportunity = Table(
    "fact_opportunity",
    metadata,
    _id(),
    Column("customer_id", Uuid(as_uuid=False)),
    Column("stage", Text),
    Column("quarter", Text),
    # Since when it stands in that stage: of a closed one, since when it is closed.
    Column("stage_time", DateTime(timezone=True)),
    *_counted(),
    *_belonging(),
    _version(),
)

fact_opportunity_line = Table(
    "fact_opportunity_line",
    metadata,
    _id("opportunity_id"),
    # One row for each product, so that an opportunity counts once; 0 is the first.
    Column("position", SmallInteger, primary_key=True),
    # None is the one row of an opportunity without lines.
    Column("product_id", Uuid(as_uuid=False)),
    *_counted(),
    *_belonging(),
)
"""An opportunity shared over its products: the amounts of its rows add up to its own."""

fact_stage_stay = Table(
    "fact_stage_stay",
    metadata,
    _id("opportunity_id"),
    Column("stage", Text, primary_key=True),
    Column("pipeline_id", Uuid(as_uuid=False)),
    # Of all stays that ended; None where none did.
    Column("days", Double),
    Column("current", Boolean, nullable=False),
    # Every stage it ever entered, as " a b c ".
    Column("entered", Text, nullable=False),
    *_belonging(),
)
"""All stays of one opportunity in one stage."""

fact_service_request = Table(
    "fact_service_request",
    metadata,
    _id(),
    Column("customer_id", Uuid(as_uuid=False)),
    Column("state", Text),
    Column("kind", Text),
    Column("priority", Text),
    Column("month", Text),
    Column("satisfaction", SmallInteger),
    Column("create_time", DateTime(timezone=True)),
    # Earliest of all versions: a request that is handled again keeps it.
    Column("first_handle_time", DateTime(timezone=True)),
    # Whoever made a request sees it, and while it is nobody's, so do those who reach their records.
    Column("creator_id", Uuid(as_uuid=False)),
    *_belonging(),
    _version(),
)

dim_product = Table(
    "dim_product",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    _version(),
)

dim_pipeline = Table(
    "dim_pipeline",
    metadata,
    _id(),
    Column("is_default", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    _version(),
)

dim_stage = Table(
    "dim_stage",
    metadata,
    _id("pipeline_id"),
    Column("position", SmallInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("label_en", Text, nullable=False),
)

dim_entry = Table(
    "dim_dictionary_entry",
    metadata,
    Column("service", Text, primary_key=True),
    Column("dictionary", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("label_zh", Text, nullable=False),
    Column("label_en", Text, nullable=False),
    _version(),
)
"""Each service has dictionaries of its own."""

hand_over = Table(
    "hand_over",
    metadata,
    _id("opportunity_id"),
    Column("version", Integer, primary_key=True),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("from_id", Uuid(as_uuid=False)),
    Column("to_id", Uuid(as_uuid=False)),
)
"""Each time an opportunity was handed over (离职交接) or back: by what version, from whom to whom."""

FACTS = (fact_customer, fact_opportunity, fact_opportunity_line, fact_stage_stay, fact_service_request)
for _fact in FACTS:
    Index(f"ix_{_fact.name}_owner_id", _fact.c.owner_id)
    Index(f"ix_{_fact.name}_department_id", _fact.c.department_id, postgresql_where=_fact.c.owner_id.is_(None))
