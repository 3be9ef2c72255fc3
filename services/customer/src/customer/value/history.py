"""How the scores of a customer were."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from crm.customer.v1 import value_models_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, rows
from customer import sight
from customer.sight import Sight
from customer.value.models import VALUE_MODELS, seen_in_full
from customer.value.tables import score_change


def page(call: Call, request: pb.ListCustomerScoresRequest) -> pb.ListCustomerScoresResponse:
    """One page, newest first; of models that look at nothing that the caller does not see."""
    customer_id = request.customer_id
    seen = sight.of(call, customer_id)
    size = paging.page_size(request)
    c = score_change.c
    query = select(score_change).where(c.customer_id == customer_id)
    if request.code:
        query = query.where(c.code == request.code)
    if request.page_token:
        if not kinds.is_id(request.page_token):
            raise errors.Invalid(key="bad_page_token")
        query = query.where(c.id < request.page_token)
    query = query.where(c.model_id.not_in(_hidden(call, seen)))
    found = call.connection.execute(query.order_by(c.id.desc()).limit(size + 1)).all()
    answer = pb.ListCustomerScoresResponse(scores=[_message(row) for row in found[:size]])
    if len(found) > size:
        answer.next_page_token = found[size - 1].id
    return answer


def _hidden(call: Call, seen: Sight) -> list[str]:
    """Models that look at something that the caller does not see in full."""
    table = VALUE_MODELS.table
    models = call.connection.execute(select(table.c.id, table.c.criteria).where(table.c.state != "draft"))
    return [m.id for m in models if not seen_in_full(seen, m.criteria)]


def _message(row: Any) -> pb.CustomerScore:
    return pb.CustomerScore(
        id=row.id,
        code=row.code,
        score=rows.decimal_text(row.score),
        level=row.level,
        date=row.date.isoformat(),
        model_id=row.model_id,
        model_version=row.model_version,
    )
