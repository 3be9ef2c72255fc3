"""The register that works offline: the table that `importing` made of a file."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from sqlalchemy import select, text

from crm.customer.v1 import company_register_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import checked_numbers, search
from customer.register.importing import compared
from customer.register.provider import Found
from customer.register.tables import company, imported

NAME = "file"
MOST = 1000
"""Candidates that are looked at."""
_EVERYWHERE = ("有限责任公司", "股份有限公司", "有限公司", "集团", "公司", "股份", "有限")
"""What stands in so many names that it finds nothing: alone it is looked for at the beginning only."""
_SHOWN = (
    "c.name, c.credit_code, c.legal_representative, c.registered_capital, c.founding_date, c.status, c.address,"
    " c.import_id"
)
_RANK = "CASE WHEN c.search_text = :words THEN 0 WHEN c.search_text LIKE :begins THEN 1 ELSE 2 END"
_BEGINS = (
    "SELECT c.credit_code FROM register_company c WHERE c.search_text LIKE :begins"
    " ORDER BY c.search_text, c.credit_code LIMIT :most"
)
_HOLDS = (
    "SELECT c.credit_code FROM register_company c WHERE c.search_grams @> CAST(:pairs AS text[])"
    " AND c.search_text LIKE :holds ORDER BY c.credit_code LIMIT :most"
)

errors.texts(
    {
        "name_too_short": ("请至少输入名称的 {limit} 个字", "Give {limit} characters of the name at least"),
    }
)


class FromFile:
    """See `Provider`."""

    def search(self, call: Call, name: str, size: int, token: str) -> Found:
        """The same name, then names that begin so, then names that hold it; each in the order of the names."""
        code, wrong = checked_numbers.credit_code(name)
        if wrong is None:
            one = self.facts(call, code)
            return Found([one] if one else [])
        words = compared(name)
        if len(words) < 2:
            raise errors.Invalid(Problem("name", "name_too_short", {"limit": 2}))
        imports = _imports(call)
        found, behind = f"({_BEGINS})", ""
        asked = search.parameters(words)
        begins = asked["search_like"].removeprefix("%")
        bound: dict[str, Any] = {"words": words, "begins": begins, "most": MOST + 1, "size": size + 1}
        if not _is_everywhere(words):
            found += f" UNION ({_HOLDS})"
            bound |= {"pairs": asked["search_keys"], "holds": asked["search_like"]}
        if token:
            behind = "WHERE (rank, search_text, credit_code) > (:rank, :text, :code)"
            bound |= _position(words, token)
        query = (
            f"WITH found AS MATERIALIZED ({found}), ranked AS (SELECT {_SHOWN}, c.search_text, {_RANK} AS rank"  # noqa: S608 - our own words
            " FROM found f JOIN register_company c USING (credit_code))"
            " SELECT *, (SELECT count(*) FROM found) AS candidates"
            f" FROM ranked {behind} ORDER BY rank, search_text, credit_code LIMIT :size"
        )
        rows = call.connection.execute(text(query), bound).mappings().all()
        page = [_message(row, imports) for row in rows[:size]]
        more = ""
        if len(rows) > size:
            last = rows[size - 1]
            plain = orjson.dumps([words, last["rank"], last["search_text"], last["credit_code"]])
            more = base64.urlsafe_b64encode(plain).decode()
        return Found(page, more, bool(rows) and rows[0]["candidates"] > MOST)

    def facts(self, call: Call, credit_code: str) -> pb.RegisteredCompany | None:
        """By the code."""
        imports = _imports(call)
        query = select(company).where(company.c.credit_code == credit_code.upper())
        row = call.connection.execute(query).mappings().one_or_none()
        return _message(row, imports) if row else None


def _is_everywhere(words: str) -> bool:
    for each in _EVERYWHERE:
        words = words.replace(each, "")
    return len(words) < 2


def _imports(call: Call) -> dict[int, Any]:
    """As of when the facts of each import are. FAILED_PRECONDITION before the first one was finished."""
    query = select(imported.c.id, imported.c.facts_time, imported.c.finish_time)
    rows = call.connection.execute(query).all()
    if not any(row.finish_time for row in rows):
        raise errors.Conflict("register_empty")
    return {row.id: row.facts_time for row in rows}


def _message(row: Any, imports: dict[int, Any]) -> pb.RegisteredCompany:
    made = pb.RegisteredCompany(
        id=row["credit_code"],
        etag=str(row["import_id"]),
        name=row["name"],
        credit_code=row["credit_code"],
        legal_representative=row["legal_representative"] or "",
        registered_capital="" if row["registered_capital"] is None else f"{row['registered_capital']:f}",
        founding_date="" if row["founding_date"] is None else row["founding_date"].isoformat(),
        status=row["status"] or "",
        address=row["address"] or "",
        scope=row.get("scope") or "",
        risks=[pb.RegisterRisk(**risk) for risk in row.get("risks") or ()],
        provider=NAME,
    )
    made.facts_time.FromDatetime(imports[row["import_id"]])
    return made


def _position(words: str, token: str) -> dict[str, Any]:
    try:
        asked, rank, name, code = orjson.loads(base64.urlsafe_b64decode(token))
        if asked != words or type(rank) is not int or "\x00" in name + code:
            raise ValueError
        return {"rank": rank, "text": name, "code": code}
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
