"""Values that people type: event data as JSON, moments, and when nothing may be done without a question."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class DataType(click.ParamType[Any]):
    """JSON, or "-" for JSON from standard input."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        text = sys.stdin.read() if value == "-" else value
        try:
            return json.loads(text)
        except ValueError as error:
            hint = f" Text needs quotes: '\"{value}\"'." if value.isalnum() else ""
            self.fail(f"{_shortened(text)!r} is not JSON: {error}.{hint}", param, ctx)


class MomentType(click.ParamType[datetime]):
    """A date and time in ISO 8601; without an offset, of this machine's zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-01-31T08:00, or with an offset 2026-01-31T08:00+01:00.")
        return moment.astimezone()


DATA = DataType()
MOMENT = MomentType()


def paged(command: F) -> F:
    """Give a command that lists `--limit` and `--before`."""
    for option in (
        click.option("--before", metavar="CURSOR", help="Go on where the last page ended."),
        click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="At most so many."),
    ):
        command = option(command)
    return command


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that can't be taken back, if somebody is there to answer."""
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
