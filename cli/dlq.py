"""`bgjobs dlq`: what failed for good; run it again, elsewhere, or let it go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from .connection import Connection, connection
from .dead_letter_choice import Choice, chosen
from .function_choice import function_key
from .options import DURATION, shared_options
from .output import block, compact, fields, heading, json_text, plain, show, table
from .times import ago, exact
from .values import DATA, confirm, paged

if TYPE_CHECKING:
    from ..broker.inspect.dead_letters import DeadLetter

F = TypeVar("F", bound=Callable[..., Any])
_PAGE = 200


def filters(command: F) -> F:
    """Give a command `--function`, `--error` and `--older-than`."""
    for option in (
        click.option("--older-than", type=DURATION, help="Only those that died longer ago: 1h, 3 days."),
        click.option("--error", metavar="TYPE", help="Only with this type of error, or this text in its message."),
        click.option("--function", metavar="APP/ID", help="Only of this function."),
    ):
        command = option(command)
    return command


@click.group()
def dlq() -> None:
    """Dead letters: runs (and events) that failed for good."""


@dlq.command("list")
@filters
@paged
@shared_options
def list_(function: str | None, error: str | None, older_than: float | None, limit: int, before: str | None) -> None:
    """List dead letters, the newest first."""
    here = connection()
    letters, function = here.client.dead_letters, function_key(here, function)
    found = letters.list(function=function, error=error, older_than=older_than, limit=limit, before=before)
    following = found[-1].id if len(found) == limit else None

    def draw() -> None:
        rows = [
            [
                letter.id,
                letter.function or "-",
                ago(letter.time),
                compact(f"{letter.error.type}: {letter.error.message}", 70),
                letter.run_id or "-",
            ]
            for letter in found
        ]
        table(("id", "function", "died", "error", "run"), rows, empty="There are no such dead letters.")
        if following is not None:
            click.echo(f"More: --before {following}", err=True)

    show({"dead_letters": found, "next": following}, draw)


@dlq.command("show")
@click.argument("id")
@shared_options
def show_(id: str) -> None:
    """Show the dead letter ID, with its event's data."""
    here = connection()
    letter = here.client.dead_letters.get(id)
    data = next(_with_data(here, [letter]))["data"]

    def draw() -> None:
        fields(
            [
                ("dead letter", letter.id),
                ("kind", letter.kind),
                ("function", letter.function),
                ("run", letter.run_id),
                ("event", f"{letter.event_name} {letter.event_id}"),
                ("died", f"{exact(letter.time)} ({ago(letter.time)})"),
                ("attempt", str(letter.error.attempt)),
                ("step", letter.error.step),
                ("error", click.style(f"{letter.error.type}: {letter.error.message}", fg="red")),
            ]
        )
        if letter.error.traceback:
            heading("Traceback")
            block(letter.error.traceback)
        heading("Event data")
        block(json_text(data, indent=2))

    show({**plain(letter), "data": data}, draw)


@dlq.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@filters
@click.option("--all", "everything", is_flag=True, help="All of them, or all that the filters leave.")
@click.option("--rate", type=float, help="At most so many a second.")
@click.option("--to", metavar="APP/ID", help="Run them as this function, from the start.")
@click.option("--data", type=DATA, help="JSON merged over the event's data; from the start.")
@shared_options
def retry(rate: float | None, to: str | None, data: Any, **choice: Any) -> None:
    """Run dead letters again: from the failed step, or, with --to or --data, from the start."""
    if data is not None and not isinstance(data, dict):
        raise click.UsageError("--data takes a JSON object, which is merged over the event's data.")
    here = connection()
    to = function_key(here, to)
    again = chosen(here, Choice(**choice), rate).each(
        lambda letter: here.client.dead_letters.retry(letter, to=to, data=data)
    )
    again.report("retried", lambda letter, run: f"{letter}  runs again as {run}")


@dlq.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@filters
@click.option("--all", "everything", is_flag=True, help="All of them, or all that the filters leave.")
@shared_options
def discard(**choice: Any) -> None:
    """Remove dead letters by id; their runs stay failed, and leave as other finished runs do."""
    here = connection()
    gone = chosen(here, Choice(**choice), None).each(lambda letter: here.client.dead_letters.discard(letter))
    gone.report("discarded", lambda letter, there: f"{letter}  {'discarded' if there else 'was not there'}")


@dlq.command()
@filters
@click.option("--all", "everything", is_flag=True, help="All of them, or all that the filters leave.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@shared_options
def purge(function: str | None, error: str | None, older_than: float | None, everything: bool, yes: bool) -> None:
    """Remove many dead letters at once."""
    if not (everything or function or error or older_than is not None):
        raise click.UsageError("Say which: --function, --error, --older-than, or --all.")
    here = connection()
    confirm("Remove these dead letters for good?", yes=yes)
    function = function_key(here, function)
    count = here.client.dead_letters.purge(function=function, error=error, older_than=older_than)
    show({"purged": count}, lambda: click.echo(f"{count} dead letter{'s' * (count != 1)} removed."))


@dlq.command()
@filters
@click.option("--all", "everything", is_flag=True, help="Same as no filter.")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8"), default="-", help="File; standard output.")
@shared_options
def export(
    function: str | None, error: str | None, older_than: float | None, everything: bool, output: IO[str]
) -> None:
    """Write dead letters with their events' data as lines of JSON, the newest first."""
    here, before, count = connection(), None, 0
    function = function_key(here, function)
    while True:
        page = here.client.dead_letters.list(
            function=function, error=error, older_than=older_than, limit=_PAGE, before=before
        )
        for told in _with_data(here, page):
            output.write(json.dumps(plain(told), ensure_ascii=False) + "\n")
        count += len(page)
        if len(page) < _PAGE:
            break
        before = page[-1].id
    click.echo(f"{count} dead letter{'s' * (count != 1)} written.", err=True)


def _with_data(here: Connection, letters: list[DeadLetter]) -> Iterator[dict[str, Any]]:
    from ..broker.inspect.payloads import decoded, read_payloads

    runs = [letter.run_id for letter in letters if letter.run_id is not None]
    payloads = dict(zip(runs, here.ask(read_payloads(here.keys, here.patience(), runs)), strict=True))
    for letter in letters:
        data = (letter.fields or {}).get(b"d") if letter.kind == "event" else payloads.get(letter.run_id or "")
        yield {**plain(letter), "data": decoded(data)}
