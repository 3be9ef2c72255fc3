"""Value models, as administrators define them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, select

from crm.customer.v1 import value_models_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records.record import Row
from crm_records.view import name_of
from customer.customers import CUSTOMERS
from customer.sight import BEHAVIOUR, TRADE, Sight
from customer.standing.rules import ACTIVE, DRAFT, Rules, states_of
from customer.value import fields, scoring
from customer.value.tables import value_model

errors.texts(
    {
        "weights_not_100": ("权重合计须为 100%，现为 {value}%", "Weights must be 100 % together, not {value} %"),
        "no_points": ("该评价项没有大于 0 的得分", "This criterion never gives points above 0"),
        "value_bands_gap": ("区间必须首尾相接、不重叠", "Bands must follow one another without gap or overlap"),
        "value_twice": ("“{value}”重复", "“{value}” is there twice"),
        "no_such_value": ("“{value}”不是该字段的取值", "“{value}” is no value of this field"),
        "not_scorable": (
            "字段不存在，或既非数字也非列表",
            "There is no such field, or it is neither a number nor a list",
        ),
        "levels_from_0": ("须有一个等级从 0 开始", "One level must begin at 0"),
    }
)

LEDGER = ("order_amount", "order_count", "receipt_amount", "receipt_count")
COUNTED = ("interactions", "visits", "behaviour")
_CRITERION = kinds.of(pb.ValueCriterion.DESCRIPTOR)
_PARTS = {**dict.fromkeys(LEDGER, TRADE), "behaviour": BEHAVIOUR, "interactions": "interaction", "visits": "visit"}
_FIELDS = {"last_order": "last_order_date", "last_contact": "last_contact_time"}


class ValueModels(Rules):
    """See the contract for the fields."""

    message = pb.ValueModel
    table = value_model
    plural = "value_models"
    states = states_of(pb.ValueModel)
    list_fields: ClassVar[Sequence[str]] = ("name", "state", "code", "purpose", "levels")

    def problems(self, call: Call, row: Row) -> Iterable[Problem]:
        total = sum((Decimal(c["weight"]) for c in row["criteria"]), Decimal(0))
        if total != 100:
            yield Problem("criteria", "weights_not_100", {"value": f"{total:f}"})
        for i, criterion in enumerate(row["criteria"]):
            for problem in _wrong(call, criterion):
                yield Problem(f"criteria[{i}].{problem.path}", problem.key, problem.params)
        yield from _wrong_levels(row["levels"])

    def replaced_by(self, row: Row) -> ColumnElement[bool]:
        return self.table.c.code == row["code"]

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if row["state"] != DRAFT:
            WATCHED.forget()


VALUE_MODELS = ValueModels()


def _wrong(call: Call, criterion: dict[str, Any]) -> Iterator[Problem]:
    source = criterion["source"]
    needed = "months" if source in LEDGER else "days" if source in COUNTED else "field" if source == "field" else ""
    if source == "behaviour" and not criterion.get("kind"):
        needed = "kind" if criterion.get("days") else needed
    if needed and not criterion.get(needed):
        yield Problem(needed, "required", {"label": _CRITERION[needed].label})
        return
    found = fields.find(call, criterion["field"]) if source == "field" else None
    if source == "field" and found is None:
        yield Problem("field", "not_scorable")
        return
    if found is not None and not found.numeric:
        yield from _wrong_values(criterion.get("values", []), found.codes)
    else:
        yield from _wrong_bands(criterion.get("bands", []))
    if scoring.most(criterion) <= 0:
        yield Problem("bands", "no_points")


def _wrong_values(values: Sequence[dict[str, Any]], codes: frozenset[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, value in enumerate(values):
        if value["code"] in seen or value["code"] not in codes:
            key = "value_twice" if value["code"] in seen else "no_such_value"
            yield Problem(f"values[{i}].code", key, {"value": value["code"][:60]})
        seen.add(value["code"])
    if not values:
        yield Problem("values", "required", {"label": _CRITERION["values"].label})


def _wrong_bands(bands: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    """From no limit to no limit, each beginning where the one before ends."""
    if not bands:
        yield Problem("bands", "required", {"label": _CRITERION["bands"].label})
        return
    order = sorted(range(len(bands)), key=lambda i: (bool(bands[i].get("from")), Decimal(bands[i].get("from") or 0)))
    for before, i in zip([None, *order], [*order, None], strict=True):
        end = bands[before].get("to") if before is not None else None
        start = bands[i].get("from") if i is not None else None
        if (Decimal(end) if end else None) != (Decimal(start) if start else None) or (
            before is not None and i is not None and not end
        ):
            yield Problem(f"bands[{i if i is not None else before}]", "value_bands_gap")
    for i, band in enumerate(bands):
        if band.get("from") and band.get("to") and Decimal(band["from"]) >= Decimal(band["to"]):
            yield Problem(f"bands[{i}].to", "band_empty")


def _wrong_levels(levels: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    names: set[str] = set()
    limits: set[Decimal] = set()
    for i, level in enumerate(levels):
        if level["level"] in names:
            yield Problem(f"levels[{i}].level", "value_twice", {"value": level["level"]})
        if Decimal(level["from"]) in limits:
            yield Problem(f"levels[{i}].from", "value_twice", {"value": level["from"]})
        names.add(level["level"])
        limits.add(Decimal(level["from"]))
    if Decimal(0) not in limits:
        yield Problem("levels", "levels_from_0")


def _load(connection: Connection) -> frozenset[str]:
    found = connection.scalars(select(value_model.c.criteria).where(VALUE_MODELS.in_force())).all()
    return frozenset(
        c.get("field", "") for criteria in found for c in criteria if c["source"] in ("field", "behaviour")
    )


WATCHED = Kept(_load)
"""Fields of a customer that some model in force looks at; an empty one stands for behaviour."""


def count_behaviour(call: Call) -> bool:
    """Whether a model in force counts what customers do."""
    return any(name == "" for name in WATCHED.read(call.connection))


def looked_at_changed(call: Call, row: Row, before: Row) -> bool:
    """Whether a change of a customer matters to a model in force."""
    for name in WATCHED.read(call.connection):
        if name.startswith(fields.CUSTOM):
            key = name.removeprefix(fields.CUSTOM)
            if row["custom"].get(key) != before["custom"].get(key):
                return True
        else:
            name = name_of(CUSTOMERS, name)
            if row.get(name) != before.get(name):
                return True
    return False


def active_of(call: Call, code: str) -> Row | None:
    """The model of a code that is in force."""
    return next((m for m in VALUE_MODELS.active(call) if m["code"] == code), None)


def last_of(call: Call, code: str) -> Row | None:
    """The model that the kept scores of a code were made by: the one in force, or else the last that was."""
    c = value_model.c
    query = select(value_model).where(c.code == code, c.state != DRAFT)
    found = VALUE_MODELS._found(call, query.order_by((c.state == ACTIVE).desc(), c.update_time.desc()).limit(1))
    return found[0] if found else None


def looked_at(criteria: Iterable[dict[str, Any]]) -> list[str]:
    """The fields of a customer and the kinds of its parts that criteria look at."""
    return [_PARTS.get(c["source"]) or _FIELDS.get(c["source"]) or c["field"] for c in criteria]


def seen_in_full(sight: Sight, criteria: Iterable[dict[str, Any]]) -> bool:
    """Whether all that these criteria look at is seen in full."""
    return all(sight.sees(name) for name in looked_at(criteria))
