"""What the gateway is told by its environment."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_kit.settings import SERVICES, SettingsError

MIB = 1024 * 1024
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults fit one machine; every one can be told otherwise."""

    address: str = "127.0.0.1:8000"
    workers: int = 2
    threads: int = 8
    services: Mapping[str, str] = field(default_factory=lambda: dict(SERVICES))
    body_limit: int = MIB
    bulk_body_limit: int = 8 * MIB
    upload_limit: int = 30 * MIB
    """Bytes of a file that is sent as it is; a service takes 32 MiB in one message."""
    timeout: float = 10.0
    bulk_timeout: float = 60.0
    patience: float = 5.0
    """Seconds that a read waits for a service that is starting again."""
    public_rate: float = 20.0
    """Requests per second and address to routes that need no token, in each worker; 0 switches the limit off."""
    public_burst: int = 60
    user_rate: float = 0.0
    """The same for each signed-in user; off, because services shed load themselves."""
    user_burst: int = 200
    trusted_proxies: tuple[Network, ...] = ()
    """Peers whose X-Forwarded-For tells the true address."""
    metrics_public: bool = False

    @classmethod
    def from_environment(cls) -> "Settings":
        given = os.environ
        default = cls()
        return cls(
            address=given.get("HTTP_ADDRESS", default.address),
            workers=int(_number("HTTP_WORKERS", default.workers)),
            threads=int(_number("HTTP_THREADS", default.threads)),
            services={
                name: given.get(f"{name.upper().replace('-', '_')}_ADDRESS", address)
                for name, address in SERVICES.items()
            },
            body_limit=int(_number("BODY_LIMIT", default.body_limit)),
            bulk_body_limit=int(_number("BULK_BODY_LIMIT", default.bulk_body_limit)),
            upload_limit=int(_number("UPLOAD_LIMIT", default.upload_limit)),
            timeout=_number("RPC_TIMEOUT", default.timeout),
            bulk_timeout=_number("BULK_RPC_TIMEOUT", default.bulk_timeout),
            patience=_number("PATIENCE", default.patience),
            public_rate=_number("PUBLIC_RATE", default.public_rate),
            public_burst=int(_number("PUBLIC_BURST", default.public_burst)),
            user_rate=_number("USER_RATE", default.user_rate),
            user_burst=int(_number("USER_BURST", default.user_burst)),
            trusted_proxies=_networks("TRUSTED_PROXIES"),
            metrics_public=given.get("METRICS_PUBLIC", "") == "1",
        )


def _number(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        return float(value) if value else default
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {value!r}") from None


def _networks(name: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in os.environ.get(name, "").split(",") if part.strip())
    except ValueError as wrong:
        raise SettingsError(f"{name} must list networks: {wrong}") from None
