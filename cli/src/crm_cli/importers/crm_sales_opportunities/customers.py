"""Accounts become customers."""

import re
from collections.abc import Callable

from crm_cli.client import Json
from crm_cli.importers.base import Line, Reject
from crm_cli.importers.bulk import Stored, merged
from crm_cli.importers.crm_sales_opportunities.source import ACCOUNT, Source, external
from crm_cli.importers.crm_sales_opportunities.values import Unusable, amount, whole
from crm_cli.importers.dictionaries import Entry, ensure
from crm_cli.importers.run import Run

MILLION = 1_000_000
KIND = "customers"
REPAIRS = {"technolgy": "technology", "philipines": "Philippines"}
SECTORS = {
    "technology": "科技",
    "medical": "医疗",
    "retail": "零售",
    "software": "软件",
    "entertainment": "娱乐",
    "marketing": "营销",
    "telecommunications": "电信",
    "finance": "金融",
    "employment": "人力资源",
    "services": "服务",
}
COUNTRIES = {
    "Belgium": ("BE", "比利时"),
    "Brazil": ("BR", "巴西"),
    "China": ("CN", "中国"),
    "Germany": ("DE", "德国"),
    "Italy": ("IT", "意大利"),
    "Japan": ("JP", "日本"),
    "Jordan": ("JO", "约旦"),
    "Kenya": ("KE", "肯尼亚"),
    "Korea": ("KR", "韩国"),
    "Norway": ("NO", "挪威"),
    "Panama": ("PA", "巴拿马"),
    "Philippines": ("PH", "菲律宾"),
    "Poland": ("PL", "波兰"),
    "Romania": ("RO", "罗马尼亚"),
    "United States": ("US", "美国"),
}


def load(run: Run, source: Source, people: dict[str, str]) -> dict[str, str]:
    """Stores customers, then whose subsidiaries they are. Answers account → customer id."""
    run.reject(KIND, source.accounts.rejects)
    sectors = _codes(run, "industry", {sector_of(line) for line in source.accounts.lines}, _sector)
    countries = _codes(run, "country", {country_of(line) for line in source.accounts.lines}, _country)
    owners = source.main_agents()
    rows: list[Json] = []
    lines: list[Line] = []
    for line in source.accounts.lines:
        try:
            row = customer(line) | {
                "industry": sectors.get(sector_of(line)),
                "country": countries.get(country_of(line)),
            }
        except Unusable as reason:
            run.reject(KIND, [Reject(line, str(reason))])
            continue
        row["industry"], row["country"] = sectors.get(sector_of(line)), countries.get(country_of(line))
        row["ownerId"] = people.get(owners.get(line["account"], ""))
        rows.append({name: value for name, value in row.items() if value not in (None, "")})
        lines.append(line)
    stored = run.send(KIND, "customers", "customers", rows)
    ids = {line["account"]: one.id for line, one in zip(lines, stored, strict=True)}
    run.count(KIND, _subsidiaries(run, source, lines, stored, ids), lines)
    run.notes.append(
        "A customer belongs to the agent with the most opportunities there; others see it through their own ones."
    )
    return ids


def customer(line: Line) -> Json:
    """What the row says by itself."""
    year = whole(line, "year_established")
    if year is not None and not 1000 <= year <= 9999:
        raise Unusable(f"year_established {year} is no year")
    revenue = amount(line, "revenue", MILLION)
    return {
        "externalId": external(line["account"]),
        "name": line["account"],
        "foundingDate": f"{year}-01-01" if year else "",
        "annualRevenue": revenue,
        "employees": whole(line, "employees"),
        "remarks": "Annual revenue in USD." if revenue else "",
    }


def sector_of(line: Line) -> str:
    written = line["sector"].casefold()
    return REPAIRS.get(written, written)


def country_of(line: Line) -> str:
    written = line["office_location"]
    return REPAIRS.get(written.casefold(), written)


def _subsidiaries(
    run: Run, source: Source, lines: list[Line], stored: list[Stored], ids: dict[str, str]
) -> list[Stored]:
    """The second pass: by now every parent has an id."""
    whole = list(stored)
    places, rows = [], []
    for place, line in enumerate(lines):
        if not line["subsidiary_of"] or stored[place].outcome == "failed":
            continue
        parent = ids.get(source.name(ACCOUNT, line["subsidiary_of"]), "")
        if not parent:
            reason = f"stored, but not below {line['subsidiary_of']!r}: that is no account"
            whole[place] = Stored("failed", stored[place].id, reason)
            continue
        places.append(place)
        rows.append({"externalId": external(line["account"]), "name": line["account"], "parentId": parent})
    again = run.send("subsidiaries", "customers", "customers", rows)
    for place, one in zip(places, again, strict=True):
        whole[place] = merged(stored[place], one)
    return whole


def _codes(run: Run, dictionary: str, names: set[str], entry: Callable[[str], Entry]) -> dict[str, str]:
    """Name → code of the dictionary entry it has, made where it is missing."""
    wanted = {name: entry(name) for name in sorted(names) if name}
    found = ensure(run.client, "customer", dictionary, wanted.values())
    return {name: found[one.code] for name, one in wanted.items()}


def _sector(name: str) -> Entry:
    return Entry(_slug(name), SECTORS.get(name, name), name.capitalize())


def _country(name: str) -> Entry:
    code, label = COUNTRIES.get(name, (_slug(name), name))
    return Entry(code, label, name)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:60] or "other"
