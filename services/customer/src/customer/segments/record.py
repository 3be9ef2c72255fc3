"""Segments: what they look at is checked when they are written, and again for each reader.

The rules of the reader hold, not those of the maker: who does not see a field in full cannot use a segment that
compares it, whoever made it. Otherwise its members would tell the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, or_

from crm.customer.v1 import segments_pb2 as pb
from crm_kit import errors, scope
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records import fields as kinds
from crm_records import writing
from crm_records.record import Record, Row
from customer import clock, sight
from customer.segments.conditions import compile_conditions, fields_of, kinds_of
from customer.segments.tables import segment
from customer.sight import BEHAVIOUR, TRADE, Sight
from customer.value import seeing
from customer.value.models import LEDGER, last_of

errors.texts(
    {
        "segment_of_another": (
            "只有创建人或有权修改全部客户群的人可以修改",
            "Only whoever made it and those who may change all segments change it",
        ),
        "segment_empty": ("动态客户群至少需要一个条件", "A live segment needs a filter or a condition"),
        "limit_needed": ("请填写起或止", "Give the least figure or what it is below"),
        "limits_crossed": ("止必须大于起", "“To” must be above “from”"),
    }
)

LIVE, FROZEN = "live", "frozen"
_CONDITION = kinds.of(pb.SegmentCondition.DESCRIPTOR)
_NEEDED = {**dict.fromkeys(LEDGER, ("months",)), "behaviour": ("code", "days"), "score": ("code",)}
_NEEDED["level"] = ("code", "level")


class Segments(Record):
    """See the contract for the fields."""

    message = pb.Segment
    table = segment
    plural = "segments"
    list_fields: ClassVar[Sequence[str]] = ("name", "kind", "shared", "creator_id", "freeze_time")

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """A personal one is its maker's alone, however far a role reaches."""
        return or_(segment.c.shared, scope.is_caller(segment.c.creator_id))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None:
            refuse_foreign(call, before)
        writing.refuse(_problems(row))
        changed = before is None or any(row[n] != before[n] for n in ("filter", "conditions", "match", "shared"))
        if changed:
            refuse_unseen(call, row)
            writing.refuse(_unknown(call, row))
            compile_conditions(call, row, clock.today(call))

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_foreign(call, row)


SEGMENTS = Segments()


def refuse_foreign(call: Call, row: Mapping[str, Any]) -> None:
    """PERMISSION_DENIED unless the segment is the caller's, or the right to change reaches everything."""
    if row["creator_id"] != call.caller.user_id and not SEGMENTS.reach(call).all:
        raise errors.Denied("segment_of_another")


def refuse_unseen(call: Call, row: Mapping[str, Any]) -> None:
    """PERMISSION_DENIED for who may not read customers, and where a segment looks at what the caller does not see in
    full."""
    seen = sight.everywhere(call)
    if not all(map(seen.sees, fields_of(row))) or not all(_sees(call, seen, *one) for one in kinds_of(row)):
        raise errors.Denied("asks_unseen")


def _sees(call: Call, seen: Sight, kind: str, code: str) -> bool:
    if kind in LEDGER:
        return seen.sees(TRADE)
    if kind == BEHAVIOUR:
        return seen.sees(BEHAVIOUR)
    # A level is told to whoever sees the customer; a score is not, where it is made of something hidden.
    return kind == "level" or last_of(call, code) is None or seeing.score(call, code)


def _problems(row: Row) -> Iterator[Problem]:
    if row["kind"] == LIVE and not row["filter"] and not row["conditions"]:
        yield Problem("conditions", "segment_empty")
    for i, condition in enumerate(row["conditions"]):
        for name in _NEEDED[condition["kind"]]:
            if not condition.get(name):
                yield Problem(f"conditions[{i}].{name}", "required", {"label": _CONDITION[name].label})
        low, high = condition.get("from"), condition.get("to")
        if condition["kind"] != "level" and not low and not high:
            yield Problem(f"conditions[{i}].from", "limit_needed")
        if low and high and Decimal(low) >= Decimal(high):
            yield Problem(f"conditions[{i}].to", "limits_crossed")


def _unknown(call: Call, row: Row) -> Iterator[Problem]:
    for i, (kind, code) in enumerate(kinds_of(row)):
        if kind in ("score", "level") and last_of(call, code) is None:
            yield Problem(f"conditions[{i}].code", "no_such_model")
