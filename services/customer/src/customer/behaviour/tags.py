"""Tags that rules put, kept apart from those that people write, so that taking back touches only what a rule put.

A tag holds until the time from which the rule would not be fulfilled any more if nothing happened again: the time
of the last event but N-1, and D days. So nothing has to be counted anew only because time passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, text, update

from crm.customer.v1 import behaviour_tags_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import ids
from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.behaviour.reading import OF_VISITORS, OWN
from customer.behaviour.tables import tag

_SHOWN = text(
    "UPDATE customer SET behaviour_tags = f.tags FROM (SELECT c.id, coalesce((SELECT array_agg(DISTINCT t.tag ORDER BY"
    " t.tag) FROM behaviour_tag t WHERE t.customer_id = c.id AND t.removed_time IS NULL), '{}') AS tags"
    " FROM unnest(CAST(:ids AS uuid[])) AS c(id)) f WHERE customer.id = f.id AND customer.behaviour_tags <> f.tags"
)


def judge(call: Call, rule: Mapping[str, Any], customer_ids: Sequence[str], now: datetime) -> None:
    """Put, keep or take back the tag of a rule on each of these customers."""
    found = _fulfilled(call, rule, customer_ids, now)
    c = tag.c
    query = select(tag).where(c.rule_id == rule["id"], one_of(c.customer_id, customer_ids)).order_by(c.id)
    there = {row["customer_id"]: dict(row) for row in call.connection.execute(query.with_for_update()).mappings()}
    changed: list[str] = []
    new: list[dict[str, Any]] = []
    for customer_id, (count, until) in sorted(found.items()):
        row = there.pop(customer_id, None)
        if row is None:
            new.append(_new(rule, customer_id, count, until, now))
        elif _follow(call, rule, row, count, until):
            changed.append(customer_id)
    if new:
        call.connection.execute(insert(tag), new)
        for row in new:
            tell(call, "put", row)
    gone = [row for row in there.values() if row["removed_time"] is None]
    take_back(call, gone)
    show(call, [*changed, *(row["customer_id"] for row in new)])


def take_back(call: Call, rows: Sequence[Mapping[str, Any]], action: str = "expired") -> None:
    """These do not hold any more."""
    if rows:
        call.connection.execute(delete(tag).where(one_of(tag.c.id, [row["id"] for row in rows])))
        for row in rows:
            if row["removed_time"] is None:
                tell(call, action, {**row, "version": row["version"] + 1})
        show(call, [row["customer_id"] for row in rows])


def show(call: Call, customer_ids: Iterable[str]) -> None:
    """The customers' own column says what is in force. Derived, so no change of the customer: no version, no event."""
    ids_ = sorted(set(customer_ids))
    if ids_:
        call.connection.execute(_SHOWN, {"ids": ids_})


def tell(call: Call, action: str, row: Mapping[str, Any]) -> None:
    """Announce what happened to a tag."""
    event = Event(record_type="behaviour_tag", action=action, record_id=row["id"], version=row["version"], bulk=True)
    event.record.Pack(message(row))
    call.announce(event)


def message(row: Mapping[str, Any]) -> pb.BehaviourTag:
    """A tag as it is answered."""
    return pb.BehaviourTag(
        id=row["id"],
        etag=str(row["version"]),
        customer_id=row["customer_id"],
        tag=row["tag"],
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        count=row["count"],
        put_time=row["put_time"],
        valid_until=row["valid_until"],
        removed_time=row["removed_time"],
        remover_id=row["remover_id"] or "",
        note=row["note"] or "",
    )


def _fulfilled(
    call: Call, rule: Mapping[str, Any], customer_ids: Sequence[str], now: datetime
) -> dict[str, tuple[int, datetime]]:
    """Customers that fulfil a rule: how often it happened, and until when that is enough."""
    more = "AND e.kind = :kind AND e.time > :since"
    since = now - timedelta(days=rule["within_days"])
    bound: dict[str, Any] = {"customers": list(customer_ids), "kind": rule["kind"], "since": since}
    bound["n"] = rule["at_least"]
    if rule["source"]:
        more += " AND e.source = :source"
        bound["source"] = rule["source"]
    if rule["property"]:
        more += " AND e.properties ->> CAST(:property AS text) = :value"
        bound |= {"property": rule["property"], "value": rule["property_value"]}
    own = f"SELECT o.customer_id AS c, e.time {OWN.format(more=more)}"
    theirs = f"SELECT i.customer_id, e.time {OF_VISITORS.format(more=more)}"
    query = (
        "SELECT c, count(*) AS n, (array_agg(time ORDER BY time DESC))[:n] AS nth"  # noqa: S608 - our own words
        f" FROM ({own} UNION ALL {theirs}) e GROUP BY c HAVING count(*) >= :n"
    )
    days = timedelta(days=rule["within_days"])
    return {row.c: (row.n, row.nth + days) for row in call.connection.execute(text(query), bound)}


def _new(rule: Mapping[str, Any], customer_id: str, count: int, until: datetime, now: datetime) -> dict[str, Any]:
    return {
        "id": ids.uuid7(),
        "customer_id": customer_id,
        "tag": rule["tag"],
        "rule_id": rule["id"],
        "rule_version": rule["version"],
        "count": count,
        "put_time": now,
        "valid_until": until,
        "removed_time": None,
        "remover_id": None,
        "note": None,
        "version": 1,
    }


def _follow(call: Call, rule: Mapping[str, Any], row: dict[str, Any], count: int, until: datetime) -> bool:
    """Bring a tag that is there up to date: whether it shows otherwise now. One that a person took off stays off."""
    values: dict[str, Any] = {"count": count, "valid_until": until, "rule_version": rule["version"], "tag": rule["tag"]}
    if all(row[n] == v for n, v in values.items()):
        return False
    renamed = row["tag"] != rule["tag"]
    if renamed:
        values["version"] = row["version"] + 1
    call.connection.execute(update(tag).where(tag.c.id == row["id"]).values(values))
    if renamed and row["removed_time"] is None:
        tell(call, "put", {**row, **values})
    return renamed
