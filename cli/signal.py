"""`bgjobs signal`: gives runs that wait for a signal what they wait for."""

from __future__ import annotations

from typing import Any

import click

from .connection import connection
from .options import DURATION, shared_options
from .output import show
from .values import DATA


@click.command()
@click.argument("name")
@click.argument("data", type=DATA, required=False)
@click.option("--keep", type=DURATION, help="Keep it so long for a run that comes later, if none waits now.")
@shared_options
def signal(name: str, data: Any, keep: float | None) -> None:
    """Resolve every wait for the signal NAME with DATA, which is JSON."""
    resolved = connection().client.signal(name, data, keep=keep)

    def draw() -> None:
        if resolved:
            click.echo(f"{resolved} run{'s' * (resolved != 1)} got it.")
        else:
            click.echo("No run waits for it; it is kept for one that comes." if keep else "No run waits for it.")

    show({"name": name, "resolved": resolved, "kept": bool(keep and not resolved)}, draw)
