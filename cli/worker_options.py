"""The options that `bgjobs worker` and `bgjobs dev` have; each can be set by an environment variable too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..broker import defaults
from ..broker.errors import UsageError
from ..broker.settings import SETTINGS, Settings
from .options import DURATION, MEMORY, NAMES, PORT, DurationType

F = TypeVar("F", bound=Callable[..., Any])


class OptionSet:
    """Several options as one decorator."""

    def __init__(self, *options: Callable[[Any], Any]) -> None:
        self._options = options

    def __call__(self, command: F, /) -> F:
        for option in reversed(self._options):
            command = option(command)
        return command


def require_unix() -> None:
    """Refuse systems without the signals and sockets that worker processes need. Raises UsageError."""
    if sys.platform == "win32":
        raise UsageError(
            "Workers run on Linux and macOS.", remedy="Use WSL or a container; sending events works on Windows too."
        )


def _option(name: str, *, default: Any, show_default: str | None = None, **how: Any) -> Callable[[Any], Any]:
    """An option that is a setting too: `BGJOBS_<NAME>` and `[tool.bgjobs]` set it where the command line does not."""
    setting = SETTINGS[name.removeprefix("--").replace("-", "_")]

    def from_settings() -> Any:
        found = Settings().find(setting.name)
        return default if found is None else _as_text(found.value)

    how["help"] = f"{how['help']}  [{setting.variable}]"
    return click.option(
        name, envvar=setting.variable, default=from_settings, show_default=show_default or str(default), **how
    )


def _as_text(value: Any) -> Any:
    """A value of pyproject.toml as the option's type reads it: lists are names, whatever is no text is a number."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


#: What both commands have.
worker_options = OptionSet(
    _option(
        "--concurrency",
        type=click.IntRange(1, 10_000),
        default=defaults.WORKER_CONCURRENCY,
        help="Runs at a time in each process.",
    ),
    _option(
        "--threads",
        type=click.IntRange(0, 1_000),
        default=0,
        show_default="5 per core, at most 32",
        help="How many of them may be `def` functions.",
    ),
    _option("--queues", type=NAMES, default="", show_default="all", help="Only the functions of these queues: a,b."),
    _option("--deployment", default="", show_default="the app's", help="Name of this deployment of the app."),
    _option(
        "--start-at",
        type=click.Choice(["begin", "end"]),
        default=None,
        show_default="end; begin, if no app was ever here",
        callback=lambda context, parameter, value: value or "",
        help="Where an app that was never here begins to read events.",
    ),
    _option(
        "--lease-ttl",
        type=DurationType(least=1.0),  # a shorter one is lost to any hiccup of machine or network
        default=f"{defaults.LEASE_TTL_SECONDS:g}s",
        help="How long after its last sign of life the runs of a dead process go elsewhere.",
    ),
    _option(
        "--connect-timeout",
        type=DURATION,
        default="30s",
        help="How long to wait for Redis at start; then status 3.",
    ),
    _option("--metrics-host", default="127.0.0.1", help="Where /metrics, /live and /ready listen."),
    _option(
        "--metrics-port",
        type=PORT,
        default=None,
        show_default="9464 if it is free",
        help="Port of /metrics, /live and /ready; 0: any free one, which the log names; off: none.",
    ),
    _option(
        "--log-level",
        type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
        default="INFO",
        help="What to log.",
    ),
    _option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Lines for people or machines."),
)

#: What only `worker` has.
limits_of_processes = OptionSet(
    _option("--processes", type=click.IntRange(1, 256), default=1, help="Worker processes."),
    _option(
        "--shutdown-timeout",
        type=DURATION,
        default=f"{defaults.SHUTDOWN_TIMEOUT_SECONDS:g}s",
        help="How long runs may take to end when this is stopped; the rest is handed back.",
    ),
    _option(
        "--max-stall",
        type=DURATION,
        default=f"{defaults.MAX_STALL_SECONDS:g}s",
        help="A process whose event loop is blocked for longer is ended; 0: never.",
    ),
    _option(
        "--max-runs-per-process",
        type=click.IntRange(0),
        default=0,
        show_default="no limit",
        help="A process that has finished so many is replaced.",
    ),
    _option(
        "--max-memory",
        type=MEMORY,
        default=0,
        show_default="no limit",
        help="A process that holds more is replaced at a run boundary: 512M, 2G.",
    ),
)
