"""R49: files that are made to do harm are refused by one clear reason, in bounded work, and nothing else notices."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from crm_kit.testing import Client, Server
from crm_records.imports import xlsx_xml
from crm_records.imports.testing import Importer, as_csv, counts
from hostile import CORPUS, harmless, rows, sheet, workbook

pytestmark = [pytest.mark.figure("R49"), pytest.mark.feature("CUS-07")]

UNPACKED = 40 * 1024 * 1024
"""Bytes of XML that any of these files may cost before it is refused."""


class Meter:
    """Counts what is unpacked and parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        advance = xlsx_xml.Stream.advance

        def counted(stream: xlsx_xml.Stream) -> bool:
            before = stream.fed
            try:
                return advance(stream)
            finally:
                self.bytes += stream.fed - before

        monkeypatch.setattr(xlsx_xml.Stream, "advance", counted)


def reason_of(error: Any) -> str:
    """The reason of a refusal, which is a person's mistake and none of ours."""
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert status.message
    return info.reason


def refusal_of(importer: Importer, content: bytes) -> str:
    """Why a file is not imported: told at once, or by the job that reads it. Empty where it is read."""
    try:
        made = importer.send(content)
    except grpc.RpcError as error:
        return reason_of(error)
    assert made.state in ("ready", "failed")
    assert bool(made.reason) == (made.state == "failed")
    assert "内部错误" not in made.reason
    return made.reason


def test_every_hostile_file_is_refused_by_one_reason_in_bounded_work(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch, measured: Callable[[str], None]
) -> None:
    importer, meter = Importer(server, boss), Meter(monkeypatch)
    refused, taken, most, longest = dict[str, str](), list[str](), 0, (0.0, "")
    for name, make in CORPUS.items():
        content = make()
        meter.bytes, began = 0, time.process_time()
        why = refusal_of(importer, content)
        longest = max(longest, (time.process_time() - began, name))
        refused[name] = why
        most = max(most, meter.bytes)
        if not why:
            taken.append(name)
        assert meter.bytes < UNPACKED, name
        del content
        assert boss.ListCustomers(page_size=1).total == 0
    assert taken == []
    assert len(refused) >= 40
    assert counts(importer.put(as_csv([["客户名称"], ["还在"]]))) == (1, 0, 0, 0, 0)
    measured(
        f"{len(refused)} of {len(CORPUS)} hostile files refused; for one at most {most / 1e6:.0f} MB of XML parsed"
        f" and {longest[0]:.1f} s of CPU spent ({longest[1]})"
    )


def test_a_hostile_file_takes_no_memory_worth_mentioning(server: Server, boss: Client) -> None:
    importer = Importer(server, boss)
    bombs = ["zip bomb in the sheet", "laughs in sheet", "quadratic in strings", "deep nesting", "a million columns"]
    files = [CORPUS[name]() for name in bombs]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in files:
        assert refusal_of(importer, content)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 64, f"{grown:.0f} MiB"


@pytest.mark.parametrize(("name", "content"), list(harmless()), ids=[n for n, _ in harmless()])
def test_what_is_only_strange_is_read(server: Server, boss: Client, name: str, content: bytes) -> None:
    importer = Importer(server, boss)
    made = importer.send(content)
    assert made.state == "ready", made.reason
    stored = importer.store(importer.set(made, {"名称": "name"}))
    assert stored.created == stored.rows
    assert {c.name for c in boss.ListCustomers().customers} <= {"甲", "乙"}


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "text/html"])
def test_a_file_that_is_called_something_else_is_refused(server: Server, boss: Client, kind: str) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        Importer(server, boss).send(as_csv([["客户名称"], ["甲"]]), content_type=kind)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_more_rows_than_a_table_has_are_told_when_they_come(server: Server, boss: Client) -> None:
    made = Importer(server, boss).send(workbook(level=1, sheet=sheet(rows(200_100))))
    assert (made.state, made.reason) == ("failed", "超过 200000 行，请拆分文件")
    assert boss.ListCustomers(page_size=1).total == 0
