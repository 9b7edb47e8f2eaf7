"""Cancelling runs: those that are named, or all that pass filters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from .connection import Connection
from .function_choice import function_key
from .output import show

_FILTERS = ("function", "state", "older_than")


def cancel_chosen(here: Connection, ids: Sequence[str], matches: Sequence[str], given: Mapping[str, Any]) -> None:
    """Carry out `runs cancel` and print what came of it.

    Raises:
        click.UsageError: it names no runs, or names them in two ways.
    """
    filtered = bool(matches) or any(given[name] is not None for name in _FILTERS)
    if ids and filtered:
        raise click.UsageError("Give either ids, or filters.")
    if ids:
        _named(here, ids, str(given["reason"]))
    elif filtered:
        _matching(here, parse_matches(matches), given)
    else:
        raise click.UsageError("Say which: ids, --function, --state, --older-than, or --match.")


def parse_matches(matches: Sequence[str]) -> dict[str, Any]:
    """`data.customer=42` as {"data.customer": 42}: the value is JSON, or else text. Raises click.UsageError."""
    found: dict[str, Any] = {}
    for each in matches:
        path, sign, text = each.partition("=")
        if not sign or not path.strip():
            raise click.UsageError(f"--match takes PATH=VALUE, such as data.customer=42; got {each!r}.")
        try:
            found[path.strip()] = json.loads(text)
        except ValueError:
            found[path.strip()] = text
    return found


def _named(here: Connection, ids: Sequence[str], reason: str) -> None:
    outcomes = [{"id": run, "cancelled": here.client.cancel(run, reason=reason)} for run in ids]

    def draw() -> None:
        for outcome in outcomes:
            click.echo(f"{outcome['id']}  {'cancelled' if outcome['cancelled'] else 'had ended already'}")

    show({"runs": outcomes}, draw)
    if not all(outcome["cancelled"] for outcome in outcomes):
        click.get_current_context().exit(1)


def _matching(here: Connection, match: dict[str, Any], given: Mapping[str, Any]) -> None:
    from ..broker.model import RunState

    report = here.client.cancel_all(
        function=function_key(here, given["function"]),
        state=None if given["state"] is None else RunState(given["state"]),
        older_than=given["older_than"],
        match=match,
        rate=given["rate"],
        reason=given["reason"],
        dry_run=given["dry_run"],
    )

    def draw() -> None:
        for run in report.matched if given["dry_run"] else report.cancelled:
            click.echo(run if given["dry_run"] else f"{run}  cancelled")
        done = f"{len(report.matched)} would be" if given["dry_run"] else f"{len(report.cancelled)} are"
        click.echo(f"{done} cancelled.", err=True)

    told = {
        "matched": len(report.matched),
        "runs": [{"id": run, "cancelled": run in report.cancelled} for run in report.matched],
        "dry_run": given["dry_run"],
    }
    show(told, draw)
