"""Exports as they are: byte-order marks, quotes, blank lines, missing and strange columns."""

import csv
from pathlib import Path

import pytest

from crm_cli.importers.base import Line, Reject, read, write_rejects
from crm_cli.settings import Wrong


def table(folder: Path, content: str | bytes, encoding: str = "utf-8"):  # type: ignore[no-untyped-def]
    data = content if isinstance(content, bytes) else content.encode(encoding)
    (folder / "accounts.csv").write_bytes(data)
    return read(folder, "accounts.csv", ("account", "sector"), "account")


def test_a_byte_order_mark_quotes_and_blank_lines_are_no_dirt(tmp_path: Path) -> None:
    found = table(tmp_path, 'account,sector\r\n"Gekko, ""Co""",retail\r\n\r\n,\r\n  Inity , x\r\n', "utf-8-sig")

    assert [dict(line.cells) for line in found.lines] == [
        {"account": 'Gekko, "Co"', "sector": "retail"},
        {"account": "Inity", "sector": "x"},
    ]
    assert found.lines[1].number == 5
    assert not found.rejects


def test_columns_nobody_asked_for_are_named_and_order_and_case_do_not_matter(tmp_path: Path) -> None:
    found = table(tmp_path, "Colour,SECTOR,Account\nred,retail,Inity\n")

    assert found.ignored == ["colour"]
    assert found.lines[0]["account"] == "Inity"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Inity", "1 cells instead of 2"),
        ("Inity,a,b", "3 cells instead of 2"),
        (",retail", "account is empty"),
        ("Acme,retail", "account Acme is in line 2 already"),
    ],
)
def test_a_row_that_cannot_be_used_is_kept_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    found = table(tmp_path, f"account,sector\nAcme,retail\n{row}\n")

    assert [(reject.line.number, reject.reason) for reject in found.rejects] == [(3, reason)]
    assert len(found.lines) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("account\nInity\n", "sector"),
        ("account,account,sector\n", "each of these columns once: account"),
        ("", "is empty"),
        (b"account,sector\nK\xf6nig,x\n", "not UTF-8"),
        ('account,sector\n"Inity,x\n', "line 2"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(Wrong, match=said) as refusal:
        table(tmp_path, content)

    assert "accounts.csv" in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match=r"accounts\.csv is missing"):
        read(tmp_path, "accounts.csv", ("account",), "account")


def test_rejects_of_several_files_stand_in_one_with_all_their_columns(tmp_path: Path) -> None:
    rejects = [
        Reject(Line("a.csv", 2, {"account": "Ä, B"}), "why"),
        Reject(Line("b.csv", 7, {"deal": "1"}), "because"),
    ]

    write_rejects(tmp_path / "rejects.csv", rejects)

    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "reason", "account", "deal"],
            ["a.csv", "2", "why", "Ä, B", ""],
            ["b.csv", "7", "because", "", "1"],
        ]
