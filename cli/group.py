"""The `bgjobs` command: loads a subcommand's file when it is used, and gives errors their exit status."""

from __future__ import annotations

import importlib
from typing import Any

import click

from ..broker.errors import BgjobsError
from ..version import __version__
from .options import shared_options, wants_traceback

#: Command -> the module in this package and the attribute that holds it, with the line that `--help` shows.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "apps": ("apps", "apps", "Apps: list, remove."),
    "audit-log": ("audit_log", "audit_log", "Changes by hand: who, what, when."),
    "cron": ("cron", "cron", "Cron entries and when they tick next."),
    "dev": ("dev", "dev", "Run everything on this machine: server, worker, reload."),
    "dlq": ("dlq", "dlq", "Dead letters: list, show, retry, discard, purge, export."),
    "doctor": ("doctor", "doctor", "Look for what is wrong."),
    "events": ("events", "events", "Events: list, show, tail, cancel, reschedule."),
    "functions": ("functions", "functions", "Functions: list, show, invoke, remove, move, pause, resume."),
    "limits": ("limits", "limits", "Limits: list, set, clear."),
    "queues": ("queues", "queues", "Queues: list, pause, resume."),
    "runs": ("runs", "runs", "Runs: list, show, why, watch, cancel, replay."),
    "schedules": ("schedules", "schedules", "Schedules: list, show, create, pause, resume, run, delete."),
    "send": ("send", "send", "Send an event."),
    "signal": ("signal", "signal", "Signal runs that wait for it."),
    "worker": ("worker", "worker", "Run the functions of an app."),
    "workers": ("workers", "workers", "Worker processes and what they hold."),
}

#: Commands that go on for long, whose unexpected errors belong into a log in full.
_LASTING = frozenset({"dev", "worker"})


class CommandGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(f".{place[0]}", __package__), place[1])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(_with_suggestion(error.message, args[0]), ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BgjobsError as error:
            _report(error)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            if ctx.invoked_subcommand in _LASTING:
                raise
            _report(error)
            ctx.exit(1)


def _report(error: Exception) -> None:
    """One line that says what is wrong, one that says what to do; and where it comes from, if that is wanted."""
    known = error if isinstance(error, BgjobsError) else _unexpected(error)
    click.secho(f"Error: {known.what}", fg="red", err=True)
    if known.remedy:
        click.echo(known.remedy, err=True)
    if wants_traceback():
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)


def _unexpected(error: Exception) -> BgjobsError:
    remedy = "This looks like a defect of bgjobs; please report it with what --verbose prints."
    return BgjobsError(f"Unexpected {type(error).__name__}: {error}", remedy=remedy)


def _with_suggestion(message: str, name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    if not close or "Did you mean" in message:
        return message
    return f"{message.rstrip('.')}. Did you mean {close[0]!r}?"


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="bgjobs", message="%(prog)s %(version)s")
@shared_options
def main() -> None:
    """Event-driven background jobs with durable steps, on the Redis you already run."""
