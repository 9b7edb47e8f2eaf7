"""Options that several commands have, and the types of values that they take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..broker.durations import InvalidDuration, seconds

F = TypeVar("F", bound=Callable[..., Any])


class DurationType(click.ParamType[float]):
    """A number of seconds, or words such as "30s", "1h30m"; converted to seconds."""

    name = "duration"

    def __init__(self, *, least: float = 0.0) -> None:
        """`least`: what is shorter, in seconds, is refused."""
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            length = seconds(value, what="It")
        except InvalidDuration as error:
            self.fail(str(error), param, ctx)
        if length < self._least:
            self.fail(f"It is {value}; at least {self._least:g} s are needed.", param, ctx)
        return length


class MemoryType(click.ParamType[int]):
    """A number of bytes, or with a unit: 512M, 1.5GiB; K, M and G are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([\d.]+)\s*([KMGT]?)(i?B)?", str(value).strip(), re.IGNORECASE)
        try:
            number = float(match[1]) if match else -1.0
        except ValueError:
            number = -1.0
        if match is None or number < 0:
            self.fail(f"{value!r} is not a size; write bytes or something like 512M.", param, ctx)
        return int(number * 1024 ** " KMGT".index(match[2].upper() or " "))


class NamesType(click.ParamType[tuple[str, ...]]):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))


class PortType(click.ParamType[int]):
    """A port; 0 takes any free one, `off` none."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value).strip().lower() in ("off", "none", "-1"):
            return -1
        if str(value).isdecimal() and int(value) <= 65535:
            return int(value)
        return self.fail(f"{value!r} is not a port; write 0 to 65535, or off.", param, ctx)


DURATION = DurationType()
MEMORY = MemoryType()
NAMES = NamesType()
PORT = PortType()


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a shared option for `shared_option`; one given to the command wins over one given before it."""
    if value not in (None, False) and param.name:
        ctx.find_root().ensure_object(dict)[param.name] = value


def shared_options(command: F) -> F:
    """Give a command `--redis`, `--namespace`, `--json` and `--verbose`. They may stand before or after its name."""
    for option in (
        click.option(
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Tracebacks of errors; BGJOBS_DEBUG.",
        ),
        click.option("--json", is_flag=True, expose_value=False, callback=_remember, help="Print JSON."),
        click.option(
            "--namespace", metavar="NAME", expose_value=False, callback=_remember, help="Namespace; BGJOBS_NAMESPACE."
        ),
        click.option(
            "--redis",
            metavar="URL",
            expose_value=False,
            callback=_remember,
            help="Redis, such as redis://localhost:6379/0; BGJOBS_REDIS_URL.",
        ),
    ):
        command = option(command)
    return command


def shared_option(name: str) -> Any:
    """The value of `redis`, `namespace` or `json` as given on the command line; None if it was not."""
    return (click.get_current_context().find_object(dict) or {}).get(name)


def wants_traceback() -> bool:
    """Whether errors are to be shown with where they come from."""
    context = click.get_current_context(silent=True)
    given = (context.find_object(dict) or {}).get("verbose") if context else False
    return bool(given) or os.environ.get("BGJOBS_DEBUG", "") not in ("", "0")
