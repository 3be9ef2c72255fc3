"""An answer that is given again, to a repeated idempotency key, shows no more than its reader sees today.

It was cut by the field rules of its day. What was masked or left out then stays so: the answer was kept without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from crm_kit import contract
from crm_kit.rpc import Call
from crm_records import visibility
from crm_records.registry import Registry


def before_replay(registry: Registry) -> Callable[[Call, Message], None]:
    """What a service with records does to an answer that was kept."""

    def cut(call: Call, answer: Message) -> None:
        for message in _records(answer):
            record = registry.records.get(contract.record(message.DESCRIPTOR).type)
            view = visibility.of(call, record) if record is not None else None
            if view is not None and view.whole is not None:
                view.whole(call, message)

    return cut


def _records(answer: Any) -> Iterator[Any]:
    """The records that an answer is or holds."""
    if contract.record(answer.DESCRIPTOR).type:
        yield answer
        return
    for field, value in answer.ListFields():
        if field.message_type is not None and contract.record(field.message_type).type:
            yield from value if field.is_repeated else (value,)
