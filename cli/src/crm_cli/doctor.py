"""`crm doctor` and `crm status`: what is right, what is wrong, what to do."""

from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from crm_cli import checks
from crm_cli.checks import Finding
from crm_cli.folder import Folder
from crm_cli.settings import SERVICES, Settings
from crm_cli.topology import Topology


def doctor(settings: Settings) -> list[Finding]:
    folder = Folder(settings.data)
    writable = checks.folder(settings.data)
    found = [checks.python(), checks.packages(), checks.stubs(), writable, checks.room(settings.data)]
    if not writable.is_right:
        return found  # the rest needs what lies in it
    topology = Topology(settings, folder)
    found.append(checks.programs(topology))
    if folder.running():
        found += _running(topology)
        return [*found, checks.clock(topology.database_url(SERVICES[0]))]
    found.append(checks.ports(topology))
    outside = settings.database_urls
    found += [checks.database(topology, service) for service in SERVICES if service.name in outside]
    if settings.nats_url:
        found.append(checks.jetstream(settings.nats_url))
    found.append(Finding("suite", note="does not run; `crm up` starts it"))
    return [*found, checks.clock(next(iter(settings.database_urls.values()), None))]


def status(settings: Settings) -> list[Finding]:
    folder = Folder(settings.data)
    if not (pid := folder.running()):
        return [Finding("suite", f"does not run on {settings.data}", "start it with `crm up`")]
    topology = Topology(settings, folder)
    processes = ", ".join(f"{name} {number}" for name, number in folder.processes().items())
    return [Finding("suite", note=f"process {pid}; {processes}"), *_health(topology)]


def show(findings: list[Finding]) -> int:
    """The table; the exit code."""
    table = Table("", "check", "what was found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        mark = "[green]OK[/]" if finding.is_right else "[red]--[/]"
        table.add_row(mark, finding.what, finding.wrong or f"[dim]{finding.note}[/]", finding.remedy)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a log or a pipe has no width of its own
    console.print(table)
    return 0 if all(finding.is_right for finding in findings) else 1


def _running(topology: Topology) -> list[Finding]:
    with ThreadPoolExecutor() as pool:
        databases = pool.map(lambda service: checks.database(topology, service), SERVICES)
        found = [*databases, checks.jetstream(topology.nats_url)]
    return found + _health(topology)


def _health(topology: Topology) -> list[Finding]:
    probes = topology.probes()
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda name: checks.health(name, probes[name], topology.folder.logs), probes))
