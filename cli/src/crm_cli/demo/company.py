"""The company itself: departments, people with a line of reporting, catalogue, pipeline, codes."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_cli.client import Client, Json
from crm_cli.demo.deals import STAGES
from crm_cli.demo.entries import ENTRIES, Entries
from crm_cli.demo.staff import Post, staff
from crm_cli.demo.words import goods
from crm_cli.demo.world import World
from crm_cli.importers.bulk import Tally, store
from crm_cli.importers.dictionaries import ensure
from crm_cli.importers.standing import default_price_list, root
from crm_cli.settings import Wrong

COMPANY = "启衡智能装备股份有限公司"
REGIONS = {
    "east": "华东",
    "south": "华南",
    "north": "华北",
    "central": "华中",
    "southwest": "西南",
    "northeast": "东北",
    "northwest": "西北",
}
NEAREST = {"central": "east", "southwest": "south", "northeast": "north", "northwest": "north", "north": "east"}
"""Who looks after a region where the company has no office."""
OFFICES = (("market", "市场部"), ("service", "客户服务中心"), ("finance", "财务部"))


class Founding:
    """Stores what everything else stands on; a refusal here ends the run."""

    def __init__(self, client: Client, tally: Tally, seed: int) -> None:
        self._client, self._tally = client, tally
        self.world = World(seed, datetime.now(ZoneInfo("Asia/Shanghai")).date())

    def found(self, customers: int, initial_password: str) -> World:
        """The world as its customers need it."""
        offices = self._departments(customers)
        self._people(staff(self.world.seed, customers, offices), offices, initial_password)
        self.ensure(ENTRIES)
        self._catalogue()
        row = {
            "externalId": self.world.key("pipeline"),
            "name": f"设备销售流程(演示 {self.world.seed})",
            "stages": STAGES,
        }
        (self.world.pipeline,) = self._store("pipelines", "pipelines", "pipelines", [row])
        return self.world

    def ensure(self, entries: Entries) -> None:
        for (record_type, dictionary), wanted in entries.items():
            ensure(self._client, record_type, dictionary, wanted)

    def _departments(self, customers: int) -> dict[str, str]:
        """The company below the root, its offices below the company. Its day is the day it was made."""
        key = self.world.key("department", "company")
        row = {"externalId": key, "name": COMPANY, "parentId": root(self._client)}
        (company,) = self._store("departments", "departments", "departments", [row])
        made = datetime.fromisoformat(self._client.get(f"/v1/departments/{company}")["createTime"])
        self.world.today = made.astimezone(ZoneInfo("Asia/Shanghai")).date()
        regions = list(REGIONS)[: offices_for(customers)]
        names = {name: f"{REGIONS[name]}大区" for name in regions} | dict(OFFICES)
        rows = [
            {"externalId": self.world.key("department", name), "name": title, "parentId": company}
            | ({"region": REGIONS[name]} if name in REGIONS else {})
            for name, title in names.items()
        ]
        ids = self._store("departments", "departments", "departments", rows)
        return {"company": company, **dict(zip(names, ids, strict=True))}

    def _people(self, posts: Sequence[Post], offices: dict[str, str], initial_password: str) -> None:
        """Superiors first, because the others name them."""
        roles = {role["code"]: role["id"] for role in self._client.all("/v1/roles", "roles", fields="id,code")}
        if missing := {post.role for post in posts} - roles.keys():
            raise Wrong(f"The suite has no role {', '.join(sorted(missing))}.")
        ids: dict[str, str] = {}
        also: Json = {"initialPassword": initial_password} if initial_password else {}
        for level in sorted({post.level for post in posts}):
            group = [post for post in posts if post.level == level]
            rows = [
                post.row(self.world.key("user", post.username))
                | {"departmentId": offices[post.office], "roleIds": [roles[post.role]]}
                | ({"managerId": ids[post.superior]} if post.superior else {})
                for post in group
            ]
            found = self._store("users", "users", "users", rows, also)
            ids |= {post.username: one for post, one in zip(group, found, strict=True)}
        sellers = {
            region: [ids[post.username] for post in posts if post.office == region and post.role == "account_manager"]
            for region in offices
            if region in REGIONS
        }
        for region in REGIONS:
            nearest = region
            while nearest not in sellers:
                nearest = NEAREST[nearest]
            self.world.sellers[region] = sellers[nearest]
        self.world.service_agents = [ids[post.username] for post in posts if post.role == "service_agent"]

    def _catalogue(self) -> None:
        key = self.world.key
        categories = list(dict.fromkeys(good.category for good in goods()))
        rows: list[Json] = [{"externalId": key("category", name), "name": name} for name in categories]
        ids = self._store("product categories", "product-categories", "productCategories", rows)
        by_name = dict(zip(categories, ids, strict=True))
        rows = [
            {
                "externalId": key("product", good.model),
                "name": good.name,
                "model": good.model,
                "unit": good.unit,
                "categoryId": by_name[good.category],
                "kind": "service" if good.unit in ("year", "day") else "goods",
            }
            for good in goods()
        ]
        ids = self._store("products", "products", "products", rows)
        self.world.products = list(zip(ids, goods(), strict=True))
        price_list = default_price_list(self._client)
        rows = [
            {
                "externalId": key("price", good.model),
                "priceListId": price_list,
                "productId": product,
                "price": f"{good.price}.00",
            }
            for product, good in self.world.products
        ]
        self._store("prices", "price-items", "priceItems", rows)

    def _store(self, kind: str, path: str, name: str, rows: Sequence[Json], also: Json | None = None) -> list[str]:
        stored = store(self._client, path, name, rows, also=also)
        for row, one in zip(rows, stored, strict=True):
            if one.outcome == "failed":
                raise Wrong(f"{row.get('name', row['externalId'])} was refused: {one.reason}.")
        self._tally.add(kind, stored)
        return [one.id for one in stored]


def offices_for(customers: int) -> int:
    """Regional offices of a company of this size."""
    return min(len(REGIONS), 1 + len(str(customers)) - 2)
