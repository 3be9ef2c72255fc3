"""Answers that are files: their bytes as they are, under a name, and harmless where a browser shows them."""

from datetime import UTC, datetime
from typing import Any

from gateway.call import Reply

ENDINGS = {
    "text/csv": "csv",
    "text/html": "html",
    "application/json": "json",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
SHOWN = ("text/html",)
"""What a browser shows; anything else it saves."""
POLICY = "sandbox allow-modals; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Nothing in it runs, and nothing is loaded from anywhere; printing opens a dialogue."""


def reply(body: Any, what: str) -> Reply:
    """A `google.api.HttpBody` as it is answered; `what` names the file."""
    kind = body.content_type.partition(";")[0]
    name = f"{what}-{datetime.now(UTC):%Y%m%d-%H%M%S}.{ENDINGS.get(kind, 'bin')}"
    place = "inline" if kind in SHOWN else "attachment"
    headers = [
        ("Content-Disposition", f'{place}; filename="{name}"'),
        ("Content-Security-Policy", POLICY),
        ("Cache-Control", "no-store"),
    ]
    return Reply(body.data, 200, headers, body.content_type, own_policy=True)
