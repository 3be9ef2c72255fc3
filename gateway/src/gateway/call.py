"""One HTTP request on its way through the gateway, and the reply to it."""

import re
import secrets
import time
import uuid
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from crm_kit.errors import EN, ZH

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACE_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
WORTH_COMPRESSING = 1024


class Call:
    """What is known of a request besides its content; made once, used by handler, problem and log line."""

    __slots__ = (
        "acting_id",
        "body",
        "environ",
        "language",
        "peer",
        "request_id",
        "route",
        "started",
        "trace_parent",
        "user_id",
    )

    def __init__(self, environ: dict[str, Any], peer: str) -> None:
        self.environ, self.peer = environ, peer
        self.started = time.perf_counter()
        self.route = self.user_id = self.acting_id = self.body = ""
        given = environ.get("HTTP_X_REQUEST_ID")
        self.request_id = given if given and _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        trace = environ.get("HTTP_TRACEPARENT")
        if not (trace and _TRACE_PARENT.fullmatch(trace)):
            trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        self.trace_parent = trace
        self.language = language(environ.get("HTTP_ACCEPT_LANGUAGE", ""))


@lru_cache(maxsize=256)
def language(accepted: str) -> str:
    """The best of Chinese and English; Chinese where neither is asked for."""
    best, weight = ZH, 0.0
    for part in accepted[:200].lower().split(","):
        tag, _, rest = part.strip().partition(";")
        found = ZH if tag.startswith("zh") else EN if tag.startswith("en") else None
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)", rest)
        given = float(quality[1]) if quality else 1.0
        if found and given > weight:
            best, weight = found, given
    return best


@dataclass(slots=True)
class Reply:
    """An answer before it is written: the headers that every answer has come later."""

    body: bytes
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "application/json"
    own_policy: bool = False  # says itself how it may be cached and what it may load


def json_reply(value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Reply:
    return Reply(orjson.dumps(value), status, headers or [])


@lru_cache(maxsize=256)
def accepts_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, quality = part.strip().partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0{0,3})?\s*", quality)
    return False


def compress(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
