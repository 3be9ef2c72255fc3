"""Which processes a suite on one machine consists of, and what each of them is told."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial

from crm_cli.folder import Folder
from crm_cli.log import Log
from crm_cli.nats import Nats
from crm_cli.postgres import Postgres
from crm_cli.process import spawn
from crm_cli.settings import GATEWAY, SECRET, SERVICES, TLS, Service, Settings, Wrong
from crm_cli.supervisor import Child


class Topology:
    def __init__(self, settings: Settings, folder: Folder) -> None:
        self.settings = settings
        self.folder = folder
        self.installed = [service for service in SERVICES if service.is_installed()]
        self.missing = [service.name for service in (*SERVICES, GATEWAY) if not service.is_installed()]

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.folder.path / "postgres", self.settings.postgres_port, self.folder.secret("postgres"))

    @property
    def nats(self) -> Nats:
        return Nats(self.folder.path / "nats", self.settings.nats_port, self.folder.secret("nats"))

    @property
    def nats_url(self) -> str:
        return self.settings.nats_url or self.nats.url()

    def passwords(self) -> dict[str, str]:
        """The role and password of each service whose database is embedded."""
        own = [service.package for service in SERVICES if service.name not in self.settings.database_urls]
        return {name: self.folder.secret(name) for name in own}

    def database_url(self, service: Service) -> str:
        given = self.settings.database_urls.get(service.name)
        return given or self.postgres.url(service.package, service.package, self.folder.secret(service.package))

    def environment(self, service: Service) -> dict[str, str]:
        """What a process is told: never the passwords of another one."""
        settings = self.settings
        told = {name: value for name, value in os.environ.items() if name not in SECRET and not name.endswith(TLS)}
        told |= {f"{other.prefix}_ADDRESS": settings.addresses[other.name] for other in SERVICES}
        told |= {"LOG_LEVEL": settings.log_level, "CRM_DATA": str(settings.data)}
        told.setdefault("MALLOC_ARENA_MAX", "2")  # threads of one small process need no heap each
        if service == GATEWAY:
            host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
            return told | {"HTTP_ADDRESS": f"{host}:{settings.http_port}"}
        return told | {
            "ADDRESS": settings.addresses[service.name],
            "DATABASE_URL": self.database_url(service),
            "NATS_URL": self.nats_url,
            "KEY_FILE": str(settings.key_file),
            **settings.tls.get(service.name, {}),
        }

    def keeps_postgres(self) -> Child:
        """SIGINT is its "fast" stop: sessions are ended, everything is written."""
        return Child("postgres", 0, self.postgres.launch, self._log("postgres"), soft=signal.SIGINT)

    def keeps_nats(self) -> Child:
        return Child("nats", 0, self.nats.launch, self._log("nats"), soft=signal.SIGINT)

    def keeps(self, service: Service) -> Child:
        command = [sys.executable, "-m", service.package, "serve"]
        launch = partial(spawn, command, self.environment(service))
        return Child(service.name, 2 if service == GATEWAY else 1, launch, self._log(service.name))

    def probes(self) -> dict[str, str]:
        """Who is asked for its health, and where."""
        asked = {service.name: self.settings.addresses[service.name] for service in self.installed}
        return asked | ({"gateway": self.settings.address} if GATEWAY.is_installed() else {})

    def taken(self) -> str | None:
        """What is wrong with the ports, in words that say what to do."""
        seen: dict[int, str] = {}
        for host, port, purpose, setting in self.settings.listeners():
            if port in seen:
                return f"Port {port} is set for both {seen[port]} and {purpose}. Set {setting} to another one."
            seen[port] = purpose
            if not is_free(host, port):
                return f"Port {port} on {host} is taken, and it is needed for {purpose}. Set {setting} to a free one."
        return None

    def _log(self, name: str) -> Log:
        return Log(self.folder.logs / f"{name}.log")


def is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise Wrong(f"The address {host} is not known on this machine.") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(address)
        except PermissionError:
            raise Wrong(f"Port {port} may only be used by root; choose one above 1023.") from None
        except OSError:
            return False
    return True


def tool(module: str, *words: str) -> list[str]:
    """A helper of ours in a process of its own."""
    return [sys.executable, "-m", f"crm_cli.{module}", *words]


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "CRM_ADMIN_PASSWORD"}
