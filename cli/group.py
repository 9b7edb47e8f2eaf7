"""The `bgjobs` command: loads a subcommand's file when it is used, and gives errors their exit status."""

from __future__ import annotations

import importlib
from typing import Any

import click

from ..broker.errors import BgjobsError
from ..version import __version__
from .options import shared_options

#: Command -> the module in this package and the attribute that holds it, with the line that `--help` shows.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "dev": ("dev", "dev", "Run everything on this machine: server, worker, reload."),
    "worker": ("worker", "worker", "Run the functions of an app."),
}


class CommandGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        place = COMMANDS.get(name)
        if place is None:
            return super().get_command(ctx, name)
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
            click.secho(f"Error: {error.what}", fg="red", err=True)
            if error.remedy:
                click.echo(error.remedy, err=True)
            ctx.exit(error.exit_code)


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
