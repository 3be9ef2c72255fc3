"""The contract as the documents read it: every RPC with its rule, every record type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crm_kit import contract
from crm_kit.field_names import camel
from gateway.contract import SERVICES, Operation, operations, records


def rpcs() -> list[Operation]:
    return list(operations())


def address(operation: Operation) -> str:
    return f"{operation.verb} {operation.template}"


def record_types() -> dict[str, Any]:
    """Record type → its message."""
    return {kind: message for kind, (_, message) in sorted(records().items())}


def service_of(message: Any) -> str:
    """The service whose package a message lies in."""
    return SERVICES.get(message.file.package, "")


def personal(message: Any) -> list[str]:
    """Fields that stay out of events and of the change log's values, as JSON names them."""
    return [camel(field.name) for field in message.fields if contract.field(field).sensitive]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return lines
