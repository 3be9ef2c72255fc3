"""The four files, and names that are written in one of them otherwise than in the other."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from crm_cli.importers.base import Table, read
from crm_cli.importers.mapping import Proposal, proposals

DATASET = "crm-sales-opportunities"
PRODUCT, ACCOUNT, AGENT = "product", "account", "agent"


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that is read, and which unknown name was accepted to mean which known one."""

    accounts: Table
    teams: Table
    products: Table
    pipeline: Table
    meant: dict[tuple[str, str], str]

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.accounts, self.teams, self.products, self.pipeline

    def name(self, kind: str, written: str) -> str:
        return self.meant.get((kind, written), written)

    def unknown(self) -> list[Proposal]:
        """Every name that is not in its list, with what it may mean."""
        deals = self.pipeline.lines
        accounts = [line["account"] for line in self.accounts.lines]
        named = [line["account"] for line in deals] + [line["subsidiary_of"] for line in self.accounts.lines]
        return [
            *proposals(PRODUCT, (line["product"] for line in deals), (p["product"] for p in self.products.lines)),
            *proposals(ACCOUNT, named, accounts),
            *proposals(AGENT, (line["sales_agent"] for line in deals), (t["sales_agent"] for t in self.teams.lines)),
        ]

    def main_agents(self) -> dict[str, str]:
        """Account → the agent with the most opportunities there; of equals the first by name."""
        known = {line["sales_agent"] for line in self.teams.lines}
        deals: dict[str, Counter[str]] = {}
        for line in self.pipeline.lines:
            agent = self.name(AGENT, line["sales_agent"])
            if line["account"] and agent in known:
                deals.setdefault(self.name(ACCOUNT, line["account"]), Counter())[agent] += 1
        return {account: min(count, key=lambda agent: (-count[agent], agent)) for account, count in deals.items()}


def open_source(folder: Path) -> Source:
    """Reads the files; refuses a folder where one is missing or has other columns."""
    account = ("account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of")
    deal = (
        "opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value",
    )  # fmt: skip
    return Source(
        accounts=read(folder, "accounts.csv", account, "account"),
        teams=read(folder, "sales_teams.csv", ("sales_agent", "manager", "regional_office"), "sales_agent"),
        products=read(folder, "products.csv", ("product", "series", "sales_price"), "product"),
        pipeline=read(folder, "sales_pipeline.csv", deal, "opportunity_id"),
        meant={},
    )


def external(name: str) -> str:
    """The key under which a record of this data set is found again."""
    return f"{DATASET}:{name}"
