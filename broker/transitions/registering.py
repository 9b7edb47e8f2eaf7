"""Registration of functions as data, and the ticks of cron entries and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .call import Call, dropped_runs, pack, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One function as the registry stores it. `body` is opaque to the server; the rest is what its scripts read."""

    id: str
    body: bytes
    names: Sequence[str]  # event names and wildcard patterns that it looks at
    on_failure: str = ""  # function key
    on_failure_queue: str = ""  # "<app>:<queue>"
    limits: Mapping[str, int | str] = field(
        default_factory=dict
    )  # limiter definition -> limit, or "<limit> <period ms> <burst>"
    crons: Mapping[str, int] = field(default_factory=dict)  # cron entry -> first tick, server ms

    def packed(self, stamp: str) -> list[Any]:
        limits = [part for item in self.limits.items() for part in item]
        crons = [part for item in self.crons.items() for part in item]
        return [stamp, self.body, self.on_failure, self.on_failure_queue, list(self.names), limits, crons]


def register(
    app: str, *, deployment: str, stamp: str, definitions: Sequence[Definition], start_at: str = ""
) -> Call[tuple[bool, int, int, str, str]]:
    """Register a deployment's functions; a larger `stamp` wins.

    Answers (accepted, changed, retired, stream id at which the app's group was created or "", why there).
    """
    functions = [part for definition in definitions for part in (definition.id, definition.packed(stamp))]
    call = {"app": app, "deployment": deployment, "stamp": stamp, "functions": functions, "start_at": start_at}

    def read(reply: list[Any]) -> tuple[bool, int, int, str, str]:
        return reply[0] == b"OK", int(reply[1]), int(reply[2]), text(reply[3]), text(reply[4])

    return Call("register", pack(call), read)


def cron_fire(
    entry: str,
    *,
    tick_ms: int,
    next_ms: int,
    runs: Sequence[Mapping[str, Any]] = (),
    events: Sequence[Sequence[str | bytes]] = (),
    inline_max: int = 0,
) -> Call[tuple[str, tuple[tuple[str, str, int], ...]]]:
    """Fire one tick; `runs` are specs from `cron_run`.

    Answers ("OK", "late" or "removed"; what policies dropped: function key, reason, count).
    """
    call = {"entry": entry, "tick": tick_ms, "next": next_ms, "runs": runs, "events": events, "inline_max": inline_max}

    def read(reply: Any) -> tuple[str, tuple[tuple[str, str, int], ...]]:
        if not isinstance(reply, list):
            return text(reply), ()
        return text(reply[0]), dropped_runs(reply[1]) if len(reply) > 1 else ()

    return Call("cron_fire", pack(call), read)


def cron_run(
    *,
    run: str,
    function: str,
    queue: str,
    limiters: str,
    priority_ms: int,
    event_id: str,
    event_key: str,
    data: bytes,
    at_ms: int,
    policies: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:
    """The run of one tick, for `cron_fire`."""
    return {
        "rid": run,
        "f": function,
        "q": queue,
        "l": limiters,
        "pri": priority_ms,
        "n": "bgjobs/cron",
        "i": event_id,
        "key": event_key,
        "data": data,
        "t": at_ms,
        "policies": policies,
    }
