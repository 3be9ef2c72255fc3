"""What customers did that are merged is what the one that stays did, until the merge is taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from test_merging_figures import merge, two

from crm_kit.testing import Client, Server
from customer.behaviour import persons, work


@pytest.mark.feature("CUS-05")
@pytest.mark.feature("CUS-24")
def test_behaviour_is_that_of_the_customer_that_stays(server: Server, boss: Client) -> None:
    keep, goes = two(boss)
    person = boss.CreateContact(contact={"customer_id": goes, "name": "王芳"})
    rule = {"name": "常看", "tag": "常看", "kind": "view", "at_least": 3, "within_days": 30}
    boss.CreateBehaviourTagRule(behaviour_tag_rule=rule)
    seen = {"kind": "view", "time": datetime.now(UTC) - timedelta(hours=1)}
    whose = ({"customer_id": keep}, {"customer_id": goes, "contact_id": person.id}, {"visitor": "v"})
    boss.RecordBehaviour(source="web", events=[{**seen, **who, "event_id": f"e{i}"} for i, who in enumerate(whose)])
    boss.IdentifyVisitor(source="web", visitor="v", customer_id=goes)
    condition = {"kind": "behaviour", "code": "view", "days": 30, "from": "3"}
    often = boss.CreateSegment(segment={"name": "常看", "kind": "live", "conditions": [condition]})

    def told(customer_id: str) -> tuple[int, int, list[str]]:
        server.service.act(lambda call: work.take(call, datetime.now(UTC)))
        counted = boss.CountBehaviour(customer_id=customer_id).total
        tags = list(boss.GetCustomer(id=customer_id).behaviour_tags)
        return len(boss.ListBehaviourEvents(customer_id=customer_id).events), counted, tags

    assert [told(keep), told(goes)] == [(1, 1, []), (2, 2, [])]
    act = merge(boss, keep, goes)
    assert told(keep) == (3, 3, ["常看"])
    assert [c.id for c in boss.ListSegmentMembers(id=often.id).customers] == [keep]

    of_person: list[Any] = []
    row = {"id": person.id, "customer_id": keep}
    server.service.act(lambda call: of_person.extend(persons.exported(call, "contact", row)))
    assert [kind for kind, _ in of_person] == ["behaviour", "behaviour_event"]

    boss.UndoAct(record_type="customer", id=act.act_id)
    server.run_jobs()
    assert [told(keep), told(goes)] == [(1, 1, []), (2, 2, [])]
