"""`bgjobs audit-log`: who changed what by hand."""

from __future__ import annotations

import click

from .connection import connection
from .options import shared_options
from .output import show, table
from .times import exact
from .values import paged


@click.command("audit-log")
@paged
@shared_options
def audit_log(limit: int, before: str | None) -> None:
    """List changes by hand, the newest first: pauses, limits; who, when, why."""
    found = connection().client.controls.audit_log(limit=limit, before=before)

    def draw() -> None:
        rows = [[exact(each.time), each.actor, each.verb, each.what, each.detail or "-", each.id] for each in found]
        table(("time", "who", "did", "what", "how, or why", "id"), rows, empty="Nothing was changed by hand.")

    show({"changes": found}, draw)
