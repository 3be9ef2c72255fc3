"""Who works there: from ten people to two hundred, each with a superior up to the general manager."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from crm_cli.client import Json
from crm_cli.demo.words import mobile, person

FEWEST, MOST = 10, 200


@dataclass(frozen=True, slots=True)
class Post:
    """One person in the organisation; superiors have a smaller level."""

    username: str
    name: str
    sex: str
    phone: str
    office: str
    role: str
    position: str
    superior: str
    level: int

    def row(self, key: str) -> Json:
        """What the person is by itself; ids of department, role and superior come on top."""
        return {
            "externalId": key,
            "username": self.username,
            "name": self.name,
            "position": self.position,
            "phone": self.phone,
            "email": f"{self.username}@example.com",
        }


def head_count(customers: int) -> int:
    """People of a company with that many customers: it takes ten times the customers to double them."""
    return max(FEWEST, min(MOST, round(4 * customers**0.3)))


def staff(seed: int, customers: int, offices: Iterable[str]) -> list[Post]:
    """A general manager, a manager in each regional office, sellers shared among them, and the departments inside."""
    random = Random(f"demo:{seed}:staff")
    regions = [office for office in offices if office not in ("company", "market", "service", "finance")]
    posts: list[Post] = []

    def add(office: str, role: str, position: str, superior: str, level: int) -> str:
        username = f"demo{seed}.{len(posts) + 1:03}"
        name, sex = person(random)
        posts.append(Post(username, name, sex, mobile(random), office, role, position, superior, level))
        return username

    head = add("company", "executive", "总经理", "", 0)
    managers = {region: add(region, "sales_manager", "大区经理", head, 1) for region in regions}
    add("finance", "finance", "财务主管", head, 1)
    add("market", "marketing", "市场专员", head, 1)
    service = add("service", "service_agent", "客服主管", head, 1)
    left = max(head_count(customers) - len(posts), len(regions) + 1)
    agents = max(1, left // 8)
    for _ in range(agents):
        add("service", "service_agent", "客服专员", service, 2)
    for number in range(left - agents):
        region = regions[int(len(regions) * (number / (left - agents)))]
        add(region, "account_manager", "客户经理", managers[region], 2)
    return posts
