"""A record of which two may turn out to be one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crm_kit.rpc import Call
from crm_records.record import Record
from customer.merging import redirects


class Mergeable(Record):
    """What went into another is found where it went."""

    def find_merged(self, call: Call, keys: Collection[str]) -> dict[str, str]:
        return redirects.by_key(call, self, keys)

    def stays(self, call: Call, record_id: str) -> str:
        return redirects.stays(call.connection, record_id)

    def went_into(self, call: Call, record_id: str) -> Sequence[str]:
        return redirects.went_into(call.connection, record_id)
