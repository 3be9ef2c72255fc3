"""The steps of the import in their order."""

from pathlib import Path

from crm_cli.client import Client
from crm_cli.importers.crm_sales_opportunities import customers, opportunities, people, products
from crm_cli.importers.crm_sales_opportunities.source import Source, open_source
from crm_cli.importers.mapping import accepted
from crm_cli.importers.options import Options
from crm_cli.importers.run import Bars, Run


def load(folder: Path, client: Client, options: Options) -> Run:
    """Reads, asks what is to be asked, and sends; nothing is written here, so a killed import just begins again."""
    source = open_source(folder)
    for table in source.tables:
        rows = len(table.lines) + len(table.rejects)
        options.say(f"{table.name}: {rows:,} rows" + (f", {len(table.rejects):,} unusable" if table.rejects else ""))
        if table.ignored:
            options.say(f"  not used: {', '.join(table.ignored)}")
    client.login(options.username, options.password())
    source.meant.update(accepted(source.unknown(), options.say, options.ask))
    with Bars() as bars:
        run = Run(client, bars)
        _send(run, source, options.initial_password())
    run.notes.append("The data set counts in US dollars; its amounts are kept as numbers, without conversion.")
    return run


def _send(run: Run, source: Source, initial_password: str) -> None:
    staff = people.load(run, source, initial_password)
    accounts = customers.load(run, source, staff)
    goods = products.load(run, source)
    deals = opportunities.Deals(source, opportunities.pipeline(run.client), staff, accounts, goods)
    opportunities.load(run, deals, source)
