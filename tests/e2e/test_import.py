"""The practice data set "CRM Sales Opportunities" through a whole suite: what goes in comes out, to who may see it.

The data set is not part of the project: the environment variable CRM_SAMPLE_DATA names its folder.
"""

import csv
import os
import re
import signal
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_cli.client import Client
from crm_kit.testing.suite import ADMIN_PASSWORD, Suite, eventually

DATA = Path(os.environ.get("CRM_SAMPLE_DATA") or "not given")
FIRST, OWN = "the-first-password", "the-own-password"

pytestmark = [
    pytest.mark.feature("EDG-09"),
    pytest.mark.skipif(
        not (DATA / "sales_pipeline.csv").is_file(),
        reason="CRM_SAMPLE_DATA does not name the folder of the data set CRM Sales Opportunities",
    ),
]


def begin_import(suite: Suite) -> subprocess.Popen[bytes]:
    words = ("--url", suite.url, "--initial-password", FIRST, "--yes")
    return suite.run("import", "crm-sales-opportunities", str(DATA), *words)


def import_all(suite: Suite) -> dict[str, list[int]]:
    """Kind → rows, created, updated, unchanged, failed; as printed."""
    assert begin_import(suite).wait(600) == 0, suite.said("import")
    lines = re.findall(r"^ +([a-z][a-z ]*?)((?: +[\d,]+){5}) *$", suite.said("import"), re.MULTILINE)
    return {kind: [int(figure.replace(",", "")) for figure in figures.split()] for kind, figures in lines}


def client(suite: Suite, username: str = "admin", password: str = ADMIN_PASSWORD) -> Client:
    made = Client(suite.url)
    made.login(username, password)
    return made


@pytest.fixture(scope="module")
def runs(suite: Suite) -> list[dict[str, list[int]]]:
    """An import that is killed half-way, one that goes on, one that finds everything there."""
    admin = client(suite)
    first = begin_import(suite)
    eventually(lambda: count(admin) >= 1000 or first.poll() is not None, 120)
    first.kill()
    assert first.wait() == -signal.SIGKILL, suite.said("import")
    stored = count(admin)
    assert 1000 <= stored < 8800
    second, third = import_all(suite), import_all(suite)
    assert 0 < second["opportunities"][1] <= 8800 - stored
    assert eventually(lambda: summary(admin, "stage")["total"].get("count") == 8800, 60)
    return [second, third]


@pytest.fixture
def admin(suite: Suite, runs: list[Any]) -> Client:
    return client(suite)


def count(client: Client) -> int:
    return int(client.get("/v1/opportunities", pageSize=1, count="exact").get("total") or 0)


def summary(client: Client, group: str) -> dict[str, Any]:
    return client.get("/v1/reports/opportunity-summary", groupBy=group)


def won(client: Client, group: str) -> dict[str, Decimal]:
    return {row["label"]: Decimal(row["wonAmount"]) for row in summary(client, group)["rows"]}


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_killed_goes_on_and_stores_every_row(runs: list[dict[str, list[int]]]) -> None:
    figures = {kind: (total, failed) for kind, (total, *_, failed) in runs[0].items()}

    assert figures["opportunities"] == (8800, 0)
    assert figures["customers"] == (85, 0)
    assert figures["products"] == (7, 0)
    assert figures["sales people"] == (35, 0)
    assert figures["managers"] == (6, 0)
    assert figures["offices"] == (3, 0)


def test_running_it_again_changes_nothing(runs: list[dict[str, list[int]]]) -> None:
    assert all(unchanged == total for total, _, _, unchanged, _ in runs[1].values()), runs[1]


def test_the_figures_of_the_whole(admin: Client) -> None:
    stages = {row["key"]: row["count"] for row in summary(admin, "stage")["rows"]}
    total = summary(admin, "stage")["total"]

    assert count(admin) == 8800
    assert stages == {"prospecting": 500, "engaging": 1589, "lost": 2473, "won": 4238}
    assert Decimal(total["wonAmount"]) == 10_005_534
    assert round(total["winRate"] * 100, 2) == 63.15
    assert round(total["meanCycleDays"], 1) == 51.8


def test_the_figures_by_region_manager_product_and_customer(admin: Client) -> None:
    customers = won(admin, "customer")

    assert won(admin, "region") == {"Central": 3_346_293, "West": 3_568_647, "East": 3_090_594}
    assert sorted(won(admin, "manager").values(), reverse=True) == [
        2_251_930, 1_964_750, 1_960_545, 1_603_897, 1_130_049, 1_094_363,
    ]  # fmt: skip
    assert won(admin, "product")["GTX Pro"] == 3_510_578
    assert max(customers, key=lambda name: customers[name]) == "Kan-code"
    assert customers["Kan-code"] == 341_455


def test_subsidiaries_dictionaries_and_owners(admin: Client) -> None:
    customers = {one["name"]: one for one in admin.all("/v1/customers", "customers", fields="*")}

    parents = {one["id"]: name for name, one in customers.items()}
    stored = {name: parents.get(one.get("parentId") or "", "") for name, one in customers.items()}
    assert stored == {row["account"]: row["subsidiary_of"] for row in rows("accounts.csv")}
    assert customers["Acme Corporation"]["industry"] == "technology"
    assert customers["Bioholding"]["country"] == "PH"
    assert customers["Acme Corporation"]["annualRevenue"] == "1100040000.00"
    assert customers["Acme Corporation"]["foundingDate"] == "1996-01-01"


MANAGERS = ("Dustin Brinkmann", "Melvin Marxen", "Cara Losch", "Rocco Neubert", "Celia Rouche", "Summer Sewald")


@pytest.mark.parametrize("name", [*MANAGERS, "Moses Frase"])
def test_everybody_sees_exactly_their_own_part(suite: Suite, admin: Client, name: str) -> None:
    team = {row["sales_agent"] for row in rows("sales_teams.csv") if row["manager"] == name} or {name}
    deals = [row for row in rows("sales_pipeline.csv") if row["sales_agent"] in team]
    username = name.lower().replace(" ", ".")
    suite.first_login(username, FIRST, OWN)
    person = client(suite, username, OWN)

    listed = {one["externalId"] for one in person.all("/v1/opportunities", "opportunities", fields="id,external_id")}
    groups = person.get("/v1/opportunities:summary", groupBy="stage")["groups"]
    report = summary(person, "owner")

    assert listed == {deal["opportunity_id"] for deal in deals}
    assert count(person) == len(deals)
    stages = Counter(deal["deal_stage"].lower() for deal in deals)
    assert {group["key"]: group["count"] for group in groups} == stages
    assert report["total"]["count"] == len(deals)
    assert {row["label"] for row in report["rows"]} == {deal["sales_agent"] for deal in deals}
    earned = sum(Decimal(deal["close_value"]) for deal in deals if deal["deal_stage"] == "Won")
    assert Decimal(report["total"]["wonAmount"]) == earned
