"""The relation of customers as the active rules have it, and what a draft would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import and_, func, select

from crm.customer.v1 import gradings_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import rows, sql, storing, writing
from customer.grading import answers
from customer.grading.rules import GRADING_RULES, is_relation, period
from customer.sight import TRADE, Sight
from customer.standing.bunch import Bunch
from customer.standing.computing import Computation, Result
from customer.standing.keeping import column
from customer.standing.tables import overruling
from customer.standing.tables import result as results
from customer.tables import customer
from customer.trade import figures

TOPIC = "relation"


def compute(bunch: Bunch, today: date) -> Sequence[Result]:
    """What the active rules say of a bunch; nothing where none has an answer."""
    call = bunch.call
    rules = GRADING_RULES.active(call)
    if not rules:
        return ()
    said = answers.of(rules, today, bunch.ids)
    query = said.query.add_columns(said.relation, said.place, customer.c.purchasing_power, *said.sales)
    found = []
    for customer_id, relation, place, power, *sales in call.connection.execute(query):
        if relation is not None:
            rule, _, band = place.partition("/")
            i = int(rule)
            reasons = _reasons(rules[i], today, sales[i], power, band)
            found.append(Result(customer_id, relation, rules[i]["id"], rules[i]["version"], reasons))
    return found


def _reasons(rule: dict[str, Any], today: date, sales: Decimal, power: Decimal | None, band: str) -> dict[str, Any]:
    first, last, months = period(rule, today)
    told: dict[str, Any] = {
        "base": rule["base"],
        "sales": f"{Decimal(sales):.2f}",
        "fromMonth": f"{first:%Y-%m}",
        "untilMonth": f"{last:%Y-%m}",
    }
    if rule["base"] == "share" and power:
        told["purchasingPower"] = rows.decimal_text(power)
        told["share"] = f"{figures.rounded(figures.share(Decimal(sales), power, Fraction(months))):f}"
    if band:
        limits = rule["bands"][int(band)]
        told |= {name: limits[name] for name in ("from", "to") if limits.get(name)}
    return told


def _told(_call: Call, seen: Sight, _rule_id: str, reasons: dict[str, Any]) -> dict[str, Any]:
    """The figures as far as what they are made of is seen: of sales and share each tells the other by the power."""
    unseen = {"sales", "share"} if not seen.sees(TRADE) else set()
    if not seen.sees("purchasing_power"):
        unseen |= {"purchasingPower", "share"}
    return {name: value for name, value in reasons.items() if name not in unseen}


GRADING = Computation(
    TOPIC,
    compute,
    told=_told,
    field="relation",
    apply=column("relation", "graded"),
    may_be=is_relation,
)


def simulate(call: Call, rule_id: str, today: date) -> pb.SimulateGradingRuleResponse:
    """How many customers a rule would move, beside the active ones and in place of the one at its position."""
    if not kinds.is_id(rule_id):
        raise errors.NotFound()
    found = sql.prepare(
        select(GRADING_RULES.table).where(
            GRADING_RULES.table.c.id == rule_id, GRADING_RULES.table.c.delete_time.is_(None)
        )
    ).run(call.connection)
    values = found.fetchone()
    if values is None:
        raise errors.NotFound()
    rule = storing.as_row(call, GRADING_RULES, values)
    writing.refuse(GRADING_RULES.problems(call, rule))
    others = [r for r in GRADING_RULES.active(call) if r["position"] != rule["position"]]
    return _moves(call, sorted([*others, rule], key=lambda r: r["position"]), today)


def _moves(call: Call, rules: Sequence[dict[str, Any]], today: date) -> pb.SimulateGradingRuleResponse:
    said = answers.of(rules, today)
    of_topic = and_(results.c.customer_id == customer.c.id, results.c.topic == TOPIC)
    open_one = and_(
        overruling.c.customer_id == customer.c.id, overruling.c.topic == TOPIC, overruling.c.end_time.is_(None)
    )
    whole = (
        said.query.add_columns(
            customer.c.relation.label("now"),
            said.relation.label("then"),
            overruling.c.id.is_not(None).label("overruled"),
            (results.c.value == said.relation).is_(True).label("known"),
        )
        .outerjoin(results, of_topic)
        .outerjoin(overruling, open_one)
        .subquery()
    )
    parts = (whole.c.now, whole.c.then, whole.c.overruled, whole.c.known)
    answer = pb.SimulateGradingRuleResponse()
    moves: dict[tuple[str, str], int] = {}
    for now, then, overruled, known, count in call.connection.execute(select(*parts, func.count()).group_by(*parts)):
        answer.overruled += count if overruled else 0
        if overruled or known or then in (None, now):
            answer.stay += count
        else:
            answer.moved += count
            moves[now or "", then] = moves.get((now or "", then), 0) + count
    for (now, then), count in sorted(moves.items(), key=lambda m: (-m[1], m[0])):
        answer.moves.add(**{"from": now, "to": then, "count": count})
    return answer
