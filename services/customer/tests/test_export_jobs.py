"""Many records leaving the house as a job: the same rules as at once, at each step."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm.records.v1 import jobs_pb2
from crm.records.v1.exports_pb2 import FileName
from crm_kit.testing import Client, Server, refused

pytestmark = [pytest.mark.feature("CUS-07"), pytest.mark.feature("IDN-11")]


@pytest.fixture
def many(boss: Client) -> int:
    for begin in (0, 1000):
        rows = [
            {"name": f"客户{n:05}", "external_id": f"e{n}", "city": "上海", "employees": n}
            for n in range(begin, begin + 1000)
        ]
        boss.ImportCustomers(customers=rows)
    return 2000


def run(server: Server, person: Client, **asked: Any) -> jobs_pb2.Job:
    job = person.StartExport(record_type="customer", **asked)
    server.run_jobs()
    return person.GetJob(record_type="customer", id=job.id)


def file_of(person: Client, job: jobs_pb2.Job, part: int = 0) -> bytes:
    (file,) = job.files
    return person.ExportJobFile(record_type="customer", id=job.id, name=file.name, part=part).data


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_a_csv_file_is_put_together_of_many_steps(server: Server, boss: Client, many: int) -> None:
    job = run(server, boss, format="csv", fields="name,employees", order_by="name")
    assert (job.state, job.done, job.total, [f.name for f in job.files]) == ("done", many, many, ["customer.csv"])
    rows = table(file_of(boss, job))
    assert rows[0] == ["客户名称", "员工总数"]
    assert rows[1:] == [[f"客户{n:05}", str(n)] for n in range(many)]
    assert file_of(boss, job, part=1) == file_of(boss, job)
    with refused("NOT_FOUND"):
        file_of(boss, job, part=2)


def test_a_file_that_is_kept_has_one_name_and_each_part_its_own(server: Server, boss: Client) -> None:
    jobs = [run(server, boss, format="csv") for _ in range(2)]

    def name(job: jobs_pb2.Job, part: int = 0) -> str:
        told = FileName()
        body = boss.ExportJobFile(record_type="customer", id=job.id, name="customer.csv", part=part)
        assert body.extensions[0].Unpack(told)
        return told.name

    day = jobs[0].finish_time.ToDatetime(UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    mark = jobs[0].id[-6:]
    assert name(jobs[0]) == name(jobs[0]) == f"customer-{day:%Y%m%d-%H%M%S}-{mark}.csv"
    assert name(jobs[0], part=1) == f"customer-{day:%Y%m%d-%H%M%S}-{mark}-part1.csv"
    assert name(jobs[1]) != name(jobs[0])


def test_a_workbook_holds_every_row_and_its_mark(server: Server, boss: Client, many: int) -> None:
    job = run(server, boss, fields="name,employees", filter='city = "上海"')
    book = zipfile.ZipFile(io.BytesIO(file_of(boss, job)))
    sheet, about = (book.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (1, 2))
    assert sheet.count("<row ") == many + 1
    assert "总经理" in about
    assert "上海" in about


def test_an_export_that_was_killed_goes_on(server: Server, boss: Client, many: int) -> None:
    job = boss.StartExport(record_type="customer", format="csv", fields="name", order_by="name")
    server.run_jobs(steps=1)
    assert boss.GetJob(record_type="customer", id=job.id).done == 800
    server.run_jobs()
    rows = table(file_of(boss, boss.GetJob(record_type="customer", id=job.id)))
    assert [r[0] for r in rows[1:]] == [f"客户{n:05}" for n in range(many)]


def test_more_than_the_roles_allow_ends_the_job_and_leaves_no_file(server: Server, boss: Client, many: int) -> None:
    li = server.person(name="李", policy={"exportRows": 1500})
    job = run(server, li, fields="name")
    assert (job.state, list(job.files)) == ("failed", [])
    assert "1500" in job.reason


def test_who_loses_the_right_on_the_way_gets_nothing(server: Server, boss: Client, many: int) -> None:
    li = server.person(["customer.read", "customer.export"], name="李")
    job = li.StartExport(record_type="customer", fields="name")
    server.run_jobs(steps=1)
    server.sql("UPDATE org_role SET rights = '{customer.read}' WHERE 'customer.export' = ANY(rights)")
    server.service.organisation.forget()
    server.run_jobs()
    job = li.GetJob(record_type="customer", id=job.id)
    assert (job.state, list(job.files)) == ("failed", [])


def test_only_what_one_sees_leaves_and_only_its_maker_has_the_file(server: Server, boss: Client) -> None:
    near = server.person(["customer.*"], "self", name="近")
    near.CreateCustomer(customer={"name": "自己的", "mobile": "13800138000"})
    boss.CreateCustomer(customer={"name": "别人的"})
    job = run(server, near, format="csv", fields="name,mobile")
    assert [r[0] for r in table(file_of(near, job))[1:]] == ["自己的"]
    with refused("NOT_FOUND"):
        boss.ExportJobFile(record_type="customer", id=job.id, name="customer.csv")
    assert b"13800138000" not in b"".join(bytes(r[0]) for r in server.sql("SELECT content FROM job_file"))


@pytest.mark.parametrize("asked", [{"format": "pdf"}, {"fields": "nosuch"}, {"filter": "nosuch = 1"}])
def test_a_wrong_request_starts_nothing(boss: Client, asked: dict[str, str]) -> None:
    with refused("INVALID_ARGUMENT"):
        boss.StartExport(record_type="customer", **asked)
    assert not boss.ListJobs(record_type="customer").jobs
