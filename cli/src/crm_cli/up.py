"""`crm up`: the whole suite on one machine, from an empty folder to the line that says where to look."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable

from crm_cli.folder import Folder
from crm_cli.settings import GATEWAY, Service, Settings, Wrong
from crm_cli.supervisor import Stop, Supervisor, Task
from crm_cli.topology import Topology, tool, without_secrets

START = 60  # seconds for anything to be ready before we say so


def up(settings: Settings, say: Callable[[str], None]) -> None:
    """Runs until SIGTERM or Ctrl-C."""
    folder = Folder(settings.data)
    folder.create()
    was_killed = folder.lock()
    try:
        topology = Topology(settings, folder)
        _check_ports(topology, patience=10 if was_killed else 0)
        with Supervisor(folder, say) as supervisor:
            try:
                _start(topology, supervisor, say)
                supervisor.run()
            except Stop:
                say("Stopping.")
    finally:
        folder.unlock()
    say("Stopped.")


def migrations(topology: Topology, supervisor: Supervisor) -> dict[str, Task]:
    """Creates missing databases and starts the migrations of those that are behind, all at once."""
    find = supervisor.run_task("preparing the databases", tool("databases"), without_secrets(os.environ))
    behind = json.loads(finish(supervisor, find))
    return {
        service.name: supervisor.run_task(
            f"migrating {service.name}",
            [sys.executable, "-m", service.package, "migrate"],
            topology.environment(service),
        )
        for service in topology.installed
        if service.name in behind
    }


def note_migrations(supervisor: Supervisor) -> None:
    done = tool("databases", "done")
    finish(supervisor, supervisor.run_task("noting the migrations", done, without_secrets(os.environ)))


def start_postgres(topology: Topology, supervisor: Supervisor) -> None:
    if topology.settings.embeds_postgres:
        server = topology.postgres
        server.prepare()
        child = topology.keeps_postgres()
        supervisor.keep(child)
        if not supervisor.until(lambda: bool(child.pid and server.is_ready(child.pid)), START):
            raise Wrong(f"PostgreSQL is not ready after {START} s; look into {child.log.path}.")


def start_nats(topology: Topology, supervisor: Supervisor) -> None:
    if topology.settings.embeds_nats:
        topology.nats.prepare()
        supervisor.keep(topology.keeps_nats())  # whoever needs it connects again until it is there


def _start(topology: Topology, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    if topology.missing:
        say(f"Not installed, so not started: {', '.join(topology.missing)}.")
    start_nats(topology, supervisor)
    start_postgres(topology, supervisor)
    begun = migrations(topology, supervisor)
    if begun:
        say(f"Migrating {', '.join(begun)}.")
    administrator = None
    password = topology.settings.admin_password or secrets.token_urlsafe(12)
    for service in sorted(topology.installed, key=lambda service: service.name in begun):
        if service.name in begun:
            finish(supervisor, begun[service.name])
        supervisor.keep(topology.keeps(service))
        if service.name == "identity":
            administrator = _administrator(topology, supervisor, service, password)
    if GATEWAY.is_installed():
        supervisor.keep(topology.keeps(GATEWAY))

    probes = [f"{name}={address}" for name, address in topology.probes().items()]
    health = supervisor.run_task("waiting", tool("health", str(START), *probes), without_secrets(os.environ))
    if late := finish(supervisor, health, START + 10):
        say(f"Not ready after {START} s, look into {topology.folder.logs}:\n{late}")
    if begun:
        note_migrations(supervisor)
    made = administrator is not None and finish(supervisor, administrator).endswith("created")
    say(f"Started in {time.monotonic() - began:.1f} s. Open {topology.settings.address} and sign in as admin.")
    if made and not topology.settings.admin_password:
        say(f"Password of admin (shown only this once): {password}")
    if made:
        say(f"Keep a copy of {topology.settings.key_file} elsewhere: without it nobody reads what it encrypts.")


def _administrator(topology: Topology, supervisor: Supervisor, identity: Service, password: str) -> Task:
    """The password goes through the environment: an argument would be seen by every user of the machine."""
    command = [sys.executable, "-m", identity.package, "bootstrap"]
    environment = topology.environment(identity) | {"CRM_ADMIN_PASSWORD": password}
    return supervisor.run_task("creating the administrator", command, environment)


def finish(supervisor: Supervisor, task: Task, seconds: float = 600) -> str:
    """A migration of a large table may take its time; the limit is only against waiting for ever."""
    if not supervisor.until(task.is_done, seconds):
        raise Wrong(f"{task.name} is not done after {seconds:.0f} s.")
    return task.answer()


def _check_ports(topology: Topology, patience: float) -> None:
    """Children of a `crm up` that was killed need a moment to end; anything else on our ports will not go away."""
    deadline = time.monotonic() + patience
    while problem := topology.taken():
        if time.monotonic() > deadline:
            raise Wrong(problem)
        time.sleep(0.1)
