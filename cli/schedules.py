"""`bgjobs schedules`: events that are sent again and again, as set up at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .connection import connection
from .options import DURATION, shared_options
from .output import block, fields, heading, json_text, short, show, table
from .times import ago, exact, length
from .values import DATA

if TYPE_CHECKING:
    from ..broker.scheduling import ScheduleInfo


@click.group()
def schedules() -> None:
    """Schedules: events sent at the ticks of a cron expression, or at an interval."""


@schedules.command("list")
@shared_options
def list_() -> None:
    """List schedules."""
    found = connection().client.schedules.list()

    def draw() -> None:
        rows = [
            [
                schedule.id,
                _rhythm(schedule),
                schedule.event,
                click.style("paused", fg="yellow") if schedule.paused else ago(schedule.next),
                ago(schedule.last),
                short(schedule.data, 40),
            ]
            for schedule in found
        ]
        table(("id", "when", "event", "next", "last", "data"), rows, empty="There are no schedules.")

    show({"schedules": found}, draw)


@schedules.command("show")
@click.argument("id")
@shared_options
def show_(id: str) -> None:
    """Show the schedule ID."""
    found = connection().client.schedules.get(id)
    show(found, lambda: _draw(found))


def _draw(schedule: ScheduleInfo) -> None:
    fields(
        [
            ("schedule", schedule.id),
            ("when", _rhythm(schedule)),
            ("missed", schedule.missed),
            ("event", schedule.event),
            ("next", "paused" if schedule.paused else f"{exact(schedule.next)} ({ago(schedule.next)})"),
            ("last", None if schedule.last is None else f"{exact(schedule.last)} ({ago(schedule.last)})"),
        ]
    )
    heading("Data")
    block(json_text(schedule.data, indent=2))


@schedules.command()
@click.argument("id")
@click.option("--event", metavar="NAME", required=True, help="The event to send.")
@click.option("--data", type=DATA, help="Its data, as JSON.")
@click.option("--cron", metavar="EXPRESSION", help='When: "0 8 * * 1-5", @daily.')
@click.option("--every", type=DURATION, help="Or how often: 30s, 2h.")
@click.option("--tz", metavar="ZONE", default="UTC", show_default=True, help="Zone of --cron, such as Europe/Berlin.")
@click.option(
    "--missed",
    type=click.Choice(["last", "all", "skip"]),
    default="last",
    show_default=True,
    help="Which ticks are made up for after a standstill.",
)
@shared_options
def create(id: str, event: str, data: Any, cron: str | None, every: float | None, tz: str, missed: Any) -> None:
    """Create the schedule ID, or replace it."""
    if (cron is None) == (every is None):
        raise click.UsageError("Give either --cron or --every.")
    if cron is not None:
        from ..define.cron import cron_timetable

        cron_timetable(cron, tz)  # says what is wrong with it
    made = connection().client.schedules.create(
        id, event=event, data=data, cron=cron, every=every, tz=tz, missed=missed
    )
    show(made, lambda: click.echo(f"{made.id}  sends {made.event} {_rhythm(made)}"))


@schedules.command()
@click.argument("id")
@shared_options
def pause(id: str) -> None:
    """Pause the schedule ID."""
    _act(id, connection().client.schedules.pause(id), "paused", "It was paused already.")


@schedules.command()
@click.argument("id")
@shared_options
def resume(id: str) -> None:
    """Resume the schedule ID: it goes on with the next tick from now."""
    _act(id, connection().client.schedules.resume(id), "resumed", "It was not paused.")


@schedules.command()
@click.argument("id")
@shared_options
def run(id: str) -> None:
    """Send the event of the schedule ID now, beside its ticks."""
    receipt = connection().client.schedules.run_now(id)
    told = {"id": id, "event_id": receipt.event_id, "name": receipt.name}
    show(told, lambda: click.echo(f"Sent {receipt.name} {receipt.event_id}"))


@schedules.command()
@click.argument("id")
@shared_options
def delete(id: str) -> None:
    """Delete the schedule ID."""
    _act(id, connection().client.schedules.delete(id), "deleted", "There is no such schedule.", missing_fails=True)


def _act(id: str, done: bool, verb: str, otherwise: str, *, missing_fails: bool = False) -> None:
    show({"id": id, verb: done}, lambda: click.echo(f"{id}  {verb}" if done else otherwise))
    if missing_fails and not done:
        click.get_current_context().exit(1)


def _rhythm(schedule: ScheduleInfo) -> str:
    if schedule.cron is not None:
        return f"{schedule.cron} {schedule.tz}"
    return f"every {length(schedule.every or 0)}"
