"""Whether somebody may ask by scores: nothing is guessed by what is not seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crm_kit import errors
from crm_kit.rpc import Call
from customer import sight
from customer.value.models import last_of, looked_at, seen_in_full

errors.texts(
    {
        "asks_unseen": (
            "所用的数据有您无权查看的内容",
            "It is made of something that you may not see in full",
        )
    }
)


def score(call: Call, code: str) -> bool:
    """Whether the scores kept by this code are made of nothing hidden."""
    model = last_of(call, code)
    return model is not None and seen_in_full(sight.everywhere(call), model["criteria"])


def refuse_unseen(call: Call, criteria: Iterable[dict[str, Any]]) -> None:
    """PERMISSION_DENIED for who does not see in full what criteria look at."""
    if not seen_in_full(sight.everywhere(call), criteria):
        raise errors.Denied("asks_unseen")


def made_of(call: Call, code: str) -> list[str]:
    """What the scores kept by this code are made of."""
    model = last_of(call, code)
    return looked_at(model["criteria"]) if model is not None else []
