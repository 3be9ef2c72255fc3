"""The reporting service as its tests see it: a company of a few people, and opportunities at random."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.users_pb2 import User
from crm.sales.v1.opportunities_pb2 import Opportunity, Pipeline
from crm.sales.v1.products_pb2 import Product
from crm_kit import ids
from crm_kit.testing import Client, Server, event, running
from reporting.app import SERVICE
from reporting.tables import metadata

STAGES = [
    ("prospecting", "初步接触", "Prospecting", "open"),
    ("engaging", "深入沟通", "Engaging", "open"),
    ("won", "赢单", "Won", "won"),
    ("lost", "输单", "Lost", "lost"),
]


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    with running(SERVICE) as server:
        yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.reset()
    return running_server


@pytest.fixture
def boss(server: Server) -> Client:
    """Somebody with every right on everything."""
    return server.person(name="总经理")


class Company:
    """Departments, people and what they sell, as the events of their services tell it."""

    def __init__(self, server: Server, boss: Client) -> None:
        self.server, self.boss = server, boss
        self.parents: dict[str, str] = {}
        self.regions: dict[str, str] = {}
        self.managers: dict[str, str] = {boss.user_id: ""}
        self.homes: dict[str, str] = {boss.user_id: ""}
        head = self.department("总部")
        east = self.department("东区", head, "east")
        west = self.department("西区", head, "west")
        self.departments = [head, east, west, self.department("东区一部", east), self.department("海外", "")]
        self.east, self.west, self.east_one = east, west, self.departments[3]
        self.ann = self.person("安经理", "subordinates", east)
        self.bob = self.person("包经理", "department_tree", west)
        self.sellers = [
            self.person("甲", "self", self.east_one, self.ann),
            self.person("乙", "self", east, self.ann),
            self.person("丙", "department", west, self.bob),
            self.person("丁", [{"resource": "*", "scope": "chosen", "departmentIds": [east, head]}], ""),
        ]
        self.products = [ids.uuid7() for _ in range(4)]
        self.customers = [ids.uuid7() for _ in range(5)]
        self.pipeline = Pipeline(id=ids.uuid7(), name="标准", default=True)
        for code, zh, en, kind in STAGES:
            self.pipeline.stages.add(code=code, label_zh=zh, label_en=en, kind=kind)
        server.deliver("sales", event(self.pipeline, "created"))
        server.deliver(
            "sales", *(event(Product(id=i, name=f"产品{n}"), "created") for n, i in enumerate(self.products))
        )
        server.deliver("customer", *(event(Customer(id=i, name=f"客户{i}"), "created") for i in self.customers))

    def department(self, name: str, parent: str = "", region: str = "") -> str:
        made = Department(id=ids.uuid7(), name=name, parent_id=parent, region=region)
        self.server.deliver("identity", event(made, "created"))
        self.parents[made.id], self.regions[made.id] = parent, region
        return made.id

    def person(self, name: str, scope: Any, home: str, manager: Client | None = None) -> Client:
        made = self.server.person(name=name, scope=scope, department_id=home or None, manager=manager)
        self.managers[made.user_id] = manager.user_id if manager else ""
        self.homes[made.user_id] = home
        return made

    def move(self, who: Client, manager: Client, home: str) -> None:
        """A person gets another manager in another department."""
        (role,) = self.server.sql("SELECT role_ids FROM org_user WHERE id = :id", id=who.user_id)[0]
        moved = User(id=who.user_id, username=who.user_id, name="调动者", active=True, role_ids=role)
        moved.manager_id, moved.department_id = manager.user_id, home
        self.server.deliver("identity", event(moved, "updated", 2))
        self.managers[who.user_id], self.homes[who.user_id] = manager.user_id, home

    def opportunity(self, chance: random.Random) -> Opportunity:
        """One at random, anywhere in its life."""
        created = datetime(2017, 1, 1, tzinfo=UTC) + timedelta(hours=chance.randrange(24 * 365))
        made = Opportunity(
            id=ids.uuid7(),
            title="商机",
            pipeline_id=self.pipeline.id,
            owner_id=chance.choice([*(s.user_id for s in self.sellers), self.ann.user_id, ""]),
            department_id=chance.choice([*self.departments, ""]),
            customer_id=chance.choice([*self.customers, ""]),
            create_time=created,
            engage_date=chance.choice(["", str(created.date() + timedelta(days=chance.randrange(20)))]),
            expected_amount=chance.choice(["", f"{chance.randrange(10**7) / 100:.2f}"]),
            expected_close_date=chance.choice(["", str(date(2018, 1, 1) + timedelta(days=chance.randrange(200)))]),
        )
        for _ in range(chance.choice([0, 1, 2, 3, 5])):
            amount = chance.choice(["", "0", f"{chance.randrange(10**6) / 100:.2f}"])
            made.lines.add(product_id=chance.choice(self.products), quantity="1", amount=amount)
        self.history(made, chance, created)
        if chance.random() < 0.1:
            made.delete_time.GetCurrentTime()
        return made

    def history(self, made: Opportunity, chance: random.Random, at: datetime) -> None:
        """Its way through the stages, until today."""
        path = chance.sample(["prospecting", "engaging"], chance.choice([0, 1, 2])) + chance.choice(
            [[], ["prospecting"]]
        )
        made.state = "developing" if path else "unassigned"
        if path and chance.random() < 0.6:
            path.append(chance.choice(["won", "lost"]))
        for stage in path:
            made.stage_history.add(stage=stage, enter_time=at)
            at += timedelta(hours=chance.randrange(1, 1000))
            if stage != path[-1]:
                made.stage_history[-1].leave_time.FromDatetime(at)
        made.stage = path[-1] if path else ""
        if made.stage in ("won", "lost"):
            made.state = chance.choice([made.stage, "archived"])
            made.close_date = str(at.date())
            if made.stage == "won":
                made.won_amount = made.expected_amount
            else:
                made.lost_reason = chance.choice(["price", ""])


@pytest.fixture
def company(server: Server, boss: Client) -> Company:
    return Company(server, boss)


def tables_of(server: Server) -> dict[str, list[Any]]:
    """Every row of every read model."""
    names = [t.name for t in metadata.sorted_tables]
    return {n: sorted(map(str, server.sql(f'SELECT * FROM "{n}"'))) for n in names}


@pytest.fixture
def snapshot(server: Server) -> Any:
    return lambda: tables_of(server)
