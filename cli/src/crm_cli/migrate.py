"""`crm migrate`: the schema of every database, whether the suite runs or not."""

from collections.abc import Callable

from crm_cli.folder import Folder
from crm_cli.settings import Settings
from crm_cli.supervisor import Stop, Supervisor
from crm_cli.topology import Topology
from crm_cli.up import finish, migrations, note_migrations, start_postgres


def migrate(settings: Settings, say: Callable[[str], None]) -> None:
    folder = Folder(settings.data)
    folder.create()
    topology = Topology(settings, folder)
    alone = not folder.running()
    if alone:
        folder.lock()
    try:
        with Supervisor(folder, say) as supervisor:
            try:
                if alone:
                    start_postgres(topology, supervisor)
                begun = migrations(topology, supervisor)
                for name, task in begun.items():
                    finish(supervisor, task)
                    say(f"{name} is migrated.")
                if begun:
                    note_migrations(supervisor)
                else:
                    say("Every database is up to date.")
            except Stop:
                say("Stopped; a migration that was not done is rolled back.")
    finally:
        folder.unlock()
