"""Answers that are files: their bytes as they are, under a name, and harmless where a browser shows them."""

from google.api.httpbody_pb2 import HttpBody

from crm.records.v1.exports_pb2 import FileName
from gateway.call import Reply

SHOWN = ("text/html",)
"""What a browser shows; anything else it saves."""
POLICY = "sandbox allow-modals; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Nothing in it runs, and nothing is loaded from anywhere; printing opens a dialogue."""


def reply(body: HttpBody) -> Reply:
    """A file as it is answered, under the name that its service gave it."""
    kind, told = body.content_type.partition(";")[0], FileName()
    name = next((told.name for beside in body.extensions if beside.Unpack(told)), "file")
    place = "inline" if kind in SHOWN else "attachment"
    headers = [
        ("Content-Disposition", f'{place}; filename="{name}"'),
        ("Content-Security-Policy", POLICY),
        ("Cache-Control", "no-store"),
    ]
    return Reply(body.data, 200, headers, body.content_type, own_policy=True)
