"""`bgjobs doctor`: looks at the server and the namespace for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .connection import Connection, connection
from .options import shared_options
from .output import show

if TYPE_CHECKING:
    from ..broker.inspect.diagnosis import Check

_MARKS = {"ok": ("✓", "green"), "hint": ("!", "yellow"), "problem": ("✗", "red")}


@click.command()
@shared_options
def doctor() -> None:
    """Look for what is wrong: the server, its memory and disk, workers, queues, timers. Exit 1 at a problem."""
    from ..broker.inspect.condition import read_condition
    from ..broker.inspect.diagnosis import Judgement, diagnose

    here = connection()
    checks = diagnose(here.ask(read_condition(here.keys, here.patience())))
    problems = sum(check.judgement is Judgement.PROBLEM for check in checks)
    told = {
        "redis": here.address,
        "source": here.source,
        "namespace": here.namespace,
        "problems": problems,
        "checks": checks,
    }
    show(told, lambda: _draw(here, checks, problems))
    if problems:
        click.get_current_context().exit(1)


def _draw(here: Connection, checks: list[Check], problems: int) -> None:
    click.echo(f"Redis {here.address} (from {here.source}), namespace {here.namespace}\n")
    width = max(len(check.topic) for check in checks)
    for check in checks:
        mark, colour = _MARKS[check.judgement]
        click.echo(f"{click.style(mark, fg=colour)} {check.topic.ljust(width)}  {check.what}")
        if check.remedy:
            click.echo(" " * (width + 4) + click.style(f"→ {check.remedy}", dim=True))
    if problems:
        click.secho(f"\n{problems} problem{'s' * (problems > 1)} found.", fg="red")
    else:
        click.secho("\nNo problem found.", fg="green")
