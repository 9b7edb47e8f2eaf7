"""`bgjobs functions`: what is registered; invoke, remove, move, pause, resume."""

from __future__ import annotations

from typing import Any

import click

from .connection import connection
from .function_choice import find_function, read_registered
from .function_moves import move_runs, remove_function
from .function_pauses import pause, pauses, resume
from .options import DURATION, shared_options
from .output import block, compact, fields, heading, json_text, show, table
from .times import length
from .values import DATA


@click.group()
def functions() -> None:
    """Functions, as workers registered them."""


for command in (pause, resume, pauses):
    functions.add_command(command)


@functions.command("list")
@click.option("--app", metavar="APP", help="Only of this app.")
@click.option("--retired", is_flag=True, help="Also those that no deployment has any more.")
@shared_options
def list_(app: str | None, retired: bool) -> None:
    """List functions: what starts them, and how many workers have them."""
    found = [
        each for each in read_registered(connection()) if app in (None, each.app.id) and (retired or not each.retired)
    ]
    paused = {each.function for each in connection().client.controls.pauses() if not each.by_key}

    def draw() -> None:
        rows = [
            [
                each.key + (click.style("  paused", fg="yellow") if each.key in paused else ""),
                compact(each.triggers, 60) or ("retired" if each.retired else "-"),
                str(each.definition.get("queue", "default")),
                str(each.workers) if each.workers else click.style("none", fg="red"),
                compact(each.definition.get("description", ""), 50),
            ]
            for each in found
        ]
        empty = "No function is registered. Start a worker: bgjobs worker MODULE:APP"
        table(("function", "started by", "queue", "workers", ""), rows, empty=empty)

    show({"functions": [{**each.told(), "paused": each.key in paused} for each in found]}, draw)


@functions.command("show")
@click.argument("function", metavar="APP/ID")
@shared_options
def show_(function: str) -> None:
    """Show the definition of a function, who has it, and what it has to do."""
    from ..broker.inspect.live import read_live

    here = connection()
    found = find_function(read_registered(here), function)
    live = here.ask(read_live(here.keys, here.patience(), found.app, found.key))
    pausing = [each for each in here.client.controls.pauses() if each.function == found.key]
    runs = {"queued": len(live.queued), "running": len(live.running), "waiting": len(live.waiting)}

    def draw() -> None:
        timeout = found.definition.get("timeout")
        fields(
            [
                ("function", found.key + ("  (retired)" if found.retired else "")),
                ("about", found.definition.get("description")),
                ("started by", found.triggers or "invocation only"),
                ("queue", str(found.definition.get("queue", "default"))),
                ("retries", str(found.definition["retries"]) if "retries" in found.definition else None),
                ("timeout", length(timeout) if timeout else None),
                ("on failure", found.definition.get("on_failure")),
                ("workers", str(found.workers)),
                *(("paused", f"{each.what}, {each.parked:,} parked, by {each.actor}") for each in pausing),
                ("runs", ", ".join(f"{count} {state}" for state, count in runs.items())),
            ]
        )
        heading("Definition")
        block(json_text(found.definition, indent=2))

    show({**found.told(), **runs, "pauses": pausing}, draw)


@functions.command()
@click.argument("function", metavar="APP/ID")
@click.argument("data", type=DATA, required=False)
@click.option("--id", metavar="ID", help="Repeating the request with the same id starts one run.")
@click.option("--delay", type=DURATION, help="How long to wait before it starts.")
@click.option("--wait", is_flag=True, help="Wait until it ends, and print what it returned.")
@click.option("--timeout", type=DURATION, help="Wait at most so long.")
@shared_options
def invoke(function: str, data: Any, id: str | None, delay: float | None, wait: bool, timeout: float | None) -> None:
    """Start a function directly, with DATA (JSON) as its event's data."""
    here = connection()
    found = find_function(read_registered(here), function)
    handle = here.client.invoke(found.key, data, id=id, delay=delay)
    if wait or timeout is not None:
        result = handle.result(timeout)
        show({"run": handle.id, "result": result}, lambda: click.echo(json_text(result, indent=2)))
    else:
        show({"run": handle.id}, lambda: click.echo(f"{handle.id}  Follow it: bgjobs runs watch {handle.id}"))


@functions.command()
@click.argument("function", metavar="APP/ID")
@click.option("--force", is_flag=True, help="Also if it has live runs, which then wait for a worker that has it.")
@shared_options
def remove(function: str, force: bool) -> None:
    """Forget a function: events start it no more. What its runs left stays until it is trimmed."""
    here = connection()
    found = find_function(read_registered(here), function)
    left = remove_function(here, found, force=force)
    show(
        {"function": found.key, "live_runs": left},
        lambda: click.echo(f"{found.key} is forgotten." + (f" {left} live runs stay." if left else "")),
    )


@functions.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@shared_options
def move(old: str, new: str) -> None:
    """Give the queued and waiting runs of the function OLD, which no worker has any more, to the function NEW."""
    here = connection()
    known = read_registered(here)
    source, target = find_function(known, old), find_function(known, new)
    moved = move_runs(here, source, target)
    show(
        {"from": source.key, "to": target.key, "moved": moved},
        lambda: click.echo(f"{moved} run{'s' * (moved != 1)} of {source.key} are now {target.key}'s."),
    )
