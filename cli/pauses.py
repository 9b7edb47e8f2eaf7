"""Pausing and resuming, as commands share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .output import show
from .times import ago

if TYPE_CHECKING:
    from ..broker.inspect.pauses import PauseInfo

F = TypeVar("F", bound=Callable[..., Any])


def noted(command: F) -> F:
    """Give a command that changes something `--reason` and `--actor`."""
    for option in (
        click.option("--actor", metavar="NAME", help="Who does it, for the audit log; default: user@host."),
        click.option("--reason", metavar="TEXT", default="", help="Why; shown where it holds runs, and kept."),
    ):
        command = option(command)
    return command


def tell(what: str, changed: bool, verb: str) -> None:
    """Say what was done."""
    done = f"{what} is {verb}." if changed else f"{what} was {verb} already."
    show({"what": what, verb: changed}, lambda: click.echo(done))


def pause_row(pause: PauseInfo) -> list[str]:
    """What a table says of a pause."""
    state = click.style("resuming" if pause.resuming else "paused", fg="yellow")
    return [pause.what, state, f"{pause.parked:,}", ago(pause.since), pause.actor, pause.reason or "-"]


PAUSE_COLUMNS = ("what", "", "parked", "since", "by", "reason")
