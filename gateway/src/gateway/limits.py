"""How much, how fast, from whom."""

import ipaddress
import threading
import time
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from crm_kit import errors
from gateway.settings import Network

REMEMBERED = 20_000


class TooLarge(errors.Refusal):
    """More bytes than the route takes, declared or sent."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_large_body", limit=limit)


def read_body(environ: dict[str, Any], limit: int) -> bytes:
    """The whole body, or a refusal: a body over the limit is never cut. The server has it complete already."""
    declared = environ.get("CONTENT_LENGTH", "")
    if declared in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    body: bytes = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise TooLarge(limit)
    return body


class Rate:
    """A token bucket for each key. Of one worker: with two workers a client may reach twice the rate."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key → (tokens left, when)
        self._lock = threading.Lock()
        self.policy = f'"default";q={burst};w={max(1, round(burst / rate))}' if rate else ""

    def take(self, key: str) -> tuple[bool, float]:
        """Whether it may pass, and how many tokens are left."""
        now = time.monotonic()
        with self._lock:
            left, then = self._buckets.pop(key, (float(self.burst), now))
            left = min(self.burst, left + (now - then) * self.rate)
            passes = left >= 1
            left -= passes
            self._buckets[key] = (left, now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        return passes, left

    def headers(self, left: float) -> list[tuple[str, str]]:
        """RateLimit header fields for HTTP, as the IETF draft has them."""
        until_full = round((self.burst - left) / self.rate)
        return [("RateLimit-Policy", self.policy), ("RateLimit", f'"default";r={int(max(0, left))};t={until_full}')]


class Peers:
    """The address a request comes from; a proxy is believed only where it is named in the settings."""

    def __init__(self, proxies: tuple[Network, ...]) -> None:
        self._proxies = proxies
        self._trusted = lru_cache(maxsize=1024)(self._is_trusted)

    def address(self, environ: dict[str, Any]) -> str:
        peer = environ.get("REMOTE_ADDR") or "127.0.0.1"  # a Unix socket has no address
        if self._proxies and self._trusted(peer):
            said = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
            return said if _is_address(said) else peer
        return peer

    def _is_trusted(self, peer: str) -> bool:
        return _is_address(peer) and any(ipaddress.ip_address(peer) in network for network in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
