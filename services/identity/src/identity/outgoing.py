"""Asking somebody outside over HTTPS: within a time, a size, without redirects, and never where it must not lead.

Where a provider's own words name further addresses, these may not lead into the internal network unless the provider
is there itself. The address that was looked at is the one that is connected to.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

SECONDS = 5.0
LARGEST = 256 * 1024
AT_ONCE = 4
"""Of one process: a slow provider must not hold every thread."""

_places = threading.BoundedSemaphore(AT_ONCE)


class Failed(Exception):
    """There is no answer to be had; the message is for the log, never for a caller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON object that came with it; empty where there was none."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """Where one may go: plain HTTP on this machine, or into the internal network."""

    insecure: bool = False
    internal: bool = False


def ask(
    url: str,
    way: Way,
    *,
    form: Mapping[str, str] | None = None,
    document: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET an address, or POST a form or JSON to it. Raises `Failed`; a redirect is an answer like any other."""
    body, headers = None, dict(headers or {})
    if form is not None:
        body, headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    elif document is not None:
        body, headers["Content-Type"] = json.dumps(document).encode(), "application/json; charset=utf-8"
    if not _places.acquire(blocking=False):
        raise Failed("too many questions at once")
    try:
        return _ask(url, way, body, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Failed(f"{type(error).__name__} at {urlsplit(url).hostname}") from error
    finally:
        _places.release()


def is_internal(url: str) -> bool:
    """Whether a host has an address that is not of the public internet. Raises `Failed` where it has none."""
    parts = urlsplit(url)
    try:
        return not all(_address(a).is_global for a in _resolve(parts.hostname or "", parts.port or 443))
    except OSError as error:
        raise Failed(f"no address of {parts.hostname}") from error


def _ask(url: str, allowed: Way, body: bytes | None, headers: dict[str, str]) -> Answer:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if not host or parts.scheme not in ("https", "http") or parts.username is not None:
        raise Failed("not an https address")
    port = parts.port or (443 if secure else 80)
    plain = _connect(_allowed(_resolve(host, port), allowed, secure=secure), port)
    connection, ways = http.client.HTTPConnection(host, port), [plain]
    # Whoever answers drop by drop is given no longer than who does not answer.
    over = threading.Timer(SECONDS, _hang_up, [ways])
    over.start()
    try:
        if secure:
            ways.append(_context().wrap_socket(plain, server_hostname=host))
        connection.sock = ways[-1]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers |= {"Accept": "application/json", "Host": parts.netloc, "User-Agent": "crm", "Connection": "close"}
        connection.request("POST" if body is not None else "GET", path, body, headers)
        reply = connection.getresponse()
        content = reply.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise Failed("too large an answer")
        return Answer(reply.status, _json(content))
    finally:
        over.cancel()
        connection.close()
        for way in ways:
            way.close()


def _connect(addresses: list[str], port: int) -> socket.socket:
    """To the first that answers."""
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), SECONDS)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), SECONDS)


def _hang_up(ways: list[socket.socket]) -> None:
    """Under TLS, too, without its farewell: whoever reads is told that there is no more."""
    with suppress(OSError):
        socket.socket.shutdown(ways[-1], socket.SHUT_RDWR)


def _allowed(addresses: list[str], way: Way, *, secure: bool) -> list[str]:
    """The addresses of a host: every one of them must be allowed, whichever answers."""
    for text in addresses:
        address = _address(text)
        if not secure and not (way.insecure and address.is_loopback):
            raise Failed("plain HTTP is for this machine only")
        if not way.internal and not address.is_global:
            raise Failed("the address leads into the internal network")
    return addresses


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]).partition("%")[0] for *_, address in found]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _context() -> ssl.SSLContext:
    """The authorities of this machine; SSL_CERT_FILE names others."""
    return ssl.create_default_context()
