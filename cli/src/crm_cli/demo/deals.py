"""Opportunities with their way through the pipeline: many small ones and a few large, some won, more lost."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from crm_cli.client import Json
from crm_cli.demo.words import talk
from crm_cli.demo.world import World, moment

STAGES: list[Json] = [
    {"code": "qualify", "labelZh": "线索确认", "labelEn": "Qualify", "kind": "open", "probability": 10},
    {"code": "analyse", "labelZh": "需求分析", "labelEn": "Analyse", "kind": "open", "probability": 25},
    {"code": "propose", "labelZh": "方案报价", "labelEn": "Propose", "kind": "open", "probability": 50},
    {"code": "negotiate", "labelZh": "商务谈判", "labelEn": "Negotiate", "kind": "open", "probability": 75},
    {"code": "won", "labelZh": "赢单", "labelEn": "Won", "kind": "won", "probability": 100},
    {"code": "lost", "labelZh": "丢单", "labelEn": "Lost", "kind": "lost", "probability": 0},
]
OPEN = tuple(stage["code"] for stage in STAGES if stage["kind"] == "open")
ENTERED = (0.0, 0.2, 0.45, 0.75)
"""Which part of its time an opportunity has behind it when it enters each stage."""
STAYS = (0.70, 0.75, 0.80, 0.85)
"""The share that each stage lets through; 36 % are won."""
LOST_REASONS = ("price", "competitor", "budget", "no_demand", "not_agreed")


def opportunities(world: World, number: int, customer: Json, customer_id: str) -> list[Json]:
    """None for a third of the customers, up to five for the others."""
    random = world.random("opportunities", number)
    count = random.choices((0, 1, 2, 3, 5), (32, 38, 18, 9, 3))[0]
    return [_opportunity(world, random, number, place, customer, customer_id) for place in range(count)]


def _opportunity(world: World, random: Random, number: int, place: int, customer: Json, customer_id: str) -> Json:
    began = world.past_day(random)
    lines, total = _lines(world, random)
    days = max(5, int(random.lognormvariate(4.1, 0.6) * (1.6 if total > 1_000_000 else 1)))
    reached = next((step for step, passes in enumerate(STAYS) if random.random() > passes), len(STAYS))
    won = reached == len(STAYS)
    if not won:  # what is lost is lost in the stage it did not leave
        days = max(3, int(days * (ENTERED[reached] + 0.15)))
    ends = began + timedelta(days=days)
    row: Json = {
        "externalId": world.key("opportunity", number, place),
        "title": f"{customer['shortName']}{random.choice(talk()['deals'])}",
        "customerId": customer_id,
        "ownerId": customer["ownerId"],
        "pipelineId": world.pipeline,
        "source": random.choice(("referral", "exhibition", "website", "cold_call", "existing_customer")),
        "lines": lines,
        "engageDate": began.isoformat(),
        "createTime": moment(began, random),
    }
    whole = days if won else int(days / (ENTERED[reached] + 0.15))
    steps = [(OPEN[i], began + timedelta(days=int(whole * ENTERED[i]))) for i in range(min(reached, 3) + 1)]
    if ends >= world.today:
        steps = [(stage, day) for stage, day in steps if day < world.today]
        expected = max(ends, world.today + timedelta(days=7))
        return row | {
            "state": "developing",
            "stage": steps[-1][0],
            "expectedCloseDate": expected.isoformat(),
            "stageHistory": _history(random, steps),
        }
    stage = "won" if won else "lost"
    closed: Json = {
        "state": stage,
        "stage": stage,
        "closeDate": ends.isoformat(),
        "stageHistory": _history(random, [*steps, (stage, ends)]),
        "wonAmount": f"{total * Decimal(random.randrange(92, 101)) / 100:.2f}" if won else "0.00",
    }
    return row | closed | ({} if won else {"lostReason": random.choices(LOST_REASONS, (35, 25, 15, 15, 10))[0]})


def _lines(world: World, random: Random) -> tuple[list[Json], Decimal]:
    """One to three products. The cheaper a product, the more of it; the price is a little below the list."""
    chosen = random.sample(world.products, random.choices((1, 2, 3), (60, 28, 12))[0])
    lines, total = [], Decimal()
    for product, good in chosen:
        quantity = max(1, int(random.lognormvariate(0.3, 0.8) * max(1, 30_000 / good.price)))
        price = Decimal(good.price) * random.randrange(85, 101) / 100
        lines.append({"productId": product, "quantity": str(quantity), "unitPrice": f"{price:.2f}"})
        total += quantity * price
    return lines, total


def _history(random: Random, steps: list[tuple[str, date]]) -> list[Json]:
    """A stay ends when the next one begins; the last one has no end."""
    times = sorted(moment(day, random) for _, day in steps)
    stays: list[Json] = [{"stage": stage, "enterTime": at} for (stage, _), at in zip(steps, times, strict=True)]
    for stay, after in pairwise(stays):
        stay["leaveTime"] = after["enterTime"]
    return stays
