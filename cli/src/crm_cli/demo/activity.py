"""What happens with a customer from day to day: interactions, demands, service requests, tasks."""

from datetime import timedelta
from random import Random

from crm_cli.client import Json
from crm_cli.demo.words import talk
from crm_cli.demo.world import World, moment

STATES = ("created", "assigned", "handled", "feedback", "archived")


def interactions(world: World, number: int, customer_id: str, contact_ids: list[str]) -> list[Json]:
    """None up to eight, two on average."""
    random = world.random("interactions", number)
    rows = []
    for place in range(random.choices((0, 1, 2, 3, 5, 8), (22, 25, 22, 16, 11, 4))[0]):
        kind, subject, content, result = random.choice(talk()["interactions"])
        rows.append(
            {
                "externalId": world.key("interaction", number, place),
                "customerId": customer_id,
                "contactIds": random.sample(contact_ids, 1) if contact_ids else [],
                "kind": kind,
                "subject": subject,
                "content": content,
                "result": result,
                "startTime": moment(world.past_day(random), random),
                "durationMinutes": random.choice((10, 15, 30, 60, 90)),
                "nextStep": random.choice(talk()["next_steps"]),
            }
        )
    return rows


def demands(world: World, number: int, customer: Json, customer_id: str) -> list[Json]:
    """What every fifth customer wants."""
    random = world.random("demands", number)
    if random.random() > 0.2:
        return []
    began = world.past_day(random, 365)
    return [
        {
            "externalId": world.key("demand", number),
            "customerId": customer_id,
            "kind": "other",
            "description": random.choice(talk()["demands"]),
            "validFrom": began.isoformat(),
            "validUntil": (began + timedelta(days=random.choice((90, 180, 365)))).isoformat(),
            "collectorId": customer["ownerId"],
        }
    ]


def service_requests(world: World, number: int, customer_id: str, contact_ids: list[str]) -> list[Json]:
    """The older a request, the further it has come."""
    random = world.random("service_requests", number)
    count = random.choices((0, 1, 2, 4), (70, 20, 8, 2))[0]
    return [_service_request(world, random, number, place, customer_id, contact_ids) for place in range(count)]


def _service_request(
    world: World, random: Random, number: int, place: int, customer_id: str, contact_ids: list[str]
) -> Json:
    kind, summary, request, handling = random.choice(talk()["requests"])
    day = world.past_day(random)
    agent = random.choice(world.service_agents)
    age = (world.today - day).days
    step = 4 if age > 30 else min(4, int(age / 3 * random.random()))
    row: Json = {
        "externalId": world.key("service_request", number, place),
        "customerId": customer_id,
        "kind": kind,
        "summary": summary,
        "request": request,
        "priority": random.choices(("low", "normal", "high", "urgent"), (15, 60, 20, 5))[0],
        "channel": random.choice(("phone", "wechat", "mail", "web")),
        "state": STATES[step],
        "createTime": moment(day, random),
    }
    if contact_ids:
        row["contactId"] = random.choice(contact_ids)

    def after(days: int) -> str:
        return moment(world.not_after(day + timedelta(days=days)), random)

    if step >= 1:
        row |= {"ownerId": agent, "assignTime": after(1)}
    if step >= 2:
        row |= {"handling": handling, "handlerId": agent, "rounds": 1}
        row["handleTime"] = after(2 + int(random.expovariate(0.7)))
    if step >= 3:
        content = random.choices((3, 4, 5), (20, 45, 35))[0]
        said = random.choice(talk()["feedback"][str(content)])
        row |= {"satisfaction": content, "feedback": said, "feedbackTime": after(12)}
    if step == 4:
        row["archiveTime"] = after(15)
    return row


def tasks(world: World, number: int, customer: Json, customer_id: str) -> list[Json]:
    """A third of the customers has something to be done; what is overdue for long is done."""
    random = world.random("tasks", number)
    if random.random() > 0.33:
        return []
    due = world.today + timedelta(days=random.randrange(-90, 30))
    done = due < world.today and random.random() < 0.9
    row: Json = {
        "externalId": world.key("task", number),
        "ownerId": customer["ownerId"],
        "title": f"{random.choice(talk()['tasks'])}:{customer['shortName']}",
        "priority": random.choices(("low", "normal", "high"), (20, 65, 15))[0],
        "dueTime": moment(due, random),
        "recordType": "customer",
        "recordId": customer_id,
        "recordTitle": customer["name"],
    }
    return [row | ({"state": "done", "progress": 100, "doneTime": moment(due, random)} if done else {"state": "open"})]
