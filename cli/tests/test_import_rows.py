"""Rows of the data set "CRM Sales Opportunities", made here: what each becomes, and why some cannot be stored."""

from pathlib import Path

import pytest

from crm_cli.importers.base import Line
from crm_cli.importers.crm_sales_opportunities import customers, people
from crm_cli.importers.crm_sales_opportunities.opportunities import Deals
from crm_cli.importers.crm_sales_opportunities.source import PRODUCT, Source, open_source
from crm_cli.importers.crm_sales_opportunities.values import Unusable

ACCOUNTS = """account,sector,year_established,revenue,employees,office_location,subsidiary_of
Alpha Works,technolgy,1996,1100.04,2822,Philipines,
Beta Shop,retail,1999,1,5,United States,Alpha Works
"""
TEAMS = "sales_agent,manager,regional_office\nAnn Bell,Cora Dunn,East\nEd Fox,Cora Dunn,East\n"
PRODUCTS = "product,series,sales_price\nZX Pro,ZX,4821\nZX Mini,ZX,55\n"
PIPELINE = """opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value
W,Ann Bell,ZXPro,Alpha Works,Won,2017-01-02,2017-02-03,4500
L,Ed Fox,ZX Mini,Alpha Works,Lost,2017-01-02,2017-02-03,0
E,Ed Fox,ZX Mini,,Engaging,2017-01-02,,
P,Ed Fox,ZX Mini,Beta Shop,Prospecting,,,
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    names = {"accounts": ACCOUNTS, "sales_teams": TEAMS, "products": PRODUCTS, "sales_pipeline": PIPELINE}
    for name, content in names.items():
        (tmp_path / f"{name}.csv").write_text(content)
    source = open_source(tmp_path)
    source.meant[PRODUCT, "ZXPro"] = "ZX Pro"
    return source


@pytest.fixture
def deals(source: Source) -> Deals:
    staff, accounts = {"Ann Bell": "ann", "Ed Fox": "ed"}, {"Alpha Works": "alpha", "Beta Shop": "beta"}
    return Deals(source, "b2b", staff, accounts, {"ZX Pro": "pro", "ZX Mini": "mini"})


def changed(source: Source, key: str, **cells: str) -> Line:
    line = next(line for line in source.pipeline.lines if line["opportunity_id"] == key)
    return Line(line.file, line.number, line.cells | cells)


def test_a_won_deal_brings_its_history_along(source: Source, deals: Deals) -> None:
    assert deals.opportunity(changed(source, "W")) == {
        "externalId": "W",
        "title": "ZX Pro – Alpha Works",
        "ownerId": "ann",
        "customerId": "alpha",
        "pipelineId": "b2b",
        "stage": "won",
        "state": "won",
        "lines": [{"productId": "pro"}],
        "engageDate": "2017-01-02",
        "closeDate": "2017-02-03",
        "wonAmount": "4500.00",
        "stageHistory": [
            {"stage": "prospecting", "leaveTime": "2017-01-02T12:00:00Z"},
            {"stage": "engaging", "enterTime": "2017-01-02T12:00:00Z", "leaveTime": "2017-02-03T12:00:00Z"},
            {"stage": "won", "enterTime": "2017-02-03T12:00:00Z"},
        ],
    }


def test_lost_engaging_and_prospecting_deals(source: Source, deals: Deals) -> None:
    lost, engaging, prospecting = (deals.opportunity(changed(source, key)) for key in "LEP")

    assert (lost["stage"], lost["wonAmount"], lost["closeDate"]) == ("lost", "0.00", "2017-02-03")
    assert engaging["title"] == "ZX Mini – no account"
    assert "customerId" not in engaging
    assert "closeDate" not in engaging
    assert prospecting["stageHistory"] == [{"stage": "prospecting"}]
    assert "engageDate" not in prospecting


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"product": "Unheard"}, "product 'Unheard' is not in its list"),
        ({"account": "Unheard"}, "account 'Unheard' is not in its list"),
        ({"sales_agent": "Unheard"}, "agent 'Unheard' is not in its list"),
        ({"deal_stage": "Maybe"}, "deal_stage 'Maybe'"),
        ({"close_date": ""}, "close_date is empty"),
        ({"close_date": "31.12.2017"}, "is no date"),
        ({"close_value": "much"}, "is no number"),
        ({"close_value": ""}, "close_value is empty"),
        ({"close_value": "-1"}, "is no amount"),
    ],
)
def test_a_row_that_cannot_be_stored_says_why(source: Source, deals: Deals, cells: dict[str, str], reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        deals.opportunity(changed(source, "W", **cells))


def test_unknown_names_are_found_in_every_file(source: Source) -> None:
    assert [(found.name, found.meant, found.rows) for found in source.unknown()] == [("ZXPro", "ZX Pro", 1)]


def test_a_customer_belongs_to_who_has_the_most_deals_there(source: Source) -> None:
    assert source.main_agents() == {"Alpha Works": "Ann Bell", "Beta Shop": "Ed Fox"}


def test_an_account_becomes_a_customer_with_its_misspellings_repaired(source: Source) -> None:
    line = source.accounts.lines[0]

    assert customers.customer(line) == {
        "externalId": "crm-sales-opportunities:Alpha Works",
        "name": "Alpha Works",
        "foundingDate": "1996-01-01",
        "annualRevenue": "1100040000.00",
        "employees": 2822,
        "remarks": "Annual revenue in USD.",
    }
    assert (customers.sector_of(line), customers.country_of(line)) == ("technology", "Philippines")


def test_a_manager_in_two_offices_is_listed(source: Source) -> None:
    second = Line("sales_teams.csv", 9, {"sales_agent": "Gil", "manager": "Cora Dunn", "regional_office": "West"})

    good, bad = people.one_office_each([*source.teams.lines, second])

    assert len(good) == 2
    assert [(reject.line.number, reject.reason) for reject in bad] == [
        (9, "Cora Dunn is named in East before, here in West")
    ]


def test_user_names_are_made_of_names_and_differ() -> None:
    names = ["Moses Frase", "Mei-Mei Johns", "Zoë  O'Hara", "moses frase", "李伟"]

    assert list(people.usernames(names).values()) == [
        "moses.frase",
        "mei-mei.johns",
        "zoe.o.hara",
        "moses.frase.2",
        "user",
    ]
