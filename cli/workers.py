"""`bgjobs workers`: the worker processes there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .connection import connection
from .options import shared_options
from .output import show, table
from .times import ago, length

if TYPE_CHECKING:
    from ..broker.inspect.workers import WorkerInfo


@click.command()
@shared_options
def workers() -> None:
    """List worker processes: what they run, how many runs they hold, and when they were last heard of."""
    from ..broker.inspect.workers import read_workers

    here = connection()
    found = here.ask(read_workers(here.keys, here.patience()))
    show({"workers": found}, lambda: _draw(found))


def _draw(found: list[WorkerInfo]) -> None:
    rows = [
        [
            worker.id,
            worker.app or "-",
            f"{worker.host or '-'}{f':{worker.pid}' if worker.pid else ''}",
            worker.version or "-",
            ",".join(worker.queues) or "all",
            str(worker.running) if worker.capacity is None else f"{worker.running}/{worker.capacity}",
            ago(worker.started),
            length(worker.lease_seconds)
            if worker.alive
            else click.style(f"over since {length(-worker.lease_seconds)}", fg="red"),
        ]
        for worker in found
    ]
    columns = ("id", "app", "process", "version", "queues", "runs", "started", "lease")
    table(columns, rows, empty="No worker runs. Start one: bgjobs worker MODULE:APP")
