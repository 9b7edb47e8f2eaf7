"""`bgjobs send`: sends one event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from .connection import connection
from .options import DURATION, shared_options
from .output import fields, show
from .values import DATA, MOMENT


@click.command()
@click.argument("name")
@click.argument("data", type=DATA, required=False)
@click.option("--id", metavar="ID", help="Sending it again with the same id is harmless for 24 hours.")
@click.option("--delay", type=DURATION, help="How long to wait before it takes effect: 30s, 3 days.")
@click.option("--at", type=MOMENT, help="When it takes effect: 2026-01-31T08:00.")
@click.option("--key", metavar="KEY", help="Partition key.")
@click.option("--durability", metavar="D", help="memory (default), fsync, replicas=N.")
@shared_options
def send(
    name: str,
    data: Any,
    id: str | None,
    delay: float | None,
    at: datetime | None,
    key: str | None,
    durability: str | None,
) -> None:
    """Send the event NAME with DATA, which is JSON; "-" reads it from standard input."""
    here = connection()
    receipt = here.client.send(name, data, id=id, delay=delay, at=at, key=key, durability=durability)
    told = {
        "event_id": receipt.event_id,
        "name": receipt.name,
        "stream_id": receipt.stream_id,
        "durability": receipt.durability,
    }
    pairs = [("event", receipt.name), ("id", receipt.event_id), ("durability", receipt.durability)]
    show(told, lambda: fields([*pairs, ("its runs", f"bgjobs runs list --event {receipt.event_id}")]))
