"""`crm demo`: the command and what it says at the end."""

import sys
import time

import click

from crm_cli.importers.options import Options, talks_to_suite


@click.command()
@click.option(
    "--customers", type=click.IntRange(100, 1_000_000), default=1000, show_default=True, help="How many customers."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed, another company.")
@click.option(
    "--connections", type=click.IntRange(1, 32), default=4, show_default=True, help="How many send at the same time."
)
@talks_to_suite
def demo(customers: int, seed: int, connections: int, options: Options) -> None:
    """Load a believable company that does not exist into a running suite.

    The same seed makes the same company: running it again changes nothing, and one that was killed goes on.
    Without --initial-password its people cannot sign in until somebody gives them a password.
    """
    from crm_cli.client import Client
    from crm_cli.demo.load import OPTIONAL, Demo
    from crm_cli.importers.commands import show

    began = time.monotonic()
    client = Client(options.url)
    client.login(options.username, options.password())
    run = Demo(client, seed, customers)
    run.load(options.given_initial_password or "", connections)
    show(run.tally.rows())
    for path in run.skipped:
        click.echo(f"No {OPTIONAL[path]}: the service that keeps them does not run.")
    for reason, count in run.reasons.most_common(10):
        click.echo(f"{count:,} × {reason}", err=True)
    click.echo(f"Done in {time.monotonic() - began:.0f} s.")
    sys.exit(1 if run.reasons else 0)
