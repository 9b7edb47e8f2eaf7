"""From the definitions of an app to what the broker registers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..broker.codec import encode
from ..broker.ids import function_key
from ..broker.transitions.registering import Definition as Registered
from .cron import cron_timetable
from .limiter import limits_of
from .registry import Definition

if TYPE_CHECKING:
    from .function import FunctionDefinition


def registered(functions: Iterable[FunctionDefinition], now_ms: int) -> list[Registered]:
    """What the broker registers of an app's functions.

    Args:
        functions: all functions of one deployment of an app.
        now_ms: the server's time; the first tick of a new cron entry comes after it.
    """
    definitions = {function.id: function.as_data() for function in functions}
    return [_registered(each, definitions, now_ms) for each in definitions.values()]


def cron_entry(function: str, cron_key: str) -> str:
    """The name of a function's cron entry: `<app>/<function id>|<cron key>`."""
    return f"{function}|{cron_key}"


def _registered(definition: Definition, all_of_them: dict[str, Definition], now_ms: int) -> Registered:
    handler = all_of_them.get(definition.on_failure or "")
    return Registered(
        id=definition.id,
        body=encode(definition.to_data(), where=definition.key),
        names=tuple(
            dict.fromkeys([*(each.name for each in definition.triggers), *(each.name for each in definition.cancel_on)])
        ),
        on_failure=function_key(handler.app, handler.id) if handler else "",
        on_failure_queue=handler.queue_key if handler else "",
        limits=limits_of(definition),
        crons={
            cron_entry(definition.key, each.key): cron_timetable(each.expression, each.tz).next_after(now_ms)
            for each in definition.cron
        },
    )
