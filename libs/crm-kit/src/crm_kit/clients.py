"""API clients: from where, how fast, until when and with which certificate a program may call.

Asked for clients only, after their token was verified. A person has none of these limits.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from crm_kit import errors
from crm_kit.settings import Network

if TYPE_CHECKING:
    from crm_kit.caller import Metadata

errors.texts(
    {
        "client_ended": ("API 客户端已到期", "The API client has expired"),
        "client_address_not_allowed": (
            "API 客户端不能从这个地址访问：{address}",
            "The API client may not call from this address: {address}",
        ),
        "client_certificate_wrong": (
            "API 客户端必须出示为其登记的证书",
            "The API client must show the certificate that it is bound to",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How one client may call, as identity announced it."""

    networks: tuple[Network, ...]
    """Anywhere when empty."""
    per_minute: int
    """Calls; without limit when 0."""
    end: datetime | None
    certificate: str
    """SHA-256 of the certificate it must show, in hexadecimal; none when empty."""


def limits(policy: Mapping[str, Any]) -> Limits:
    """The limits out of what `crm_kit.organisation` keeps of a client."""
    return Limits(
        networks=tuple(ipaddress.ip_network(a) for a in policy.get("addresses", ())),
        per_minute=policy.get("rate") or 0,
        end=datetime.fromisoformat(policy["endTime"]) if policy.get("endTime") else None,
        certificate=policy.get("certificate") or "",
    )


def refuse_outside(of: Limits, meta: Metadata, *, certificate: bool = True) -> None:
    """UNAUTHENTICATED after its end or without its certificate, PERMISSION_DENIED from a foreign address."""
    if of.end is not None and of.end <= datetime.now(UTC):
        raise errors.Unauthenticated("client_ended")
    if certificate and of.certificate and of.certificate != meta.certificate:
        raise errors.Unauthenticated("client_certificate_wrong")
    if of.networks and not within(of.networks, meta.address):
        raise errors.Denied("client_address_not_allowed", address=meta.address or "?")


@lru_cache(maxsize=4096)
def within(networks: tuple[Network, ...], address: str) -> bool:
    """Whether an address lies in one of the networks. An IPv4 address written as IPv6 counts as what it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


class Pace:
    """A token bucket for each client, of one process: a minute's calls at once, then as they come back."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # client → (calls left, when)
        self._lock = threading.Lock()

    def take(self, client_id: str, per_minute: int) -> None:
        """RESOURCE_EXHAUSTED, with the seconds until there is one again, if the client calls too fast."""
        now = time.monotonic()
        with self._lock:
            left, then = self._buckets.get(client_id, (float(per_minute), now))
            left = min(float(per_minute), left + (now - then) * per_minute / 60)
            passes = left >= 1
            self._buckets[client_id] = (left - passes, now)
        if not passes:
            raise errors.Exhausted("too_many_requests", retry_after=(1 - left) * 60 / per_minute)
