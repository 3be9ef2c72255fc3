"""Scores of customers by the models in force, and what a draft would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import value_models_pb2 as pb
from crm_kit import errors, ids
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import rows, sql, storing, writing
from customer.sight import Sight
from customer.standing.bunch import Bunch
from customer.standing.computing import Computation, Result
from customer.value import figures, scoring, seeing
from customer.value.models import VALUE_MODELS, active_of, seen_in_full
from customer.value.tables import score, score_change

TOPIC = "value"
MOST, SIZE = 20_000, 500
"""Customers of a dry run, and how many are read at once."""

_KEPT = ("score", "level", "model_id", "model_version")
_new = insert(score).values({c.name: bindparam(c.name, type_=c.type) for c in score.c})
_KEEP = sql.prepare(
    _new.on_conflict_do_update(index_elements=["customer_id", "code"], set_={n: _new.excluded[n] for n in _KEPT})
)
_LOG = sql.prepare(plain_insert(score_change).values({c.name: bindparam(c.name, type_=c.type) for c in score_change.c}))


def compute(bunch: Bunch, today: date) -> Sequence[Result]:
    """What the models in force say of a bunch; the scores themselves are kept where they can be compared."""
    found: list[Result] = []
    for model in VALUE_MODELS.active(bunch.call):
        ready = scoring.of(model)
        scored = list(_score(bunch, model, ready, today))
        _keep(bunch, model, ready, {i: n for i, n, _ in scored}, today)
        for customer_id, number, criteria in scored:
            reasons = {"score": rows.decimal_text(ready.rounded(number)), "criteria": criteria}
            level = ready.level(number)
            found.append(Result(customer_id, level, model["id"], model["version"], reasons, part=model["code"]))
    return found


def _score(
    bunch: Bunch, model: dict[str, Any], ready: scoring.Scoring, today: date
) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """(customer, exact score, how each criterion came to its part)."""
    parts = [
        (c, r, most, *figures.of(bunch, c, today))
        for c, r, most in zip(model["criteria"], ready.criteria, ready.most, strict=True)
    ]
    for customer_id in bunch.ids:
        total, told = 0, []
        for criterion, one, most, numbers, days in parts:
            figure = numbers.get(customer_id)
            points, part = one.worth(figure)
            total += part
            line = {n: criterion[n] for n in ("name", "class", "weight")}
            shown = days.get(customer_id) or (rows.decimal_text(figure) if isinstance(figure, Decimal) else figure)
            told.append({**line, "figure": shown or "", "points": points, "mostPoints": most})
        yield customer_id, total, told


def _keep(bunch: Bunch, model: dict[str, Any], ready: scoring.Scoring, scores: dict[str, int], today: date) -> None:
    connection = bunch.call.connection
    of_code = select(score).where(one_of(score.c.customer_id, list(scores)), score.c.code == model["code"])
    before = {r.customer_id: tuple(getattr(r, n) for n in _KEPT) for r in connection.execute(of_code)}
    kept, logged = [], []
    for customer_id, number in scores.items():
        values = (ready.rounded(number), ready.level(number), model["id"], model["version"])
        old = before.get(customer_id)
        if old == values:
            continue
        row = {"customer_id": customer_id, "code": model["code"], **dict(zip(_KEPT, values, strict=True))}
        kept.append(row)
        if old is None or old[:2] != values[:2]:
            logged.append({"id": ids.uuid7(), "date": today, **row})
    _KEEP.run_many(connection, kept)
    _LOG.run_many(connection, logged)


def _is_level(call: Call, code: str, value: str) -> bool:
    model = active_of(call, code)
    return model is not None and any(level["level"] == value for level in model["levels"])


def _told(call: Call, seen: Sight, model_id: str, reasons: dict[str, Any]) -> dict[str, Any]:
    """Who does not see in full what a model looks at is told the level only."""
    c = VALUE_MODELS.table.c
    criteria = call.connection.scalar(select(c.criteria).where(c.id == model_id)) if model_id else None
    return reasons if criteria is not None and seen_in_full(seen, criteria) else {}


VALUE = Computation(TOPIC, compute, part_may_be=_is_level, told=_told)


def simulate(call: Call, model_id: str, today: date) -> pb.SimulateValueModelResponse:
    """How a model spreads customers, and how many would be called otherwise than by the last scores of its code."""
    table = VALUE_MODELS.table
    found = None
    if kinds.is_id(model_id):
        query = select(table).where(table.c.id == model_id, table.c.delete_time.is_(None))
        found = sql.prepare(query).run(call.connection).fetchone()
    if found is None:
        raise errors.NotFound()
    model = storing.as_row(call, VALUE_MODELS, found)
    writing.refuse(VALUE_MODELS.problems(call, model))
    seeing.refuse_unseen(call, model["criteria"])
    return _spread(call, model, scoring.of(model), today)


def _spread(call: Call, model: dict[str, Any], ready: scoring.Scoring, today: date) -> pb.SimulateValueModelResponse:
    levels = dict.fromkeys((name for _, name in reversed(ready.levels)), 0)
    tenths, moved, total, number_of = [0] * 10, 0, 0, 0
    last = ""
    while number_of < MOST:
        bunch = Bunch.read(call, last, SIZE)
        if not bunch.customers:
            break
        last = bunch.ids[-1]
        query = select(score.c.customer_id, score.c.level).where(
            one_of(score.c.customer_id, bunch.ids), score.c.code == model["code"]
        )
        before = dict(call.connection.execute(query).all())
        for customer_id, number, _ in _score(bunch, model, ready, today):
            level = ready.level(number)
            levels[level] += 1
            tenths[min(number // (10 * ready.unit), 9)] += 1
            moved += before.get(customer_id) != level
            total += number
        number_of += len(bunch.customers)
    answer = pb.SimulateValueModelResponse(customers=number_of, tenths=tenths, moved=moved)
    if number_of:
        mean = Decimal(total) / (ready.unit * number_of)
        answer.mean = f"{mean.quantize(Decimal('0.01'), ROUND_HALF_UP):f}"
    for name, count in levels.items():
        answer.levels.add(level=name, count=count)
    return answer
