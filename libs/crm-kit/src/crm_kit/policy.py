"""From where and when a role may be used: parsed once for each person's access, asked at every call.

The address is the one that the gateway forwards (docs/decisions/0031): nobody else reaches a service's port.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Span:
    """From one minute of a day to a later one, on some days of the week."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        return day in self.days and self.start <= minute < self.end


@dataclass(frozen=True, slots=True)
class Use:
    """Networks and spans of a role; none means any."""

    networks: tuple[Network, ...]
    spans: tuple[Span, ...]

    def permits(self, address: Address | None, day: int, minute: int) -> bool:
        """Whether the role may be used from an address at a moment in the person's time zone."""
        if self.networks and not any(address is not None and address in n for n in self.networks):
            return False
        return not self.spans or any(s.holds(day, minute) for s in self.spans)


USUAL = {"sessionHours": 720, "concurrentSessions": sys.maxsize, "exportRows": 10_000, "printRows": 1_000}
"""What a policy allows that does not say."""
NEVER = Use((), (Span(frozenset(), 0, 0),))


class _HasUse(Protocol):
    @property
    def use(self) -> Use | None: ...


_R = TypeVar("_R", bound=_HasUse)


def use(policy: Mapping[str, Any] | None) -> Use | None:
    """What a role's policy says of its use; None where it may be used always and everywhere."""
    if not policy:
        return None
    networks = tuple(network(a) for a in policy.get("allowedAddresses", ()))
    spans = tuple(span(h) for h in policy.get("allowedHours", ()))
    return Use(networks, spans) if networks or spans else None


def stored_use(policy: Mapping[str, Any] | None) -> Use | None:
    """The same of a policy that is stored; one that cannot be read (a release before did not check) permits nothing."""
    try:
        return use(policy)
    except ValueError:
        return NEVER


def network(text: str) -> Network:
    """ "10.0.0.0/8", or one address. ValueError for anything else, also where bits behind the mask are set."""
    return ipaddress.ip_network(text)


def span(hours: Mapping[str, Any]) -> Span:
    """Hours as the contract writes them. ValueError unless the end comes after the start."""
    days = frozenset(DAYS.index(d) for d in hours.get("days", ())) or frozenset(range(7))
    found = Span(days, minute_of(hours.get("start", "")), minute_of(hours.get("end", "")))
    if found.start >= found.end:
        raise ValueError("ends before it starts")
    return found


def minute_of(text: str) -> int:
    """ "08:30" as minutes since midnight; "24:00" is the midnight at the end. ValueError for anything else."""
    hour, _, minute = text.partition(":")
    if len(hour) != 2 or len(minute) != 2 or not (hour + minute).isascii() or not (hour + minute).isdigit():
        raise ValueError("no time of day")
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 24 * 60:
        raise ValueError("no time of day")
    return found


def usable(roles: tuple[_R, ...], address: str, time_zone: str) -> tuple[_R, ...]:
    """Those of the roles that may be used from this address now."""
    now = moment(time_zone)
    where, day, minute = address_of(address), now.weekday(), now.hour * 60 + now.minute
    return tuple(r for r in roles if r.use is None or r.use.permits(where, day, minute))


def moment(time_zone: str) -> datetime:
    """Now, by the clock of somebody in this time zone; one that nobody knows counts as Chinese time."""
    return datetime.now(_zone(time_zone))


@lru_cache(maxsize=1024)
def address_of(text: str) -> Address | None:
    """An address; None where it is none. An IPv4 address written as IPv6 is the IPv4 address."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("Asia/Shanghai")


def number(policy: Mapping[str, Any] | None, name: str) -> int:
    """One of the numbers of a policy."""
    return int((policy or {}).get(name, USUAL[name]))


def covers(wide: Mapping[str, Any] | None, narrow: Mapping[str, Any] | None) -> bool:
    """Whether a role with the policy `wide` may be used wherever, whenever and for as much as one with `narrow` may.

    A second factor that the wide one asks is asked by the narrow one, too.
    """
    if any(number(wide, name) < number(narrow, name) for name in USUAL):
        return False
    if (wide or {}).get("secondFactor") and not (narrow or {}).get("secondFactor"):
        return False
    outer, inner = use(wide), use(narrow)
    if outer is None:
        return True
    if inner is None or (outer.networks and not inner.networks) or (outer.spans and not inner.spans):
        return False
    placed = all(any(_within(n, o) for o in outer.networks) for n in inner.networks) or not outer.networks
    return placed and (not outer.spans or all(_lies_in(s, outer.spans) for s in inner.spans))


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _lies_in(inner: Span, outer: Iterable[Span]) -> bool:
    """On each of its days within one of the others; two that only together hold it do not count."""
    return all(any(d in o.days and o.start <= inner.start and inner.end <= o.end for o in outer) for d in inner.days)
