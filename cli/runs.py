"""`bgjobs runs`: what runs there are, what each did and why it waits; cancel and replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .cancelling import cancel_chosen
from .connection import connection
from .function_choice import function_key
from .options import DURATION, shared_options
from .output import compact, show, state, table
from .run_story import draw_run, read_story
from .run_watch import watch_run
from .run_why import draw_why
from .times import ago, between
from .values import paged

if TYPE_CHECKING:
    from ..broker.run_info import RunInfo

STATES = ("queued", "running", "waiting", "completed", "failed", "cancelled")


@click.group()
def runs() -> None:
    """Runs: one execution of a function for one event."""


@runs.command("list")
@click.option("--function", metavar="APP/ID", help="Only of this function.")
@click.option("--state", "wanted", type=click.Choice(STATES), help="Only in this state.")
@click.option("--event", metavar="ID", help="The runs of this event.")
@paged
@shared_options
def list_(function: str | None, wanted: str | None, event: str | None, limit: int, before: str | None) -> None:
    """List runs, the newest first."""
    from ..broker.model import RunState

    here = connection()
    client, function = here.client, function_key(here, function)
    if event is not None:
        found = [
            run for run in client.runs(event) if function in (None, run.function) and wanted in (None, str(run.state))
        ]
        following = None
    else:
        chosen = None if wanted is None else RunState(wanted)
        found = client.list_runs(function=function, state=chosen, limit=limit, before=before)
        following = found[-1].id if len(found) == limit else None
    show({"runs": found, "next": following}, lambda: _draw_list(found, following))


def _draw_list(found: Sequence[RunInfo], following: str | None) -> None:
    rows = [
        [
            run.id,
            state(run.state),
            run.function,
            run.event_name,
            str(run.attempt),
            ago(run.created),
            between(run.started, run.finished),
            _remark(run),
        ]
        for run in found
    ]
    columns = ("id", "state", "function", "event", "attempt", "created", "took", "")
    table(columns, rows, empty="There are no such runs.")
    if following is not None:
        click.echo(f"More: --before {following}", err=True)


def _remark(run: RunInfo) -> str:
    if run.error is not None and run.state != "completed":
        return compact(f"{run.error.type}: {run.error.message}", 50)
    if run.progress is not None and not run.done:
        return compact(f"{run.progress.percent:g} % {run.progress.message}", 50)
    return "stopping" if run.cancelling else ""


@runs.command("show")
@click.argument("id")
@shared_options
def show_(id: str) -> None:
    """Show all there is about the run ID: its event, attempts, steps, error, result, parent and children."""
    story = read_story(connection(), id)
    show(story.told(), lambda: draw_run(story))


@runs.command()
@click.argument("id")
@shared_options
def why(id: str) -> None:
    """Why the run ID is where it is: what holds it, who is ahead of it, when it goes on, and what it went through."""
    told = connection().client.why(id)
    show(told, lambda: draw_why(told))


@runs.command()
@click.argument("id")
@click.option("--interval", type=float, default=0.25, show_default=True, help="Seconds between looks.")
@shared_options
def watch(id: str, interval: float) -> None:
    """Follow the run ID: its states, steps and progress as they change, until it ends. Exit 1 unless it completes."""
    if watch_run(connection(), id, interval) != "completed":
        click.get_current_context().exit(1)


@runs.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option("--function", metavar="APP/ID", help="All runs of this function.")
@click.option("--state", type=click.Choice(("queued", "running", "waiting")), help="All in this state.")
@click.option("--older-than", type=DURATION, help="All that were made longer ago: 1h, 3 days.")
@click.option("--match", "matches", metavar="PATH=VALUE", multiple=True, help="All whose events hold it.")
@click.option("--rate", type=float, help="At most so many a second.")
@click.option("--dry-run", is_flag=True, help="Only say which are meant.")
@click.option("--reason", default="", help="Kept with the runs.")
@shared_options
def cancel(ids: tuple[str, ...], matches: tuple[str, ...], **given: Any) -> None:
    """Cancel runs by id, or all that pass the filters. What runs now is asked to stop, and ended after ten seconds.

    --match data.customer=42 compares with the event's data; the value is JSON, or else text. Exit 1 if one that was
    named had ended before.
    """
    cancel_chosen(connection(), ids, matches, given)


@runs.command()
@click.argument("id")
@click.option("--from-start", is_flag=True, help="As a new run, without the old one's steps; any finished run.")
@click.option("--token", metavar="TOKEN", help="Repeating the request with the same token starts one run.")
@shared_options
def replay(id: str, from_start: bool, token: str | None) -> None:
    """Run the failed run ID again from its failed step, or from the start."""
    again = connection().client.replay(id, from_start=from_start, token=token)
    show({"run": id, "again": again}, lambda: click.echo(f"{again}  runs again. Follow it: bgjobs runs watch {again}"))
