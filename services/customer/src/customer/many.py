"""One verb on many records at once, in one request: a list of ids, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import each
from crm_records import fields as kinds

errors.texts({"one_to_many": ("请给出 1 至 {limit} 个标识", "Give between 1 and {limit} ids")})
MOST = 1000


def many(call: Call, ids: Sequence[str], do: Callable[[str], Any]) -> pb.BulkResponse:
    """Do the same with each; what one refuses is told and stops no other."""
    wanted = list(dict.fromkeys(ids))
    if not 1 <= len(wanted) <= MOST or not all(kinds.is_id(i) for i in wanted):
        raise errors.Invalid(key="one_to_many", limit=MOST)
    # In one order, so that two who confirm the same do not meet head on.
    outcomes = dict(zip(sorted(wanted), each.one(call, sorted(wanted), do), strict=True))
    answer = pb.BulkResponse()
    for index, item_id in enumerate(wanted):
        outcome = outcomes[item_id]
        if outcome.refusal is None:
            answer.results.add(index=index, id=item_id, outcome="updated")
        else:
            answer.results.add(index=index, id=item_id, outcome="failed", reason=outcome.reason(call))
    answer.updated = sum(r.outcome == "updated" for r in answer.results)
    answer.failed = len(wanted) - answer.updated
    return answer
