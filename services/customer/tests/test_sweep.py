"""The daily sweep over all customers: whatever kills it, the next process goes on, and everything is computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crm_kit.job_runner import Jobs
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_kit.testing import Client, Server
from customer.standing import computing, sweep

pytestmark = [pytest.mark.feature("CUS-16"), pytest.mark.feature("CUS-17"), pytest.mark.feature("CUS-18")]

DAY = date(2026, 11, 24)
BANDS = [
    {"to": "10000", "relation": "new"},
    {"from": "10000", "to": "510000", "relation": "small"},
    {"from": "510000", "relation": "large"},
]

_CUSTOMERS = """
INSERT INTO customer (id, name, relation, lifecycle, create_time, update_time, first_order_date, last_order_date)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '客户' || n, 'new', 'potential',
  '2025-01-01', '2025-01-01', CASE WHEN n % 10 = 0 THEN d END, CASE WHEN n % 10 = 0 THEN d END
FROM generate_series(1, :many) n, LATERAL (SELECT date '2025-12-01' + n % 360 AS d) x
"""
_MONTHS = """
INSERT INTO customer_trade_month (customer_id, month, order_amount, order_count)
SELECT id, date_trunc('month', last_order_date), 1000 * (10 + n % 900), 1
FROM (SELECT *, row_number() OVER (ORDER BY id) n FROM customer) c WHERE last_order_date IS NOT NULL
"""
_STATE = {
    "customers": "SELECT id, relation, lifecycle, lifecycle_date, version FROM customer ORDER BY id",
    "results": "SELECT customer_id, topic, value, since_date, reasons - 'churnCase' FROM standing_result ORDER BY 1, 2",
    "history": "SELECT customer_id, topic, from_value, to_value, date FROM standing_history ORDER BY 1, 2",
    "cases": "SELECT customer_id, state, basis, warn_date FROM churn_case ORDER BY 1",
    "events": "SELECT subject, count(*) FROM outbox GROUP BY 1 ORDER BY 1",
}


def fill(server: Server, many: int) -> None:
    """Customers of whom nothing was computed yet; every tenth ordered once within the year before."""
    tables = ("standing_result", "standing_history", "churn_case", "change_log", "outbox", "job", "customer")
    for table in (*tables, "customer_trade_month"):
        server.sql(f"DELETE FROM {table}")
    server.sql(_CUSTOMERS, many=many)
    server.sql(_MONTHS)
    server.sql("ANALYZE")


@pytest.fixture
def rule(boss: Client) -> None:
    made = boss.CreateGradingRule(
        grading_rule={"name": "销售额", "base": "sales", "period": "months", "months": 12, "bands": BANDS}
    )
    boss.ActivateGradingRule(id=made.id, etag=made.etag)


def state(server: Server) -> dict[str, list[Any]]:
    # The rules are the same, so their ids are; numbers and ids of what was made anew are not.
    return {name: [tuple(row) for row in server.sql(query)] for name, query in _STATE.items()}


def queue(server: Server) -> None:
    server.sql("DELETE FROM job")
    server.sql("DELETE FROM outbox")
    server.service.act(lambda call: sweep.start(call, DAY))


class Killed(BaseException):
    """Nothing catches it, like a signal."""


@pytest.mark.parametrize(("many", "between"), [(2000, 1), pytest.param(10_000, 6, marks=pytest.mark.long)])
def test_a_sweep_that_is_killed_again_and_again_ends_like_one_that_is_not(
    server: Server, rule: None, many: int, between: int, measured: Callable[[str], None]
) -> None:
    fill(server, many)
    queue(server)
    steps = server.run_jobs()
    expected = state(server)
    fill(server, many)
    queue(server)

    def dies(call: Call, job: Job) -> Step:
        sweep.step(call, job)
        raise Killed

    service, kills = server.service, 0
    while server.run_jobs(between) == between:  # a process does some steps and dies in the middle of the next
        dying = replace(sweep.SWEEP, step=dies)
        try:
            Jobs(service.writer, service.name, service.organisation, [dying]).step()
        except Killed:
            kills += 1
    found = state(server)

    assert kills >= 5
    for name in expected:
        assert found[name] == expected[name], name
    (row,) = server.sql("SELECT state, done, total FROM job")
    assert tuple(row) == ("done", many, many)
    changed = sum(1 for row in expected["customers"] if row[4] > 1)
    assert changed >= many / 10
    measured(
        f"{many} customers in {steps} steps, killed {kills} times: equal, {changed} changed, "
        f"{len(expected['cases'])} churn cases, {len(expected['results'])} results"
    )


def test_time_alone_changes_results_once_a_day(server: Server, boss: Client, order: Any) -> None:
    one = boss.CreateCustomer(customer={"name": "按日"}).id
    order(one, "2025-05-24", "1")
    for hour in (1, 2, 3):
        server.service.runner().start_daily(datetime(2026, 11, 24, hour, tzinfo=UTC))
    found = server.sql("SELECT parameters->>'day' FROM job WHERE kind = :kind", kind=sweep.KIND)
    assert [day for (day,) in found] == ["2026-11-24"]

    server.run_jobs()

    assert boss.GetCustomer(id=one).lifecycle == "leaving"


def test_a_sweep_tells_how_far_it_is_and_is_cancelled(server: Server, boss: Client, rule: None) -> None:
    fill(server, 1000)
    queue(server)
    server.run_jobs(3)
    (job,) = boss.ListJobs(record_type="customer").jobs
    assert (job.kind, job.state, job.done, job.total) == (sweep.KIND, "running", 3 * sweep.SIZE, 1000)

    boss.CancelJob(record_type="customer", id=job.id)
    server.run_jobs()

    assert boss.GetJob(record_type="customer", id=job.id).state == "cancelled"
    assert server.sql("SELECT count(*) FROM standing_result WHERE topic = 'relation'") == [(3 * sweep.SIZE,)]


def test_one_that_cannot_be_computed_does_not_hold_up_the_others(
    server: Server, boss: Client, order: Any, recompute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (boss.CreateCustomer(customer={"name": name}).id for name in ("好", "坏"))
    for one in (good, bad):
        order(one, "2026-11-01", "1")

    def fails(bunch: Any, today: date) -> Any:
        if bad in bunch.ids:
            raise RuntimeError("cannot")
        return ()

    broken = computing.Computation("broken", fails)
    monkeypatch.setattr(computing, "COMPUTATIONS", [*computing.COMPUTATIONS, broken])
    assert recompute(DAY) == 2
    assert recompute(DAY) == 0
    assert [boss.GetCustomer(id=i).lifecycle for i in (good, bad)] == ["trading", "potential"]
    assert [e.record_id for e in server.events("customer") if e.action == "staged"] == [good]


def test_what_is_written_while_it_is_computed_is_computed_again(
    server: Server, boss: Client, order: Any, recompute: Any
) -> None:
    one = boss.CreateCustomer(customer={"name": "甲"}).id
    order(one, "2026-11-01", "1")
    order(one, "2026-11-02", "1")
    assert recompute(DAY) == 1
    boss.UpdateCustomer(
        customer={"id": one, "purchasing_power": "5"},
        update_mask={"paths": ["purchasing_power"]},
        etag=boss.GetCustomer(id=one).etag,
    )
    assert recompute(DAY) == 1
    assert server.sql("SELECT count(*) FROM standing_mark") == [(0,)]
