"""Whose word counts when a request says where it came from."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from crm_kit.peers import Peers

pytestmark = pytest.mark.feature("IDN-08")

SAID = {"x-forwarded-for": "203.0.113.7", "x-client-certificate-sha256": "ab" * 32}


class Context:
    """A call as gRPC shows it."""

    def __init__(self, peer: str, **auth: Any) -> None:
        self._peer, self._auth = peer, auth

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Any:
        return tuple(SAID.items())

    def auth_context(self) -> Any:
        return self._auth


def read(peers: Peers, peer: str, **auth: Any) -> tuple[str, str]:
    meta = peers.read(Context(peer, **auth))  # type: ignore[arg-type]
    return meta.address, meta.certificate


@pytest.mark.parametrize("peer", ["ipv4:127.0.0.1:5000", "ipv6:%5B::1%5D:5000", "ipv6:[::1]:5000", "unix:/run/x"])
def test_on_this_machine_the_gateway_is_believed(peer: str) -> None:
    assert read(Peers(), peer) == ("203.0.113.7", "ab" * 32)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:198.51.100.4:5000", "198.51.100.4"),
        ("ipv6:%5B2001:db8::4%5D:5000", "2001:db8::4"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::1"),
    ],
)
def test_a_stranger_is_who_the_connection_says(peer: str, address: str) -> None:
    assert read(Peers(), peer) == (address, "")


def test_networks_that_are_named_are_believed() -> None:
    peers = Peers([ipaddress.ip_network("10.0.0.0/8")])

    assert read(peers, "ipv4:10.2.3.4:5000") == ("203.0.113.7", "ab" * 32)
    assert read(peers, "ipv6:%5B::ffff:10.2.3.4%5D:5000") == ("203.0.113.7", "ab" * 32)
    assert read(peers, "ipv4:11.2.3.4:5000") == ("11.2.3.4", "")


def test_over_tls_nobody_is_believed() -> None:
    peers = Peers([ipaddress.ip_network("10.0.0.0/8")], tls=True)

    assert read(peers, "ipv4:127.0.0.1:5000", transport_security_type=[b"ssl"]) == ("127.0.0.1", "")
    assert read(peers, "ipv4:10.2.3.4:5000", transport_security_type=[b"ssl"]) == ("10.2.3.4", "")
    assert read(peers, "ipv4:127.0.0.1:5000") == ("203.0.113.7", "ab" * 32), "the plaintext port beside it"
