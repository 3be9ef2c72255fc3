"""HTTP/1.1 on one socket: bytes in, complete requests out; answers in, bytes out. Does no waiting.

httptools (llhttp, the parser of Node) reads; what it does not bound is bounded here.
"""

import io
import socket
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import orjson

LONGEST_LINE = 16 * 1024
LONGEST_HEADERS = 64 * 1024
MOST_HEADERS = 64
MOST_PIPELINED = 16
PIECE = 64 * 1024
DISCARDED = 32 * 1024 * 1024
IDLE_SECONDS = 75.0
REQUEST_SECONDS = 20.0  # from its first byte to its last, unless it keeps coming fast
BYTES_PER_SECOND = 10_000
BAD_ADDRESS = (
    "地址里的中文、空格等字符须用百分号编码，例如 curl -G --data-urlencode 'search=云启' / "
    "Characters other than ASCII, and blanks, are percent-encoded in an address: curl -G --data-urlencode 'search=…'"
)
"""In both languages: what the client would like to read is not known yet."""


class Refused(Exception):
    """No request at all; the connection ends with this status."""

    def __init__(self, status: int, phrase: str, detail: str = "") -> None:
        super().__init__(phrase)
        self.status, self.phrase, self.detail = status, phrase, detail or phrase


class Connection:
    """A client. The parser calls the `on_…` methods while it is fed."""

    def __init__(self, sock: socket.socket, peer: Any, base: dict[str, Any], body_limit: int) -> None:
        self.sock, self.busy, self.out = sock, False, memoryview(b"")
        self.ready: list[tuple[dict[str, Any], bool]] = []  # environ, whether the connection is kept
        self.closing = False
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._base, self._body_limit = base, body_limit
        self._parser = httptools.HttpRequestParser(self)
        self._began = 0.0  # of the request that is arriving
        self._used = time.monotonic()
        self.on_message_begin()

    @property
    def held(self) -> int:
        """Bytes of a body that is not complete yet."""
        return len(self._body)

    def feed(self, data: bytes) -> None:
        self._used = time.monotonic()
        self._began = self._began or self._used
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.closing = True  # we speak nothing else; the request itself is answered
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, Refused):
                raise error.__context__ from None
            raise
        except httptools.HttpParserInvalidURLError:
            raise Refused(400, "Bad Request", BAD_ADDRESS) from None
        except httptools.HttpParserError:
            raise Refused(400, "Bad Request") from None
        if not self._headers_done and self._size > LONGEST_HEADERS:
            raise Refused(431, "Request Header Fields Too Large")

    def release(self) -> None:
        """Connection and parser hold each other; memory shall not wait for the garbage collector."""
        del self._parser

    def expired(self, now: float) -> bool:
        if self.busy:
            return False
        if self.out:
            return now - self._used > REQUEST_SECONDS
        if self._began:
            return now - self._began > REQUEST_SECONDS + self._size / BYTES_PER_SECOND
        return now - self._used > IDLE_SECONDS

    # what the parser found

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()
        self._headers: dict[str, str] = {}
        self._size = self._beyond = self._count = self._length = 0
        self._headers_done = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > LONGEST_LINE:
            raise Refused(414, "URI Too Long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headers_done:
            return  # a trailer is no header
        self._count += 1
        self._length += len(name) + len(value)
        if self._count > MOST_HEADERS or self._length > LONGEST_HEADERS:
            raise Refused(431, "Request Header Fields Too Large")
        if (key := _environ_key(name)) is not None:
            text = value.decode("latin-1")
            known = self._headers.get(key)
            self._headers[key] = text if known is None else f"{known},{text}"

    def on_headers_complete(self) -> None:
        self._headers_done = True
        if self._parser.get_http_version() != "1.0" and "HTTP_HOST" not in self._headers:
            raise Refused(400, "Bad Request")
        if self._headers.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) <= self._body_limit:
            self._body += body[: self._body_limit + 1 - len(self._body)]
        else:  # the application will refuse it; a client that is still sending would not see that
            self._beyond += len(body)
            if self._beyond > DISCARDED:
                raise Refused(413, "Content Too Large")

    def on_message_complete(self) -> None:
        if len(self.ready) >= MOST_PIPELINED:
            raise Refused(400, "Bad Request")
        keep = bool(self._parser.should_keep_alive())
        self.ready.append((self._environ(), keep))
        self._began, self._body = 0.0, bytearray()

    def _environ(self) -> dict[str, Any]:
        try:
            url = httptools.parse_url(self._url)
        except httptools.HttpParserInvalidURLError:
            raise Refused(400, "Bad Request", BAD_ADDRESS) from None
        path = url.path or b"/"
        return {
            **self._base,
            **self._headers,
            "REQUEST_METHOD": self._parser.get_method().decode("ascii"),
            "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "QUERY_STRING": (url.query or b"").decode("latin-1"),
            "SERVER_PROTOCOL": "HTTP/" + self._parser.get_http_version(),
            "REMOTE_ADDR": self._peer,
            "wsgi.input": io.BytesIO(self._body),
        }


@lru_cache(maxsize=512)
def _environ_key(name: bytes) -> str | None:
    """The header's name in a WSGI environ. One with an underscore could pass for another, and is left out."""
    if b"_" in name:
        return None
    key = name.decode("ascii", "replace").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def encode(status: str, headers: Iterable[tuple[str, str]], body: Iterable[bytes], keep: bool) -> bytes:
    """The answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Date: {_date(int(time.time()))}", "Connection: keep-alive" if keep else "Connection: close"]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header holds a line break")
    return b"".join((head.encode("latin-1"), b"\r\n\r\n", *body))


def refusal(refused: Refused) -> bytes:
    document = {
        "type": "urn:crm:problem:bad-http",
        "title": refused.phrase,
        "status": refused.status,
        "detail": refused.detail,
        "reason": "BAD_HTTP",
        "requestId": "",
    }
    body = orjson.dumps(document)
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
    return encode(f"{refused.status} {refused.phrase}", headers, [body], keep=False)
