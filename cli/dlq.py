"""`bgjobs dlq`: what failed for good; run it again, elsewhere, or let it go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from .connection import Connection, connection
from .dead_letter_choice import chosen, keyed, narrowed
from .letter_groups import draw_groups
from .options import DURATION, shared_options
from .output import block, compact, fields, heading, json_text, plain, show, table
from .retrying import retry_chosen
from .times import ago, exact
from .values import DATA, confirm, paged

if TYPE_CHECKING:
    from ..broker.inspect.dead_letters import DeadLetter

F = TypeVar("F", bound=Callable[..., Any])
_PAGE = 200


def filters(command: F) -> F:
    """Give a command `--function`, `--error`, `--fingerprint`, `--older-than` and `--newer-than`."""
    for option in (
        click.option("--newer-than", type=DURATION, help="Only those that died since: 1h, 3 days."),
        click.option("--older-than", type=DURATION, help="Only those that died longer ago: 1h, 3 days."),
        click.option("--fingerprint", metavar="HEX", help="Only of this group, see `bgjobs dlq groups`."),
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
def list_(limit: int, before: str | None, **which: Any) -> None:
    """List dead letters, the newest first."""
    here = connection()
    found = here.client.dead_letters.list(limit=limit, before=before, **keyed(here, which))
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


@dlq.command()
@filters
@shared_options
def groups(**which: Any) -> None:
    """Group dead letters by function, error, and place in your code; the largest group first."""
    here = connection()
    found = here.client.dead_letters.groups(**keyed(here, which))
    show({"groups": found}, lambda: draw_groups(found))


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
@click.option("--from-start", is_flag=True, help="As new runs, without the recorded steps.")
@click.option("--to", metavar="APP/ID", help="Run them as this function, from the start.")
@click.option("--data", type=DATA, help="JSON merged over the event's data; from the start.")
@click.option("--rate", type=float, help="At most so many a second.")
@click.option("--canary", type=int, help="Run so many first, the others only if these complete.")
@click.option("--canary-timeout", type=DURATION, default="10m", show_default=True, help="For the canaries to end.")
@click.option("--stop-on-same-error", is_flag=True, help="Stop when one fails again of what it had failed of.")
@click.option("--dry-run", is_flag=True, help="Only say which are meant.")
@shared_options
def retry(ids: tuple[str, ...], everything: bool, **given: Any) -> None:
    """Run dead letters again, the oldest first: from the failed step, or, with --from-start, --to, --data, anew."""
    if given["data"] is not None and not isinstance(given["data"], dict):
        raise click.UsageError("--data takes a JSON object, which is merged over the event's data.")
    retry_chosen(connection(), ids, everything, given)


@dlq.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@filters
@click.option("--all", "everything", is_flag=True, help="All of them, or all that the filters leave.")
@shared_options
def discard(ids: tuple[str, ...], everything: bool, **which: Any) -> None:
    """Remove dead letters by id; their runs stay failed, and leave as other finished runs do."""
    here = connection()
    gone = chosen(here, ids, everything, which).each(lambda letter: here.client.dead_letters.discard(letter))
    gone.report("discarded", lambda letter, there: f"{letter}  {'discarded' if there else 'was not there'}")


@dlq.command()
@filters
@click.option("--all", "everything", is_flag=True, help="All of them, or all that the filters leave.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@shared_options
def purge(everything: bool, yes: bool, **which: Any) -> None:
    """Remove many dead letters at once."""
    if not (everything or narrowed(which)):
        raise click.UsageError("Say which: by filters, or --all.")
    here = connection()
    confirm("Remove these dead letters for good?", yes=yes)
    count = here.client.dead_letters.purge(**keyed(here, which))
    show({"purged": count}, lambda: click.echo(f"{count} dead letter{'s' * (count != 1)} removed."))


@dlq.command()
@filters
@click.option("--all", "everything", is_flag=True, help="Same as no filter.")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8"), default="-", help="File; standard output.")
@shared_options
def export(everything: bool, output: IO[str], **which: Any) -> None:
    """Write dead letters with their events' data as lines of JSON, the newest first."""
    here, before, count = connection(), None, 0
    chosen = keyed(here, which)
    while True:
        page = here.client.dead_letters.list(limit=_PAGE, before=before, **chosen)
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
