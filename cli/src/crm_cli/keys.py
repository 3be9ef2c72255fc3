"""`crm keys`: asks each service about its keys, or to change them. The services do it; the databases must be there."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from crm_cli.folder import Folder
from crm_cli.settings import Service, Settings, Wrong
from crm_cli.topology import Topology


def status(settings: Settings, say: Callable[[str], None]) -> None:
    """A table of all keys with how many values are under each."""
    topology = _reachable(settings)
    table = Table("service", "key", "purpose", "master key", "made", "state", "values", box=None, pad_edge=False)
    for service, said in _run_all(topology, "keys"):
        keys = [json.loads(line) for line in said.splitlines()]
        newest = {key["purpose"]: key["key"] for key in keys}
        for key in keys:
            state = "retired" if key["retired"] else "in use" if newest[key["purpose"]] == key["key"] else "old"
            values = ", ".join(f"{n:,} {where}" for where, n in key["values"].items()) or "none"
            made = key["created"][:16].replace("T", " ")
            table.add_row(service.name, str(key["key"]), key["purpose"], key["masterKey"], made, state, values)
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)
    say("The key file is " + str(settings.key_file))


def rotate(settings: Settings, say: Callable[[str], None], *, master: bool) -> None:
    """In all services at once; what is stopped is gone on with by the services, or by calling this again."""
    topology = _reachable(settings)
    if master:
        say(f"New master key {_run(topology, topology.installed[0], 'add-master-key').strip()}.")
    for service, said in _run_all(topology, "rotate-keys", *(["--rewrap"] if master else [])):
        say(f"{service.name}: {'; '.join(said.splitlines())}.")
    if master:
        say(f"Save {settings.key_file} now. The old master key stays in it: backups made before need it.")


def ask(settings: Settings, name: str, *words: str) -> str:
    """What the command of one service says, that the databases must be there for."""
    topology = _reachable(settings)
    service = next((service for service in topology.installed if service.name == name), None)
    if service is None:
        raise Wrong(f"The service {name} is not installed here.")
    return _run(topology, service, *words)


def _reachable(settings: Settings) -> Topology:
    folder = Folder(settings.data)
    folder.must_exist()
    if settings.embeds_postgres and not folder.running():
        raise Wrong(f"No suite runs on {settings.data}, so its databases cannot be asked. Start it with `crm up`.")
    return Topology(settings, folder)


def _run_all(topology: Topology, *words: str) -> Iterator[tuple[Service, str]]:
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda service: _run(topology, service, *words), topology.installed)
        yield from zip(topology.installed, answers, strict=True)


def _run(topology: Topology, service: Service, *words: str) -> str:
    command = [sys.executable, "-m", service.package, *words]
    done = subprocess.run(command, env=topology.environment(service), capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"{service.name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
