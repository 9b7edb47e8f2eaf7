"""`bgjobs events`: what was sent; follow the stream; cancel or reschedule what is delayed."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, connection
from .options import DURATION, shared_options
from .output import block, fields, heading, json_text, line, short, show, state, table
from .times import ago, clock, exact
from .values import MOMENT, paged

if TYPE_CHECKING:
    from ..broker.run_info import RunInfo

BLOCK_SECONDS = 1.0

_TOO_LATE = "Too late: it was due already, or is cancelled."


@click.group()
def events() -> None:
    """Events: named facts that start runs."""


@events.command("list")
@click.option("--name", metavar="NAME", help="Only of this name.")
@paged
@shared_options
def list_(name: str | None, limit: int, before: str | None) -> None:
    """List events, the newest first, as far back as they are kept."""
    found = connection().client.events(name=name, limit=limit, before=before)
    following = found[-1].stream_id if len(found) == limit else None

    def draw() -> None:
        rows = [
            [event.id, event.name, ago(event.time), f"due {ago(event.due)}" if event.due else "", short(event.data)]
            for event in found
        ]
        table(("id", "name", "sent", "", "data"), rows, empty="There are no such events.")
        if following is not None:
            click.echo(f"More: --before {following}", err=True)

    show({"events": found, "next": following}, draw)


@events.command("show")
@click.argument("id")
@click.option("--name", metavar="NAME", help="Its name, if several events have this id.")
@shared_options
def show_(id: str, name: str | None) -> None:
    """Show the event ID and the runs it started."""
    client = connection().client
    event = client.event(id, name=name)
    started = client.runs(id, name=event.name)

    def draw() -> None:
        fields(
            [
                ("event", event.name),
                ("id", event.id),
                ("sent", f"{exact(event.time)} ({ago(event.time)})" if event.time else None),
                ("due", f"{exact(event.due)} ({ago(event.due)})" if event.due else None),
                ("key", event.key),
                ("stream id", event.stream_id),
            ]
        )
        heading("Data")
        block(json_text(event.data, indent=2))
        heading("Runs")
        _draw_runs(started)

    show({"event": event, "runs": started}, draw)


def _draw_runs(started: list[RunInfo]) -> None:
    rows = [[run.id, state(run.state), run.function, ago(run.created)] for run in started]
    table(("id", "state", "function", "created"), rows, empty="It started no run (yet).")


@events.command()
@click.option("--name", metavar="NAME", help="Only of this name; * stands for anything.")
@click.option("--last", "-n", type=click.IntRange(0, 1_000), default=10, show_default=True, help="Begin with so many.")
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@shared_options
def tail(name: str | None, last: int, count: int | None) -> None:
    """Print events as they come, until Ctrl-C."""
    try:
        _follow(connection(), name, last, count)
    except KeyboardInterrupt:
        click.echo(err=True)


def _follow(here: Connection, name: str | None, last: int, count: int | None) -> None:
    from ..broker.inspect.tail import read_last, read_new

    found, after = here.ask(read_last(here.keys, here.patience(), last))
    printed = 0
    while True:
        for event in found:
            if name is None or fnmatchcase(event["name"], name):
                _print(event)
                printed += 1
                if printed == count:
                    return
        found, after = here.ask(read_new(here.keys, here.patience(), after, block_seconds=BLOCK_SECONDS))


def _print(event: dict[str, Any]) -> None:
    due = f" due {ago(event['due'])}" if event["due"] else ""
    name = click.style(event["name"], bold=True)
    line(event, f"{clock(event['time'])}  {event['id']}  {name}{due}  {short(event['data'], 200)}")


@events.command()
@click.argument("id")
@click.option("--name", metavar="NAME", help="Its name, if several events have this id.")
@shared_options
def cancel(id: str, name: str | None) -> None:
    """Cancel the delayed event ID. Exit 1 if it is too late."""
    done = connection().client.cancel_event(id, name=name)
    show({"id": id, "cancelled": done}, lambda: click.echo("Cancelled." if done else _TOO_LATE))
    if not done:
        click.get_current_context().exit(1)


@events.command()
@click.argument("id")
@click.option("--delay", type=DURATION, help="How long from now it takes effect.")
@click.option("--at", type=MOMENT, help="When it takes effect.")
@click.option("--name", metavar="NAME", help="Its name, if several events have this id.")
@shared_options
def reschedule(id: str, delay: float | None, at: datetime | None, name: str | None) -> None:
    """Give the delayed event ID another time. Exit 1 if it is too late."""
    if (delay is None) == (at is None):
        raise click.UsageError("Give either --delay or --at.")
    done = connection().client.reschedule_event(id, delay=delay, at=at, name=name)
    show(
        {"id": id, "rescheduled": done},
        lambda: click.echo("Rescheduled." if done else _TOO_LATE),
    )
    if not done:
        click.get_current_context().exit(1)
