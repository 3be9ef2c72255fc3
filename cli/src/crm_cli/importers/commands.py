"""`crm import`: the command and what it says at the end."""

import time
from pathlib import Path

import click

from crm_cli.importers import IMPORTERS
from crm_cli.importers.options import Options, talks_to_suite

HEAD = ("", "rows", "created", "updated", "unchanged", "failed")


@click.group("import", invoke_without_command=True)
@click.option("--list", "listed", is_flag=True, help="Name the importers.")
@click.pass_context
def import_(context: click.Context, listed: bool) -> None:
    """Load data of another system into a running suite."""
    if listed:
        for name, what in IMPORTERS.items():
            click.echo(f"{name}: {what}")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


@import_.command("crm-sales-opportunities")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    default="crm-sales-opportunities-rejects.csv",
    show_default=True,
    help="File for the rows that are not stored.",
)
@talks_to_suite
def crm_sales_opportunities(folder: Path, rejects: Path, options: Options) -> None:
    """Load the data set "CRM Sales Opportunities" from the CSV files in FOLDER.

    Running it again changes nothing; one that was killed goes on where it was.
    """
    from crm_cli.client import Client
    from crm_cli.importers.base import write_rejects
    from crm_cli.importers.crm_sales_opportunities.load import load

    began = time.monotonic()
    run = load(folder, Client(options.url), options)
    show(run.tally.rows())
    for note in run.notes:
        click.echo(note)
    if run.rejects:
        write_rejects(rejects, run.rejects)
        for reject in run.rejects[:20]:
            click.echo(f"{reject.line.file}, line {reject.line.number}: {reject.reason}", err=True)
        click.echo(f"{len(run.rejects):,} rows are not stored, or not as they are; see {rejects}.")
    click.echo(f"Done in {time.monotonic() - began:.0f} s.")


def show(rows: list[tuple[str, ...]]) -> None:
    """What became of everything, one line for each kind."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, title in enumerate(HEAD):
        table.add_column(title, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
