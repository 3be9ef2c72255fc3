"""Pyramids, as administrators define them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from crm.customer.v1 import pyramids_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from customer import sight
from customer.pyramid.tables import pyramid
from customer.value import fields, seeing
from customer.value.models import last_of

errors.texts(
    {
        "tiers_not_descending": ("层级须由高到低", "Tiers must go down from the top"),
        "shares_not_100": ("占比合计须为 100%，现为 {value}%", "Shares must be 100 % together, not {value} %"),
        "last_tier_open": ("最后一层不能填写起点", "The last tier takes the rest and begins nowhere"),
        "no_such_model": ("没有启用过该代码的价值模型", "No value model of this code was ever in force"),
        "not_a_number": ("字段不存在或不是数字", "There is no such field, or it is no number"),
    }
)


class Pyramids(Record):
    """See the contract for the fields."""

    message = pb.Pyramid
    table = pyramid
    plural = "pyramids"
    list_fields: ClassVar[Sequence[str]] = ("name", "base", "field", "model", "method", "tiers")

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        writing.refuse(_problems(call, row))


PYRAMIDS = Pyramids()


def _problems(call: Call, row: Row) -> Iterator[Problem]:
    names = [t["name"] for t in row["tiers"]]
    if len(set(names)) < len(names):
        yield Problem("tiers", "value_twice", {"value": next(n for n in names if names.count(n) > 1)})
    if row["base"] == "field":
        found = fields.find(call, row["field"] or "")
        if found is None or not found.numeric:
            yield Problem("field", "not_a_number")
    if row["base"] == "score" and last_of(call, row["model"] or "") is None:
        yield Problem("model", "no_such_model")
    yield from _by_share(row["tiers"]) if row["method"] == "share" else _by_threshold(row["tiers"])


def _by_share(tiers: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    total = sum((Decimal(t.get("share") or 0) for t in tiers), Decimal(0))
    if total != 100 or not all(t.get("share") for t in tiers):
        yield Problem("tiers", "shares_not_100", {"value": f"{total:f}"})


def _by_threshold(tiers: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for i, tier in enumerate(tiers):
        last = i == len(tiers) - 1
        if last and tier.get("from"):
            yield Problem(f"tiers[{i}].from", "last_tier_open")
        elif (not last and not tier.get("from")) or (
            not last and i and tiers[i - 1].get("from") and Decimal(tier["from"]) >= Decimal(tiers[i - 1]["from"])
        ):
            yield Problem(f"tiers[{i}].from", "tiers_not_descending")


def made_of(call: Call, rule: Mapping[str, Any]) -> list[str]:
    """Fields of customers and kinds of their parts that the figure of a pyramid is made of."""
    match rule["base"]:
        case "field":
            return [rule["field"]]
        case "score":
            return [sight.COMPUTED, *seeing.made_of(call, rule["model"])]
    return [sight.TRADE]


def refuse_unseen(call: Call, rule: Mapping[str, Any]) -> None:
    """PERMISSION_DENIED for who may not read customers, and who does not see in full what a pyramid is made of."""
    seen = sight.everywhere(call)
    if not all(map(seen.sees, made_of(call, rule))) or (
        rule["base"] == "score" and not seeing.score(call, rule["model"])
    ):
        raise errors.Denied("asks_unseen")
