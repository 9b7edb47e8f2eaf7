"""Which dead letters a command is about, and doing something to each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from .connection import Connection
from .function_choice import function_key
from .output import show

_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was said on the command line."""

    ids: tuple[str, ...] = ()
    function: str | None = None
    error: str | None = None
    older_than: float | None = None  # seconds
    everything: bool = False

    @property
    def filtered(self) -> bool:
        return self.everything or self.older_than is not None or bool(self.function or self.error)


@dataclass(slots=True)
class Chosen:
    """The ids of the chosen letters, read before anything is done, and what came of each."""

    ids: list[str]
    rate: float | None  # a second
    outcomes: list[tuple[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def each(self, act: Callable[[str], Any]) -> Chosen:
        """Do it to each, at the rate; one that fails does not keep the others from it."""
        from ..broker.errors import BgjobsError, RedisUnavailable

        begin = time.monotonic()
        for place, letter in enumerate(self.ids):
            if self.rate:
                time.sleep(max(0.0, begin + place / self.rate - time.monotonic()))
            try:
                self.outcomes.append((letter, act(letter)))
            except RedisUnavailable:
                raise
            except BgjobsError as error:
                if len(self.ids) == 1:
                    raise
                self.failures.append((letter, str(error)))
        return self

    def report(self, verb: str, text: Callable[[str, Any], str]) -> None:
        """Print what came of it; exit 1 if any failed."""

        def draw() -> None:
            for letter, outcome in self.outcomes:
                click.echo(text(letter, outcome))
            for letter, reason in self.failures:
                click.secho(f"{letter}  {reason}", fg="red", err=True)
            if len(self.ids) != 1:
                click.echo(f"{len(self.outcomes)} {verb}, {len(self.failures)} failed.", err=True)

        told = {
            verb: [{"id": letter, "outcome": outcome} for letter, outcome in self.outcomes],
            "failed": [{"id": letter, "error": reason} for letter, reason in self.failures],
        }
        show(told, draw)
        if self.failures:
            click.get_current_context().exit(1)


def chosen(here: Connection, choice: Choice, rate: float | None) -> Chosen:
    """The letters that a choice names.

    Raises:
        click.UsageError: it names none, or names them in two ways.
    """
    if choice.ids and choice.filtered:
        raise click.UsageError("Give either ids, or filters and --all.")
    if not choice.ids and not choice.filtered:
        raise click.UsageError("Say which: ids, --function, --error, --older-than, or --all.")
    if rate is not None and rate <= 0:
        raise click.UsageError("--rate takes a number above 0.")
    return Chosen(list(choice.ids) if choice.ids else list(_all(here, choice)), rate)


def _all(here: Connection, choice: Choice) -> Iterator[str]:
    before, function = None, function_key(here, choice.function)
    while True:
        page = here.client.dead_letters.list(
            function=function, error=choice.error, older_than=choice.older_than, limit=_PAGE, before=before
        )
        yield from (letter.id for letter in page)
        if len(page) < _PAGE:
            return
        before = page[-1].id
