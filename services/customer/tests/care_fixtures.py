"""What tests of care and alerts share: the clock, and somebody to care for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_kit import jobs
from crm_kit.testing import Client, Server
from customer.care import leaving


@pytest.fixture
def company(boss: Client) -> Any:
    """A company that has a birthday."""
    return boss.CreateCustomer(
        customer={"name": "重庆长江轴承有限公司", "short_name": "长江轴承", "founding_date": "1998-06-12"}
    )


def queue(server: Server, kind: str, day: str) -> str:
    """Queue a daily job for a day, as the clock does."""
    made: list[str] = []
    record_type = {"care_propose": "care_plan", "alerts_watch": "alert"}[kind]
    server.service.act(lambda call: made.append(jobs.start(call, kind, record_type, {"day": day}) or ""))
    return made[0]


def propose(server: Server, day: str) -> dict[str, Any]:
    """Let every plan propose on a day; what the job says of it."""
    job = queue(server, "care_propose", day)
    server.run_jobs()
    return result(server, job)


def watch(server: Server, day: str) -> dict[str, Any]:
    """Look for alerts on a day; what the job says of it."""
    job = queue(server, "alerts_watch", day)
    server.run_jobs()
    return result(server, job)


def result(server: Server, job: str) -> dict[str, Any]:
    ((state, said),) = server.sql("SELECT state, result FROM job WHERE id = :id", id=job)
    assert state == "done"
    return dict(said)


def at(server: Server, text: str) -> None:
    """What the clock does at a moment, in Chinese time."""
    now = datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)

    def act(call: Any) -> None:
        leaving.leave(call, now)
        leaving.lapse(call, now)

    server.service.act(act)


def template(boss: Client, channel: str = "text", **fields: Any) -> str:
    """A template; its id."""
    said = {"text_zh": "{name}{honorific}，{occasion}快乐！{company} {owner}", "subject_zh": "{occasion}", **fields}
    return str(boss.CreateCareTemplate(care_template={"name": "模板", "channel": channel, **said}).id)


def plan(boss: Client, occasion: str = "birthday", channel: str = "text", **fields: Any) -> Any:
    """A care plan of the caller."""
    template_id = fields.pop("template_id", "") or template(boss, channel)
    said = {"audience": "contacts", "propose_days": 3, **fields}
    return boss.CreateCarePlan(
        care_plan={"name": "方案", "occasion": occasion, "channel": channel, "template_id": template_id, **said}
    )


def contact(client: Client, customer: Any, name: str = "王芳", **fields: Any) -> Any:
    """Somebody at a customer."""
    said = {"birthday": "1985-06-10", "sex": "female", "mobile": "13800001234", "email": "wang@example.com", **fields}
    return client.CreateContact(contact={"customer_id": customer.id, "name": name, **said})


def day_id(boss: Client, code: str) -> str:
    """The id of a festival."""
    return str(boss.ListCareDays(filter=f"code = {code}").care_days[0].id)


def items(client: Client, **asked: Any) -> list[Any]:
    """Care items that somebody sees, in the order they were made."""
    return list(client.ListCareItems(order_by="id", page_size=200, **asked).care_items)


def changed(client: Client, kind: str, record_id: str, **fields: Any) -> Any:
    """A record of that kind ("CarePlan") with other values in these fields."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
    etag = getattr(client, f"Get{kind}")(id=record_id).etag
    asked = {name: {"id": record_id, **fields}, "update_mask": {"paths": list(fields)}, "etag": etag}
    return getattr(client, f"Update{kind}")(**asked)
