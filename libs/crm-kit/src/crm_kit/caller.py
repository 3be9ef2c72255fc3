"""Who calls, as far as the transport can tell: everything here stems from the verified token and the metadata."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from crm_kit import errors
from crm_kit.access import Access

_CERTIFICATE = "x-client-certificate-sha256"
_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What travels beside a request."""

    authorization: str
    language: str
    idempotency_key: str
    request_id: str
    trace_parent: str
    address: str
    certificate: str = ""
    """SHA-256 of the certificate that the caller's connection showed, in hexadecimal; empty without one."""

    @property
    def trace_id(self) -> str:
        return self.trace_parent[3:35]

    def passed_on(self) -> tuple[tuple[str, str], ...]:
        """What goes along when a service asks another in the caller's name."""
        return (
            ("authorization", self.authorization),
            ("x-request-id", self.request_id),
            ("x-forwarded-for", self.address),
            (_CERTIFICATE, self.certificate),
        )


def read(pairs: dict[str, str | bytes], address: str | None = None, certificate: str = "") -> Metadata:
    """Take from the metadata what we know; anything else, identity claims above all, is ignored.

    Given an `address`, what the metadata says of address and certificate is not believed: these count.
    """

    def word(key: str) -> str:
        value = pairs.get(key, "")
        return value if isinstance(value, str) else ""

    trace = word("traceparent")
    if not _TRACE.fullmatch(trace):
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return Metadata(
        authorization=word("authorization"),
        language=errors.EN if word("accept-language").startswith("en") else errors.ZH,
        idempotency_key=word("idempotency-key"),
        request_id=word("x-request-id")[:64],
        trace_parent=trace,
        address=word("x-forwarded-for")[:64] if address is None else address,
        certificate=word(_CERTIFICATE)[:64] if address is None else certificate,
    )


@dataclass(slots=True)
class Caller:
    """A signed-in person, or nobody (public RPCs)."""

    access: Access | None
    session_id: str = ""
    right: str = ""
    """The right that the call under way asks for."""
    acting_id: str = ""
    """Who really looks, where an administrator views as this person: such a caller changes nothing."""

    @property
    def user_id(self) -> str:
        return self.access.user_id if self.access else ""

    @property
    def name(self) -> str:
        return self.access.name if self.access else ""
