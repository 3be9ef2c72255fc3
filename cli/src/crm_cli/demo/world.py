"""What every part of the demo company knows: its seed, its day, its people, products and codes in the suite."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from crm_cli.demo.words import Good

YEARS = 2
DAYS = 365 * YEARS
SEASON = (0.8, 0.5, 1.1, 0.9, 0.9, 1.3, 0.8, 0.8, 1.2, 0.9, 1.1, 1.5)
"""How busy each month is: the spring festival is quiet, the ends of the quarters are not."""


@dataclass(slots=True)
class World:
    """Filled step by step; from then on only read, by several threads."""

    seed: int
    today: date
    """The day the company was loaded first. Everything is dated from it, so a later run makes the same records."""
    sellers: dict[str, list[str]] = field(default_factory=dict)
    """Region → ids of those who sell there."""
    service_agents: list[str] = field(default_factory=list)
    products: list[tuple[str, Good]] = field(default_factory=list)
    pipeline: str = ""

    def key(self, *parts: object) -> str:
        """The key under which a record is found again."""
        return ":".join(["demo", str(self.seed), *(str(part) for part in parts)])

    def random(self, *parts: object) -> Random:
        """Chance for one record: its own, so that any part of the data can be made without the rest."""
        return Random(self.key(*parts))

    def past_day(self, random: Random, days: int = DAYS) -> date:
        """A day before today, more often in busy months."""
        while True:
            day = self.today - timedelta(days=random.randrange(1, days))
            if random.random() * max(SEASON) < SEASON[day.month - 1]:
                return day

    def not_after(self, day: date) -> date:
        """The day, or yesterday where it is still to come."""
        return min(day, self.today - timedelta(days=1))

    def seller(self, region: str, random: Random) -> str:
        """Whose a customer is. The first in a region's list have more than the last."""
        people = self.sellers[region]
        return people[int(len(people) * random.random() ** 1.3)]


def moment(day: date, random: Random) -> str:
    """A time in the working hours of a day in China, in UTC."""
    at = datetime.combine(day, time(0, 30), UTC) + timedelta(minutes=random.randrange(9 * 60))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
