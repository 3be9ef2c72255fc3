"""What the search box finds only by its whole value: an external id, a credit code, however it is typed."""

from __future__ import annotations

import unicodedata
from typing import Any

from crm import rule_pb2
from crm_kit.rpc import Call
from crm_records import search, visibility
from crm_records.record import Record

NOTHING = [""]
"""What no field holds. Of an empty list PostgreSQL takes the condition of any partial index for granted: it was seen to
read the recycle bin from beginning to end."""


def parameters(call: Call, record: Record, typed: str, word: str) -> dict[str, Any]:
    """What to bind for a word of what was typed. Nothing for fields that the caller does not see, nor in pools that
    close one of them."""
    if not record.search_whole:
        return {}
    blind = visibility.blind(call, record)
    bound: dict[str, Any] = {
        search.whole(name): (name not in blind and _values(record, name, typed, word)) or NOTHING
        for name in record.search_whole
    }
    if record.pooled:
        view = visibility.of(call, record)
        pools = view.pools if view is not None else {}
        bound[search.CLOSED_POOLS] = [i for i, pool in pools.items() if not pool.ever.isdisjoint(record.search_whole)]
    return bound


def _values(record: Record, name: str, typed: str, word: str) -> list[str]:
    """All of what was typed, and the word as it was typed."""
    plain = unicodedata.normalize("NFKC", typed).strip()
    texts = [plain, *(part for part in plain.split() if search.normal(part) == word)]
    if record.fields[name].format == rule_pb2.FORMAT_CREDIT_CODE:
        return [number.upper() for text in texts if (number := search.number_of(text))]
    return texts
