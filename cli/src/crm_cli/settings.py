"""What can be set, where it comes from (the environment only) and the topology of the suite in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit


class Wrong(Exception):
    """A refusal with words for the person at the console."""


@dataclass(frozen=True)
class Service:
    name: str
    port: int

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def prefix(self) -> str:
        return self.package.upper()

    def is_installed(self) -> bool:
        spec = find_spec(self.package)
        return bool(spec and spec.origin and Path(spec.origin).with_name("__main__.py").exists())


SERVICES = (
    Service("identity", 9101),
    Service("customer", 9102),
    Service("sales", 9103),
    Service("service-desk", 9104),
    Service("workspace", 9105),
    Service("reporting", 9106),
)
GATEWAY = Service("gateway", 8080)

HELP = {
    "CRM_DATA": "data folder of this installation (.data)",
    "CRM_HTTP_HOST": "address the console and the API listen on (127.0.0.1)",
    "CRM_HTTP_PORT": "their port (8080)",
    "CRM_ADMIN_PASSWORD": "password of the first administrator; without it one is made and shown once",
    "POSTGRES_PORT": "port of the PostgreSQL that comes with the suite (15432)",
    "NATS_PORT": "port of the NATS that comes with the suite (14222)",
    "NATS_URL": "use this NATS server instead of the one that comes with the suite",
    "<SERVICE>_DATABASE_URL": "use this database for a service instead of the one that comes with the suite",
    "<SERVICE>_ADDRESS": "host:port a service listens on (127.0.0.1:9101 to 9106)",
    "AUDIT_ANCHORS": "file for the anchors of the audit trail (audit/anchors.jsonl in the data folder)",
    "KEY_FILE": "master keys, with which personal data are encrypted (keys/master.keys in the data folder)",
    "<SERVICE>_TLS_ADDRESS": "host:port on which a service also answers gRPC over TLS; needs the two files below",
    "TLS_CERT_FILE, TLS_KEY_FILE": "certificate chain and key of the TLS ports; <SERVICE>_TLS_CERT_FILE … for one",
    "TLS_CLIENT_CA_FILE": "callers of the TLS ports must show a certificate of these authorities",
    "COMPANY_REGISTER_FILE": "register of companies (CSV or JSON lines) that `crm import-register` reads",
    "COMPANY_REGISTER": "another register of companies, as module:Class",
    "LOG_LEVEL": "how much the services say: debug, info, warning, error (info)",
}
TLS = ("TLS_ADDRESS", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE")
SECRET = ("CRM_ADMIN_PASSWORD", "NATS_URL", *(f"{service.prefix}_DATABASE_URL" for service in SERVICES))


@dataclass(frozen=True)
class Settings:
    data: Path
    http_host: str
    http_port: int
    postgres_port: int
    nats_port: int
    addresses: Mapping[str, str]  # service name -> host:port
    tls: Mapping[str, Mapping[str, str]]  # service name -> TLS_… as its process is told; only those with a TLS port
    database_urls: Mapping[str, str]  # only those given; the others are embedded
    nats_url: str | None
    admin_password: str | None
    log_level: str
    key_file: Path

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        def port(name: str, default: int) -> int:
            return _port(environment.get(name) or str(default), name)

        addresses = {}
        for service in SERVICES:
            name = f"{service.prefix}_ADDRESS"
            addresses[service.name] = _address(environment.get(name) or f"127.0.0.1:{service.port}", name)
        data = Path(environment.get("CRM_DATA") or ".data").expanduser().absolute()
        return cls(
            data=data,
            http_host=environment.get("CRM_HTTP_HOST") or "127.0.0.1",
            http_port=port("CRM_HTTP_PORT", GATEWAY.port),
            postgres_port=port("POSTGRES_PORT", 15432),
            nats_port=port("NATS_PORT", 14222),
            addresses=addresses,
            tls={service.name: tls for service in SERVICES if (tls := _tls(environment, service.prefix))},
            database_urls={
                service.name: url for service in SERVICES if (url := environment.get(f"{service.prefix}_DATABASE_URL"))
            },
            nats_url=environment.get("NATS_URL") or None,
            admin_password=environment.get("CRM_ADMIN_PASSWORD") or None,
            log_level=environment.get("LOG_LEVEL") or "info",
            key_file=Path(environment.get("KEY_FILE") or data / "keys" / "master.keys").expanduser().absolute(),
        )

    @property
    def embeds_postgres(self) -> bool:
        return any(service.name not in self.database_urls for service in SERVICES)

    @property
    def embeds_nats(self) -> bool:
        return self.nats_url is None

    @property
    def address(self) -> str:
        """Where a person's browser finds the suite."""
        host = "127.0.0.1" if self.http_host in ("0.0.0.0", "::", "") else self.http_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}"

    def listeners(self) -> list[tuple[str, int, str, str]]:
        """Each port that must be free: host, port, what for, the setting that changes it."""
        wanted = [(self.http_host, self.http_port, "the console and the API", "CRM_HTTP_PORT")]
        if self.embeds_postgres:
            wanted.append(("127.0.0.1", self.postgres_port, "PostgreSQL", "POSTGRES_PORT"))
        if self.embeds_nats:
            wanted.append(("127.0.0.1", self.nats_port, "NATS", "NATS_PORT"))
        for service in SERVICES:
            host, _, port = self.addresses[service.name].rpartition(":")
            wanted.append((host.strip("[]"), int(port), f"the {service.name} service", f"{service.prefix}_ADDRESS"))
            if tls := self.tls.get(service.name):
                host, _, port = tls["TLS_ADDRESS"].rpartition(":")
                what = f"the TLS port of the {service.name} service"
                wanted.append((host.strip("[]"), int(port), what, f"{service.prefix}_TLS_ADDRESS"))
        return wanted


def server_of(url: str) -> str:
    """An address without the password in it, for people to read."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"


def _address(text: str, name: str) -> str:
    host, colon, number = text.rpartition(":")
    if not (colon and host):
        raise Wrong(f"{name} is {text!r}; it must be host:port, for example 127.0.0.1:9102.")
    _port(number, name)
    return text


def _tls(environment: Mapping[str, str], prefix: str) -> Mapping[str, str]:
    """What a service is told of its TLS port; nothing where it has none. Files may be the same for all services."""
    name = f"{prefix}_TLS_ADDRESS"
    address = environment.get(name)
    if not address:
        return {}
    found = {"TLS_ADDRESS": _address(address, name)}
    for file in TLS[1:]:
        path = environment.get(f"{prefix}_{file}") or environment.get(file)
        if path:
            found[file] = str(Path(path).expanduser().absolute())
        elif file != "TLS_CLIENT_CA_FILE":
            raise Wrong(f"{name} needs {file}.")
    return found


def _port(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Wrong(f"{name} names the port {text!r}; a port is a number from 1 to 65535.")
    return int(text)
