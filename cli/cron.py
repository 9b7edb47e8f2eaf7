"""`bgjobs cron`: cron entries of functions."""

from __future__ import annotations

import click

from .connection import connection
from .options import shared_options
from .output import show, table
from .times import ago, exact


@click.group()
def cron() -> None:
    """Cron entries, as functions define them. Schedules made at run time: bgjobs schedules."""


@cron.command("list")
@click.option("--app", metavar="APP", help="Only of this app.")
@shared_options
def list_(app: str | None) -> None:
    """List cron entries, the next to tick first."""
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.cron import read_cron

    here = connection()
    apps = here.ask(read_apps(here.keys, here.patience()))
    found = here.ask(read_cron(here.keys, here.patience(), apps))
    found = [entry for entry in found if app in (None, entry.function.partition("/")[0])]

    def draw() -> None:
        rows = [
            [entry.function, entry.expression or "?", entry.tz, entry.missed, ago(entry.next), exact(entry.next)]
            for entry in found
        ]
        table(("function", "cron", "zone", "missed", "next", "at"), rows, empty="No function has a cron entry.")

    show({"cron": found}, draw)
