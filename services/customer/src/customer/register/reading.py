"""A register file, line by line: CSV with a head line, or JSON lines. Nobody vouches for what stands in it.

One company is one line, so a broken quotation mark spoils its own line only, and a line is never longer in memory than
`LONGEST`. A line that cannot be used is told with its number and why, and the next one is read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from crm.customer.v1 import company_register_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_records import fields as kinds
from crm_records import validation
from crm_records.record import Row

LONGEST = 64 * 1024
"""Bytes of a line at most."""
RISKS = 200
"""Risks of a company at most."""
FIELDS = (
    "name",
    "credit_code",
    "legal_representative",
    "registered_capital",
    "founding_date",
    "status",
    "address",
    "scope",
)
_DESCRIBED = kinds.of(pb.RegisteredCompany.DESCRIPTOR)
_RISK = kinds.of(pb.RegisterRisk.DESCRIPTOR)
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?", re.ASCII)
_CAPITAL = re.compile(r"([\d.]+)\s*(万|亿)?\s*(?:元|人民币|元人民币|人民币元|CNY|RMB)?", re.ASCII)
_TIMES = {None: 1, "万": 10_000, "亿": 100_000_000}
_ALSO = {
    "企业名称": "name",
    "公司名称": "name",
    "名称": "name",
    "统一社会信用代码": "credit_code",
    "信用代码": "credit_code",
    "法定代表人": "legal_representative",
    "法人": "legal_representative",
    "注册资本": "registered_capital",
    "成立日期": "founding_date",
    "登记状态": "status",
    "经营状态": "status",
    "状态": "status",
    "住所": "address",
    "注册地址": "address",
    "地址": "address",
    "经营范围": "scope",
    "风险": "risks",
}
_NAMES = {
    **_ALSO,
    **{n: n for n in (*FIELDS, "risks")},
    **{_DESCRIBED[n].json_name: n for n in FIELDS},
}
"""What a column or key may be called."""

errors.texts(
    {
        "line_too_long": ("行超过 {limit} 字节", "The line has more than {limit} bytes"),
        "line_not_utf8": ("不是 UTF-8 编码", "It is not UTF-8"),
        "line_not_json": ("不是有效的 JSON 对象", "It is not a valid JSON object"),
        "line_not_csv": ("引号不成对", "Its quotation marks do not match"),
        "line_columns": ("有 {count} 列，应为 {expected} 列", "It has {count} columns instead of {expected}"),
        "bad_risks": ("风险应为最多 {limit} 项的列表", "Risks must be a list of at most {limit}"),
    }
)

Line = tuple[int, Row | Problem]
"""The number of a line and the company in it, or what is wrong."""


class NoRegister(Exception):
    """The file cannot be a register at all."""


def companies(path: Path) -> Iterator[Line]:
    """Every line of a file that holds something. NoRegister where the head line lacks name or code."""
    with path.open("rb") as file:
        numbered = _lines(file)
        yield from _csv(numbered) if path.suffix.lower() == ".csv" else _json(numbered)


def _lines(file: BinaryIO) -> Iterator[tuple[int, str | Problem]]:
    """Lines as text; of one that is too long the rest is passed over without keeping it."""
    number = 0
    while raw := file.readline(LONGEST + 1):
        number += 1
        if len(raw) > LONGEST and not raw.endswith(b"\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield number, Problem("", "line_too_long", {"limit": LONGEST})
            continue
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError:
            yield number, Problem("", "line_not_utf8")
            continue
        if text.strip():
            yield number, text


def _json(lines: Iterable[tuple[int, str | Problem]]) -> Iterator[Line]:
    for number, text in lines:
        if isinstance(text, Problem):
            yield number, text
            continue
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        yield number, _company(found) if type(found) is dict else Problem("", "line_not_json")


def _csv(lines: Iterator[tuple[int, str | Problem]]) -> Iterator[Line]:
    _, head = next(lines, (0, ""))
    columns = [_NAMES.get(c.strip()) for c in _cells(head)] if isinstance(head, str) else []
    if not {"name", "credit_code"} <= set(columns):
        raise NoRegister("The head line must name the columns name (企业名称) and credit_code (统一社会信用代码).")
    for number, text in lines:
        if isinstance(text, Problem):
            yield number, text
            continue
        try:
            cells = _cells(text)
        except csv.Error:
            yield number, Problem("", "line_not_csv")
            continue
        if len(cells) != len(columns):
            yield number, Problem("", "line_columns", {"count": len(cells), "expected": len(columns)})
            continue
        yield number, _company({c: cell for c, cell in zip(columns, cells, strict=True) if c})


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], strict=True), [])


def _company(found: Mapping[str, Any]) -> Row | Problem:
    """The columns of a company, or the first thing that is wrong with it. Keys that we do not know are left aside."""
    given = {_NAMES[key]: value for key, value in found.items() if key in _NAMES}
    texts: dict[str, str] = {}
    for name in FIELDS:
        value = given.get(name)
        if value is None:
            continue
        if type(value) not in (str, int, float):
            return _wrong(name, "wrong_type", expected=("文字", "a text"))
        texts[name] = str(value).strip()
    texts["founding_date"] = _day(texts.get("founding_date", ""))
    texts["registered_capital"] = _capital(texts.get("registered_capital", ""))
    problems: list[Problem] = []
    message: Any = pb.RegisteredCompany()
    for name, value in _sendable(texts).items():
        setattr(message, name, value)
    row = validation.row_values(message, FIELDS, _DESCRIBED, problems)
    if problems:
        return problems[0]
    for name in ("name", "credit_code"):
        if not row[name]:
            return _wrong(name, "required")
    risks = _risks(given.get("risks"))
    if isinstance(risks, Problem):
        return risks
    row["risks"] = risks
    return row


def _sendable(texts: Mapping[str, str]) -> dict[str, str]:
    """Half of a surrogate pair comes out of JSON and goes into no message."""
    return {n: t.encode("utf-8", "replace").decode() for n, t in texts.items()}


def _day(text: str) -> str:
    """2026-01-31 as it is; 2026/1/31 and 2026年1月31日 as such. What else it is, the check says."""
    found = _DAY.match(text)
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else text


def _capital(text: str) -> str:
    """Yuan, from 1000000, 100万, 100万元人民币. Other money and dashes are no amount in yuan, and left out."""
    found = _CAPITAL.fullmatch(text.replace(",", "").replace("，", ""))
    value = validation.number(found[1]) if found else None
    if found is None or value is None:
        return ""
    return f"{round(value * Decimal(_TIMES[found[2]]), 2):f}"


def _risks(value: Any) -> list[dict[str, str]] | Problem:
    if type(value) is str and value.strip():
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return Problem("risks", "bad_risks", {"limit": RISKS})
    if not value:
        return []
    if type(value) is not list or len(value) > RISKS:
        return Problem("risks", "bad_risks", {"limit": RISKS})
    found = []
    for risk in value:
        if type(risk) is not dict or not all(type(risk.get(n, "")) is str for n in _RISK):
            return Problem("risks", "bad_risks", {"limit": RISKS})
        texts = {n: risk.get(n, "").strip() for n in _RISK}
        texts["date"] = _day(texts["date"])
        problems: list[Problem] = []
        validation.row_values(pb.RegisterRisk(**_sendable(texts)), _RISK, _RISK, problems, "risks.")
        if problems:
            return problems[0]
        found.append(texts)
    return found


def _wrong(name: str, key: str, **params: Any) -> Problem:
    described = _DESCRIBED[name]
    return Problem(described.json_name, key, {"label": described.label, **params})
