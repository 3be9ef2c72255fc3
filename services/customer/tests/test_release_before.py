"""What the release before wrote down is known again by the one that comes after."""

from __future__ import annotations

import dataclasses

import pytest
from alembic import command
from sqlalchemy import text

from crm_kit import ids, migrate
from crm_kit.service import KIT_METADATA
from crm_kit.testing import connect
from customer.app import SERVICE

ALERT = text(
    "INSERT INTO alert (id, create_time, update_time, customer_id, record_type, record_id, title, customer_name, kind,"
    " date, state, unique_key) VALUES (:id, now(), now(), :customer, 'contact', :contact, '生日', '甲', 'birthday',"
    " :date, :state, :key)"
)
CARE = text(
    "INSERT INTO care_item (id, create_time, update_time, plan_id, record_type, record_id, customer_id, occasion,"
    " occasion_key, occasion_date, channel, language, state) VALUES (:id, now(), now(), :plan, 'contact', :contact,"
    " :customer, :occasion, :key, :date, 'mail', 'zh', 'sent')"
)


@pytest.mark.feature("CUS-21")
@pytest.mark.feature("CUS-22")
def test_alerts_and_care_of_the_release_before_are_known_by_their_reason() -> None:
    service = dataclasses.replace(SERVICE)
    connect(service, "customer_release_before")
    alembic = migrate.config(service.writer, service.versions, [*KIT_METADATA, *service.metadata])
    for revision in ("kit_0008", "records_0008", "customer_0015"):
        command.upgrade(alembic, revision)
    customer, contact, plan, own = (ids.uuid7() for _ in range(4))
    known = {"customer": customer, "contact": contact, "plan": plan}
    with service.writer.begin() as connection:
        for year, state in ((2024, "done"), (2025, "open"), (2026, "open")):
            key = f"birthday:{contact}:{year}"
            connection.execute(ALERT, {**known, "id": ids.uuid7(), "date": f"{year}-05-01", "state": state, "key": key})
            keys = [("birthday", f"{year}"), ("birthday", f"L{year - 1}"), ("occasion", f"{own}:{year}")]
            for occasion, care_key in keys:
                row = {"id": ids.uuid7(), "occasion": occasion, "key": care_key, "date": f"{year}-05-01"}
                connection.execute(CARE, {**known, **row})
    service.migrate()

    with service.writer.connect() as connection:
        alerts = connection.execute(text("SELECT date::text, state, unique_key FROM alert ORDER BY date")).all()
        care = connection.execute(text("SELECT occasion_key, count(*) FROM care_item GROUP BY 1 ORDER BY 2, 1")).all()
    assert [(date, state) for date, state, _ in alerts] == [
        ("2024-05-01", "done"),
        ("2025-05-01", "done"),
        ("2026-05-01", "open"),
    ]
    assert alerts[2].unique_key == f"birthday:{contact}"
    assert dict(tuple(row) for row in care) == {"birthday": 3, "birthday:2": 3, own: 3}
    service.writer.dispose()
