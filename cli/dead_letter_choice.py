"""Which dead letters a command is about, and doing something to each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from .connection import Connection
from .function_choice import function_key
from .output import show

_PAGE = 200


@dataclass(slots=True)
class Chosen:
    """The ids of the chosen letters, read before anything is done, and what came of each."""

    ids: list[str]
    outcomes: list[tuple[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def each(self, act: Callable[[str], Any]) -> Chosen:
        """Do it to each; one that fails does not keep the others from it."""
        from ..broker.errors import BgjobsError, RedisUnavailable

        for letter in self.ids:
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


def narrowed(which: Mapping[str, Any]) -> bool:
    """Whether any filter was given."""
    return any(value is not None and value != "" for value in which.values())


def keyed(here: Connection, which: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of the command line as the client takes them."""
    return {**which, "function": function_key(here, which.get("function"))}


def check_choice(ids: Sequence[str], everything: bool, which: Mapping[str, Any]) -> None:
    """Raise click.UsageError if a command names no letters, or names them in two ways."""
    if ids and (everything or narrowed(which)):
        raise click.UsageError("Give either ids, or filters and --all.")
    if not ids and not everything and not narrowed(which):
        raise click.UsageError("Say which: ids, filters such as --function and --error, or --all.")


def chosen(here: Connection, ids: Sequence[str], everything: bool, which: Mapping[str, Any]) -> Chosen:
    """The letters that a command names. Raises click.UsageError."""
    check_choice(ids, everything, which)
    return Chosen(list(ids) if ids else list(_all(here, keyed(here, which))))


def _all(here: Connection, which: dict[str, Any]) -> Iterator[str]:
    before = None
    while True:
        page = here.client.dead_letters.list(limit=_PAGE, before=before, **which)
        yield from (letter.id for letter in page)
        if len(page) < _PAGE:
            return
        before = page[-1].id
