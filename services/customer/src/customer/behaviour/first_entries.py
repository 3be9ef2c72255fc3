"""What a new installation starts with: a place for the events of the months that are kept."""

from __future__ import annotations

from datetime import UTC, datetime

from crm_kit.rpc import Call
from customer.behaviour import partitions


def seed(call: Call) -> None:
    """Run after every migration: behaviour is taken at once, also where no clock runs."""
    partitions.arrange(call.connection, datetime.now(UTC).date())
    call.after_commit.append(partitions.NOW.forget)
