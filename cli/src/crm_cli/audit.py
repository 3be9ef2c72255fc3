"""`crm audit verify`: is the audit trail still what it was, asked of a running suite or of its database."""

import os
import sys
from collections.abc import Callable

import click

from crm_cli.importers.options import Options, signs_in
from crm_cli.settings import SERVICES, Settings

A_DAY = 24 * 3600


@click.group()
def audit() -> None:
    """Look after the audit trail."""


@audit.command()
@click.option("--offline", is_flag=True, help="Ask the database and the anchors themselves, running suite or not.")
@click.option("--start", type=click.IntRange(min=1), default=1, help="First entry to check.")
@signs_in
def verify(offline: bool, start: int, options: Options) -> None:
    """Check every entry of the audit trail and its anchors; exit code 1 and the first broken one if it is not well."""
    if offline:
        sys.exit(by_database(Settings.read(os.environ), start, click.echo))
    sys.exit(by_suite(options, start, click.echo))


def by_suite(options: Options, start: int, say: Callable[[str], None]) -> int:
    """Ask a running suite, part by part; the exit code."""
    from crm_cli.client import Client

    client = Client(options.url)
    client.login(options.username, options.password())
    entries = anchors = 0
    while True:
        part = client.get("/v1/audit-entries:verify", startSeq=start)
        entries, anchors = entries + int(part["entries"]), anchors + int(part["anchors"])
        start = int(part.get("nextSeq") or 0)
        if not start or part.get("broken"):
            break
        say(f"{part['endSeq']} of {part['headSeq']} entries are well.")
    say(f"{entries} entries checked, {anchors} anchors compared.")
    say(f"Newest entry: {part['headSeq']} {part['headHash']}")
    if broken := part.get("broken"):
        say(f"BROKEN at {broken['seq']}: {broken['message']}.")
        return 1
    say("The trail is whole.")
    return 0


def by_database(settings: Settings, start: int, say: Callable[[str], None]) -> int:
    """Let the identity service look at its database, which is started if it does not run; the exit code."""
    from crm_cli.folder import Folder
    from crm_cli.supervisor import Stop, Supervisor
    from crm_cli.topology import Topology
    from crm_cli.up import start_postgres

    folder = Folder(settings.data)
    folder.must_exist()
    topology = Topology(settings, folder)
    identity = next(service for service in SERVICES if service.name == "identity")
    command = [sys.executable, "-m", identity.package, "audit-verify", str(start)]
    alone = not folder.running()
    if alone:
        folder.lock()
    try:
        with Supervisor(folder, say) as supervisor:
            if alone:
                start_postgres(topology, supervisor)
            task = supervisor.run_task("verifying the audit trail", command, topology.environment(identity))
            supervisor.until(task.is_done, A_DAY)
            assert task.process.stdout
            say(task.process.stdout.read().decode().strip())
            if task.process.returncode not in (0, 1):
                task.answer()  # says why it could not
            return int(task.process.returncode)
    except Stop:
        say("Stopped before it was checked.")
        return 2
    finally:
        folder.unlock()
