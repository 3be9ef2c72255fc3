"""P06: a hundred thousand rows in, with three of a hundred bad, and out again; and what memory that takes."""

from __future__ import annotations

import io
import json
import random
import time
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

import data
import pytest
import xlsxwriter
from processes import Process, cpu_by_name
from suite import Suite

ROWS = 100_000
HEAD = [
    "客户名称",
    "外部标识",
    "客户级别",
    "行业",
    "省份",
    "城市",
    "地址",
    "电话",
    "邮箱",
    "员工总数",
    "成立日期",
    "备注",
]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook() -> bytes:
    """The rows as people have them: names, codes as labels, phones, days. Three of a hundred have a wrong cell."""
    out, chance = io.BytesIO(), random.Random(6)
    with xlsxwriter.Workbook(out, {"constant_memory": False, "in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEAD)
        for n in range(ROWS):
            made = data.customer(chance, n)
            staff = "很多" if n % 100 in (7, 41, 83) else str(chance.randrange(5, 5000))
            row = [
                made["name"],
                f"import-{n}",
                "A 级",
                "制造业",
                "浙江省",
                made.get("city", "杭州市"),
                f"文三路 {n} 号",
            ]
            sheet.write_row(n + 1, 0, [*row, f"0571-{n:08}", f"a{n}@example.com", staff, "2015/6/1", "老客户"])
    return out.getvalue()


def peak(process: Process) -> float:
    """MiB of resident memory at most so far."""
    with open(f"/proc/{process.pid}/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


class Watch:
    """Time, CPU of the customer service and of PostgreSQL, and memory from here on."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.service = [p for p in suite.processes() if p.name == "customer"]
        self.began, self.cpu = time.monotonic(), cpu_by_name(self.service)["customer"]
        self.before = self.highest = sum(p.pss() for p in self.service)

    def look(self) -> None:
        self.highest = max(self.highest, sum(p.pss() for p in self.service))

    def said(self) -> str:
        seconds, cpu = time.monotonic() - self.began, cpu_by_name(self.service)["customer"] - self.cpu
        after = sum(p.pss() for p in self.service)
        return (
            f"{seconds:.1f} s, {ROWS / seconds:.0f} rows/s, {cpu:.1f} s CPU of the service"
            f" ({cpu / ROWS * 1e6:.0f} µs a row);"
            f" memory {self.before:.0f} MiB before, {self.highest:.0f} at most, {after:.0f} after"
        )


def ask(suite: Suite, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{suite.http}{path}", body, method=method)
    request.add_header("Authorization", f"Bearer {suite.token}")
    request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=120) as answer:
        content = answer.read()
    return json.loads(content) if answer.headers["Content-Type"] == "application/json" else content


def until(suite: Suite, watch: Watch, path: str, busy: tuple[str, ...]) -> Any:
    while True:
        time.sleep(0.5)
        watch.look()
        found = ask(suite, "GET", path)
        if found["state"] not in busy:
            return found


@pytest.mark.bench
@pytest.mark.figure("P06")
@pytest.mark.feature("CUS-07")
def test_a_hundred_thousand_rows_in_and_out(suite: Suite, say: Callable[[str], None]) -> None:
    suite.sign_in()
    content = workbook()
    say(f"{len(content) / 1e6:.1f} MB: a workbook of {ROWS} rows and {len(HEAD)} columns, 3 % of them bad")
    suite.settle()
    imports = "/v1/records/customer/imports"
    whole = Watch(suite)
    made = ask(suite, "POST", f"{imports}?fileName=a.xlsx", content, XLSX)
    one = f"{imports}/{made['id']}"
    made = until(suite, whole, one, ("reading",))
    assert (made["state"], made["rows"]) == ("ready", ROWS), made
    say(f"read: {whole.said()}")
    storing = Watch(suite)
    ask(suite, "POST", f"{one}:start", b"{}")
    made = until(suite, storing, one, ("storing",))
    say(f"stored: {storing.said()}")
    say(f"import in all, target 120 s: {whole.said()}")
    told = [made.get(n, 0) for n in ("created", "updated", "unchanged", "skipped", "rejected")]
    say(f"created {told[0]}, rejected {told[4]}, together {sum(told)} of {made['rows']}")
    assert sum(told) == made["rows"] == ROWS
    assert told[4] == ROWS * 3 // 100

    suite.settle()
    for kind in ("xlsx", "csv"):
        suite.sign_in()
        watch = Watch(suite)
        job = ask(suite, "POST", "/v1/records/customer/exports", json.dumps({"format": kind}).encode())
        path = f"/v1/records/customer/jobs/{job['id']}"
        job = until(suite, watch, path, ("queued", "running"))
        assert job["state"] == "done", job
        file = b"".join(
            ask(suite, "GET", f"{path}/files/{job['files'][0]['name']}?part={n + 1}")
            for n in range(job["files"][0]["parts"])
        )
        say(f"export to {kind}, {len(file) / 1e6:.1f} MB, target 60 s: {watch.said()}")
        rows = file.count(b"\r\n") - 1 if kind == "csv" else sheet_rows(file) - 1
        assert rows == job["done"] >= ROWS - ROWS * 3 // 100


def sheet_rows(file: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        return book.read("xl/worksheets/sheet1.xml").count(b"<row ")
