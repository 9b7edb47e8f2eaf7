"""`bgjobs functions pause|resume|pauses`: no run starts any more, of a function or of one of its keys."""

from __future__ import annotations

from typing import Any

import click

from .connection import connection
from .function_choice import find_function, read_registered
from .options import shared_options
from .output import show, table
from .pauses import PAUSE_COLUMNS, noted, pause_row, tell
from .values import DATA


@click.command()
@click.argument("function", metavar="APP/ID")
@click.option("--key", metavar="PATH", help="Only one value of this key of the function, such as event.data.customer.")
@click.option("--value", type=DATA, help="The value, as JSON.")
@noted
@shared_options
def pause(function: str, key: str | None, value: Any, reason: str, actor: str | None) -> None:
    """Let no run of a function start any more; those that run go on, new ones wait in their order."""
    _switch(function, key, value, reason, actor, resume=False)


@click.command()
@click.argument("function", metavar="APP/ID")
@click.option("--key", metavar="PATH", help="The key that was paused.")
@click.option("--value", type=DATA, help="Its value, as JSON.")
@noted
@shared_options
def resume(function: str, key: str | None, value: Any, reason: str, actor: str | None) -> None:
    """Let the runs of a paused function go on."""
    _switch(function, key, value, reason, actor, resume=True)


@click.command()
@shared_options
def pauses() -> None:
    """List all that is paused: functions, keys, queues."""
    found = connection().client.controls.pauses()
    show(
        {"pauses": found},
        lambda: table(PAUSE_COLUMNS, [pause_row(each) for each in found], empty="Nothing is paused."),
    )


def _switch(function: str, key: str | None, value: Any, reason: str, actor: str | None, *, resume: bool) -> None:
    here = connection()
    found = find_function(read_registered(here), function).key
    given: dict[str, Any] = {"key": key, "reason": reason, "actor": actor}
    if value is not None or key is not None:
        given["value"] = value
    controls = here.client.controls
    changed = controls.resume(found, **given) if resume else controls.pause(found, **given)
    what = found if "value" not in given else f"{found} where {key or 'its key'} is {value!r}"
    tell(what, changed, "resumed" if resume else "paused")
