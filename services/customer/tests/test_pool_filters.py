"""What a pool's filter may ask for, and that the night asks it as a list does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm_kit.pool import today
from crm_kit.testing import Client

pytestmark = pytest.mark.feature("CUS-10")


@pytest.mark.parametrize(
    "condition",
    [
        'custom.line = "gas"',
        'NOT custom.line = "oil"',
        'custom.line:"ga"',
        "custom.sites >= 2",
        "custom.since < 2021-01-01",
        'name:"甲"',
        'tags = "重点"',
        'tags in ("重点", "其他")',
        'city in ("上海", "杭州")',
        'phone = "0571-88886666"',
        "credit_limit > 10.5",
        'create_time > "2020-01-01T00:00:00Z"',
        "parent_id = null",
    ],
)
def test_a_pool_is_responsible_for_those_whom_a_list_with_its_filter_shows(
    boss: Client, pools: Any, condition: str
) -> None:
    for key, kind in (("line", "text"), ("sites", "number"), ("since", "date")):
        field = {"key": key, "kind": kind, "label_zh": key, "label_en": key}
        boss.CreateCustomField(record_type="customer", custom_field=field)
    fields = {"city": "上海", "tags": ["重点"], "phone": "0571-88886666", "credit_limit": "20"}
    custom = {"line": "gas", "sites": 3, "since": "2020-02-03"}
    fits = boss.CreateCustomer(customer={"name": "甲公司", "custom": custom, **fields})
    other = boss.CreateCustomer(customer={"name": "乙公司", "custom": {"line": "oil"}})
    pool = pools.make("燃气", filter=condition, return_rules=[{"no_contact_days": 10}])
    pools.own_since(today() - timedelta(days=20))
    shown = {c.id for c in boss.ListCustomers(filter=condition).customers}
    assert fits.id in shown
    assert [boss.GetReturnTerms(id=i).pool_id for i in (fits.id, other.id)] == [
        pool.id if i in shown else "" for i in (fits.id, other.id)
    ]

    job = pools.night(today())

    assert (job.state, job.result["returned"]) == ("done", len(shown))
    assert {c.id for c in boss.ListCustomers(filter=f'pool_id = "{pool.id}"').customers} == shown
