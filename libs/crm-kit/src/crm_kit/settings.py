"""Settings of a service process, read from its environment once, at start."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SERVICES = {
    "identity": "127.0.0.1:9101",
    "customer": "127.0.0.1:9102",
    "sales": "127.0.0.1:9103",
    "service-desk": "127.0.0.1:9104",
    "workspace": "127.0.0.1:9105",
    "reporting": "127.0.0.1:9106",
}
"""Every service and where it listens unless told otherwise."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


def peer_address(service: str) -> str:
    """host:port of a service's gRPC port, from `<SERVICE>_ADDRESS`."""
    return os.environ.get(f"{service.upper().replace('-', '_')}_ADDRESS", SERVICES[service])


def key_file() -> Path:
    """KEY_FILE, or `keys/master.keys` in the data folder."""
    return Path(os.environ.get("KEY_FILE") or Path(os.environ.get("CRM_DATA") or ".data") / "keys" / "master.keys")


@dataclass(frozen=True, slots=True)
class Tls:
    """A port for callers from outside who come without the gateway."""

    address: str
    cert_file: str
    key_file: str
    client_ca_file: str = ""
    """Callers must show a certificate of these authorities."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one service process is told. All times are seconds."""

    service: str
    database_url: str
    nats_url: str
    address: str
    log_level: str
    threads: int
    metrics_address: str
    key_file: Path = field(default_factory=key_file)
    """Where the master keys lie, with which personal data in the database are encrypted."""
    tls: Tls | None = None
    trusted_peers: tuple[Network, ...] = ()
    """From where, besides this machine, the plaintext port believes what is said of a request's origin."""

    @classmethod
    def from_environment(cls, service: str) -> Settings:
        """Read DATABASE_URL, NATS_URL, ADDRESS, LOG_LEVEL, THREADS, METRICS_ADDRESS, KEY_FILE, TLS_…, TRUSTED_PEERS."""
        database_url = os.environ.get("DATABASE_URL", "")
        if not database_url.startswith(("postgresql://", "postgres://")):
            raise SettingsError("DATABASE_URL must be set, in the form postgresql://user:password@host:port/database")
        return cls(
            service=service,
            database_url=database_url,
            nats_url=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"),
            address=os.environ.get("ADDRESS") or peer_address(service),
            log_level=os.environ.get("LOG_LEVEL", "INFO").upper(),
            threads=_whole_number("THREADS", 16),
            metrics_address=os.environ.get("METRICS_ADDRESS", ""),
            tls=_tls(),
            trusted_peers=_networks("TRUSTED_PEERS"),
        )


def _tls() -> Tls | None:
    address = os.environ.get("TLS_ADDRESS", "")
    if not address:
        return None
    files = [os.environ.get(f"TLS_{name}_FILE", "") for name in ("CERT", "KEY", "CLIENT_CA")]
    if not files[0] or not files[1]:
        raise SettingsError("TLS_ADDRESS needs TLS_CERT_FILE and TLS_KEY_FILE")
    return Tls(address, *files)


def _networks(name: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(n.strip()) for n in os.environ.get(name, "").split(",") if n.strip())
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _whole_number(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not int(value):
        raise SettingsError(f"{name} must be a whole number above 0, not {value!r}")
    return int(value)
