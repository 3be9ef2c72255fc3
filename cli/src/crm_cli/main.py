"""The commands. What each one does stands in a module of its own, loaded when it is called."""

import os
import sys

import click

from crm_cli.audit import audit
from crm_cli.demo.commands import demo
from crm_cli.erasures import erasures
from crm_cli.folder import Folder
from crm_cli.importers.commands import import_
from crm_cli.settings import HELP, Settings, Wrong

EPILOG = "\b\nSettings (environment):\n" + "\n".join(f"  {name:<24} {what}" for name, what in HELP.items())


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except Wrong as wrong:
            click.echo(str(wrong), err=True)
            sys.exit(1)


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"max_content_width": 100})
def main() -> None:
    """Starts a CRM suite on this machine, looks after it and says what is wrong with it."""


@main.command(epilog=EPILOG)
def up() -> None:
    """Start everything and keep it running; Ctrl-C ends it."""
    from crm_cli.up import up as run

    run(Settings.read(os.environ), click.echo)


@main.command()
def stop() -> None:
    """Stop the suite that runs on the data folder."""
    settings = Settings.read(os.environ)
    click.echo("Stopped." if Folder(settings.data).stop() else f"No suite runs on {settings.data}.")


@main.command()
def status() -> None:
    """Say what runs; exit code 1 when something is not ready."""
    from crm_cli.doctor import show
    from crm_cli.doctor import status as look

    sys.exit(show(look(Settings.read(os.environ))))


@main.command()
def migrate() -> None:
    """Bring every database to the schema of the installed release."""
    from crm_cli.migrate import migrate as run

    run(Settings.read(os.environ), click.echo)


@main.command()
def doctor() -> None:
    """Check this installation and say what to do; exit code 1 when something is wrong."""
    from crm_cli.doctor import doctor as check
    from crm_cli.doctor import show

    sys.exit(show(check(Settings.read(os.environ))))


@main.group()
def keys() -> None:
    """The keys with which personal data are encrypted: look at them, change them."""


@keys.command("status")
def keys_status() -> None:
    """Say how many values are under which key."""
    from crm_cli.keys import status as look

    look(Settings.read(os.environ), click.echo)


@keys.command("rotate")
@click.option("--master", is_flag=True, help="Add a new master key and wrap the others with it, instead.")
def keys_rotate(master: bool) -> None:
    """Make new keys for every service and encrypt again, while the suite runs."""
    from crm_cli.keys import rotate

    rotate(Settings.read(os.environ), click.echo, master=master)


@main.command("import-register")
def import_register() -> None:
    """Read the company register file (COMPANY_REGISTER_FILE) into the customer service, while the suite runs."""
    from crm_cli.keys import ask

    click.echo(ask(Settings.read(os.environ), "customer", "import-register").rstrip())


main.add_command(import_)
main.add_command(demo)
main.add_command(audit)
main.add_command(erasures)
