"""Running many dead letters again, and telling what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection
from .dead_letter_choice import check_choice, keyed
from .function_choice import function_key
from .output import show

if TYPE_CHECKING:
    from ..broker.bulk_retry import RetryReport

_FILTERS = ("function", "error", "fingerprint", "older_than", "newer_than")


def retry_chosen(here: Connection, ids: Sequence[str], everything: bool, given: Mapping[str, Any]) -> None:
    """Carry out `dlq retry` and print the report; exit 1 if any failed, or if it stopped.

    Raises:
        click.UsageError: it names no letters, or names them in two ways.
    """
    check_choice(ids, everything, {name: given[name] for name in _FILTERS})
    if ids:
        given = {**{name: value for name, value in given.items() if name not in _FILTERS}, "ids": ids}
    options: dict[str, Any] = {**keyed(here, given), "to": function_key(here, given["to"])}
    report = here.client.dead_letters.retry_all(**options)
    if len(ids) == 1 and report.failed:
        raise report.failed[0].error
    show(_told(report, given["dry_run"]), lambda: _draw(report, given["dry_run"]))
    if report.failed or report.stopped:
        click.get_current_context().exit(1)


def _told(report: RetryReport, dry_run: bool) -> dict[str, Any]:
    return {
        "matched": len(report.matched),
        "retried": [{"id": each.id, "outcome": each.run_id} for each in report.retried],
        "failed": [{"id": each.id, "error": each.reason} for each in report.failed],
        "left": report.left,
        "stopped": report.stopped or None,
        "dry_run": dry_run,
    }


def _draw(report: RetryReport, dry_run: bool) -> None:
    if dry_run:
        for letter in report.matched:
            click.echo(letter)
        click.echo(f"{len(report.matched)} would be retried.", err=True)
        return
    for each in report.retried:
        click.echo(f"{each.id}  runs again as {each.run_id}")
    for missed in report.failed:
        click.secho(f"{missed.id}  {missed.reason}", fg="red", err=True)
    if len(report.matched) != 1:
        click.echo(f"{len(report.retried)} retried, {len(report.failed)} failed.", err=True)
    if report.stopped:
        click.secho(f"Stopped: {report.stopped}. {report.left} are left alone.", fg="red", err=True)
