"""Who is at the other end of a connection, and whether to believe what it says of where a request came from.

The gateway and the other services pass on the address (and the certificate) of whoever called them. That is believed
on the plaintext port from this machine and from the networks of TRUSTED_PEERS. Anybody else, and everybody on the
TLS port, is who their connection says they are.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import grpc

from crm_kit import caller as callers
from crm_kit.caller import Metadata
from crm_kit.clients import within
from crm_kit.settings import Network

_HERE: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


class Peers:
    """Reads the metadata of calls; one for each process."""

    def __init__(self, trusted: Sequence[Network] = (), *, tls: bool = False) -> None:
        self._trusted, self._tls = tuple(trusted), tls
        self._of = lru_cache(maxsize=4096)(self._look)

    def read(self, context: grpc.ServicerContext) -> Metadata:
        """What travels beside a request, with the address and the certificate of whoever asked."""
        pairs: dict[str, Any] = dict(context.invocation_metadata())
        address, believed = self._of(context.peer())
        if self._tls:
            said = context.auth_context()
            if b"ssl" in said.get("transport_security_type", ()):
                shown = said.get("x509_pem_cert", ())
                return callers.read(pairs, address, fingerprint(bytes(shown[0])) if shown else "")
        return callers.read(pairs) if believed else callers.read(pairs, address)

    def _look(self, peer: str) -> tuple[str, bool]:
        """`ipv4:127.0.0.1:53210`, `ipv6:%5B::1%5D:53210` or `unix:…`: its address, and whether it is believed."""
        kind, _, rest = peer.partition(":")
        if kind == "unix":
            return "", True
        address = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
        return address, within((*_HERE, *self._trusted), address)


@lru_cache(maxsize=256)
def fingerprint(pem: bytes) -> str:
    """SHA-256 of a certificate, in hexadecimal; empty where it cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError:
        return ""
    return hashlib.sha256(der).hexdigest()
