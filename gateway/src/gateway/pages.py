"""The few pages that the gateway itself shows: a greeting, the interface to try out, and why somebody sees a
record. They work offline."""

from collections.abc import Callable
from pathlib import Path

from gateway.call import Call, Reply
from gateway.openapi import document

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = {
    "/": ("home.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/why": ("why.html", "text/html; charset=utf-8"),
    "/why.js": ("why.js", "text/javascript; charset=utf-8"),
    "/pages.css": ("pages.css", "text/css; charset=utf-8"),
}


def views() -> dict[str, Callable[[Call], Reply]]:
    return {"/openapi.json": openapi, **{path: _file(name, kind) for path, (name, kind) in FILES.items()}}


def openapi(call: Call) -> Reply:
    return Reply(document(), content_type="application/json")


def _file(name: str, content_type: str) -> Callable[[Call], Reply]:
    content = (STATIC / name).read_bytes()

    def answer(call: Call) -> Reply:
        headers = [("Content-Security-Policy", POLICY), ("Cache-Control", "no-cache")]
        return Reply(content, headers=headers, content_type=content_type, own_policy=True)

    return answer
