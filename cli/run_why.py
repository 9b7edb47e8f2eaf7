"""How an explanation of a run is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .output import fields, heading, state, table
from .times import ago, exact

if TYPE_CHECKING:
    from ..broker.explanation import Explanation, Hold


def draw_why(told: Explanation) -> None:
    """Print what holds a run, then what it went through."""
    since = f" since {exact(told.since)} ({ago(told.since)})" if told.since else ""
    click.echo(f"{click.style(told.run_id, bold=True)}  {state(told.state)}{since}")
    click.echo()
    fields([("function", told.function or None), *_holds(told.holds), ("goes on", _expected(told))])
    holders = [holder for hold in told.holds for holder in hold.holders]
    if holders:
        heading("Held by")
        rows = [[each.run_id, state(each.state), each.function, ago(each.started)] for each in holders]
        table(("run", "state", "function", "started"), rows, empty="")
    if told.history:
        heading("What happened")
        rows = [
            [
                exact(each.time),
                each.what,
                "" if each.attempt is None else str(each.attempt),
                each.step,
                each.worker,
                each.text,
            ]
            for each in told.history
        ]
        table(("time", "what", "attempt", "step", "worker", ""), rows, empty="")


def _holds(holds: tuple[Hold, ...]) -> Iterator[tuple[str, str]]:
    for place, hold in enumerate(holds):
        due = f", until {exact(hold.due)} ({ago(hold.due)})" if hold.due else ""
        yield ("because" if place == 0 else "and"), f"{hold.text}{due}"


def _expected(told: Explanation) -> str | None:
    if told.expected is None:
        return None
    about = "about " if told.estimated else "by "
    basis = ", as long as runs took lately" if told.estimated else " at the latest"
    return f"{about}{exact(told.expected)} ({ago(told.expected)}){basis}"
