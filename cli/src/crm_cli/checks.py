"""The single things `crm doctor` and `crm status` look at. Each says what is wrong and what to do, or nothing."""

import asyncio
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from urllib.parse import urlsplit

import nats
import psycopg
from nats.errors import Error as NatsError
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from crm_cli.health import trouble
from crm_cli.settings import SERVICES, Service, server_of
from crm_cli.topology import Topology
from crm_protos.build import PROTOS, is_stale

MEMBERS = ("crm-protos", "crm-kit", "crm-records", *(service.name for service in SERVICES), "gateway", "crm-cli")
ROOM = 2 << 30  # bytes: below it PostgreSQL may stop in the middle of a checkpoint


@dataclass(frozen=True)
class Finding:
    what: str
    wrong: str = ""
    remedy: str = ""
    note: str = ""  # of what is right, or why it was not looked at

    @property
    def is_right(self) -> bool:
        return not self.wrong


def python() -> Finding:
    """A system upgrade may put another one under an environment that was made with the old."""
    now, wanted = platform.python_version(), metadata("crm-cli")["Requires-Python"]
    if now not in SpecifierSet(wanted):
        return Finding("Python", f"{now} is not {wanted}", "install one that is, then `make clean setup PYTHON=…`")
    return Finding("Python", note=now)


def packages() -> Finding:
    """Against what each member states itself."""
    missing = set()
    for member in MEMBERS:
        try:
            wanted = [Requirement(line) for line in requires(member) or []]
        except PackageNotFoundError:
            missing.add(member)
            continue
        for requirement in wanted:
            try:
                installed = version(requirement.name)
            except PackageNotFoundError:
                missing.add(requirement.name)
            else:
                if not requirement.specifier.contains(installed, prereleases=True):
                    missing.add(f"{requirement} (it is {installed})")
    if missing:
        return Finding("packages", f"missing: {', '.join(sorted(missing))}", "run `make setup`")
    return Finding("packages")


def programs(topology: Topology) -> Finding:
    if topology.missing:
        return Finding("programs", f"not installed: {', '.join(topology.missing)}", "run `make setup`")
    return Finding("programs")


def stubs() -> Finding:
    if PROTOS.is_dir() and is_stale():
        return Finding("stubs", "older than protos/", "run `make stubs`, then start again")
    return Finding("stubs")


def folder(path: Path) -> Finding:
    name = "data folder"
    there = next(place for place in (path, *path.parents) if place.exists())  # `crm up` makes the rest
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"x")
    except OSError as error:
        return Finding(name, f"{path} cannot be written: {error.strerror}", "set CRM_DATA to a folder of yours")
    return Finding(name, note=str(path))


def room(path: Path) -> Finding:
    if not path.exists():
        return Finding("disk", note="not looked at: no data folder")
    free = shutil.disk_usage(path).free
    if free < ROOM:
        return Finding("disk", f"only {free >> 20} MiB free", f"make room where {path} lies")
    return Finding("disk", note=f"{free >> 30} GiB free")


def ports(topology: Topology) -> Finding:
    if problem := topology.taken():
        sentence, _, remedy = problem.partition(". ")
        return Finding("ports", sentence, remedy.rstrip("."))
    return Finding("ports", note="free")


def database(topology: Topology, service: Service) -> Finding:
    url = topology.database_url(service)
    name = f"database of {service.name}"
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            number = connection.info.server_version
    except psycopg.OperationalError as error:
        last = re.sub(r"\s+", " ", str(error)).strip()
        remedy = f"look into logs/postgres.log, or at {service.prefix}_DATABASE_URL"
        return Finding(name, f"{server_of(url)} is not reachable: {last}", remedy)
    if number < 180000:
        return Finding(name, f"PostgreSQL {number // 10000} is older than 18", "use a server of version 18 or newer")
    if service.is_installed() and not _is_current(topology, service):
        return Finding(name, "its schema is not that of this release", "run `crm migrate`")
    return Finding(name, note=f"PostgreSQL {number // 10000}.{number % 10000}")


def _is_current(topology: Topology, service: Service) -> bool:
    """Only the service itself knows which tables it has."""
    command = [sys.executable, "-m", service.package, "migrate", "--check"]
    return subprocess.run(command, env=topology.environment(service), capture_output=True).returncode == 0


def jetstream(url: str) -> Finding:
    async def ask() -> None:
        connection = await nats.connect(
            url, connect_timeout=3, allow_reconnect=False, error_cb=_silent, max_reconnect_attempts=1
        )
        try:
            await connection.jetstream().account_info()
        finally:
            await connection.close()

    try:
        asyncio.run(asyncio.wait_for(ask(), 6))
    except (NatsError, OSError, TimeoutError) as error:
        where = f"{urlsplit(url).hostname}:{urlsplit(url).port}"
        why = str(error) or type(error).__name__
        return Finding("NATS", f"no JetStream at {where}: {why}", "look into logs/nats.log, or at NATS_URL")
    return Finding("NATS", note="with JetStream")


async def _silent(error: Exception) -> None:
    """The client would print a trace; the finding says it."""


def health(name: str, address: str, logs: Path) -> Finding:
    if why := trouble(address):
        return Finding(name, f"{address} {why}", f"look into {logs / f'{name}.log'}")
    return Finding(name, note=address)


def clock(database_url: str | None) -> Finding:
    """Tokens and deadlines compare times of several machines."""
    name = "clock"
    if time.time() < Path(__file__).stat().st_mtime - 86400:
        return Finding(name, f"{time.ctime()} is before this program was installed", "set the clock, best by NTP")
    if database_url:
        try:
            with psycopg.connect(database_url, connect_timeout=5) as connection:
                row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        except psycopg.OperationalError:
            row = None
        if row and abs(float(row[0]) - time.time()) > 2:
            apart = float(row[0]) - time.time()
            return Finding(name, f"the database's clock is {apart:+.0f} s apart", "let both machines follow NTP")
    return Finding(name)
