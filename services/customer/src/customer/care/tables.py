"""Tables of care."""

from typing import Any

from sqlalchemy import ColumnElement, Index, Integer, cast, extract

from crm.customer.v1.care_days_pb2 import CareDay
from crm.customer.v1.care_items_pb2 import CareItem
from crm.customer.v1.care_plans_pb2 import CarePlan
from crm.customer.v1.care_templates_pb2 import CareTemplate
from crm.customer.v1.occasions_pb2 import Occasion
from crm_records import schema
from customer.tables import contact, customer, metadata

care_day = schema.table(metadata, CareDay.DESCRIPTOR, "care_day")
schema.unique(care_day, "code")
schema.tell_unique(care_day, CareDay.DESCRIPTOR)

care_template = schema.table(metadata, CareTemplate.DESCRIPTOR, "care_template")
care_plan = schema.table(metadata, CarePlan.DESCRIPTOR, "care_plan")

occasion = schema.table(metadata, Occasion.DESCRIPTOR, "occasion")
Index("ix_occasion_record_id", occasion.c.record_id)
Index("ix_occasion_kind", occasion.c.kind)

care_item = schema.table(metadata, CareItem.DESCRIPTOR, "care_item")
_one = (care_item.c[n] for n in ("plan_id", "record_id", "occasion_key", "occasion_date"))
Index("uq_care_item_occasion", *_one, unique=True)
"""One for each plan, person and occasion, whatever happens."""
Index("ix_care_item_record_id", care_item.c.record_id)
Index("ix_care_item_send_time", care_item.c.send_time, care_item.c.id)
Index("ix_care_item_performer_id", care_item.c.performer_id)
Index("ix_care_item_leaving", care_item.c.send_time, postgresql_where=care_item.c.state == "confirmed")
Index("ix_care_item_proposed", care_item.c.occasion_date, postgresql_where=care_item.c.state == "proposed")


def month_and_day(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Month × 100 + day, as the indexes of birthdays have it."""
    return cast(extract("month", column) * 100 + extract("day", column), Integer)


for _table in (contact, customer):
    _c = _table.c
    Index(f"ix_{_table.name}_birthday", month_and_day(_c.birthday), postgresql_where=_c.birthday.is_not(None))
    Index(f"ix_{_table.name}_lunar_birthday", _c.lunar_birthday, postgresql_where=_c.lunar_birthday.is_not(None))
Index(
    "ix_customer_founding_date",
    month_and_day(customer.c.founding_date),
    postgresql_where=customer.c.founding_date.is_not(None),
)
