"""Everything that a diagnosis looks at, read in one go."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..conversation import Talk, reliably
from ..errors import CommandRefused
from ..keys import Keys
from ..patience import Patience
from ..server_info import ServerInfo, read_server_info
from .apps import AppInfo, read_apps
from .queues import Load, read_load
from .workers import WorkerInfo, read_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A server and a namespace as they stand."""

    server: ServerInfo
    reply_seconds: float  # how long a PING takes, there and back
    clock_seconds: float  # by how much the server's clock is ahead of this machine's
    listpack_value: int | None  # hash-max-listpack-value in bytes; None: the server does not tell
    disk_errors: tuple[str, ...]  # what the server says failed last time it wrote to disk
    shards: str | None  # as stored; None: nothing was ever written here
    schema: str | None
    apps: tuple[AppInfo, ...]
    workers: tuple[WorkerInfo, ...]
    load: Load
    dead_letters: int
    cron_overdue: int  # cron entries and schedules that should have ticked more than a minute ago


def read_condition(keys: Keys, patience: Patience) -> Talk[Condition]:
    """Look at everything. Raises RedisUnavailable."""
    server = yield from read_server_info(patience)
    started = time.monotonic()
    yield from reliably(patience, ("PING",))
    reply_seconds = time.monotonic() - started
    (clock,) = yield from reliably(patience, ("TIME",))
    server_ms = int(clock[0]) * 1000 + int(clock[1]) // 1000
    conf, letters, cron = yield from reliably(
        patience,
        ("HMGET", keys.conf, "shards", "schema"),
        ("XLEN", keys("dq")),
        ("ZCOUNT", keys("cr"), "-inf", server_ms - 60_000),
    )
    apps = yield from read_apps(keys, patience)
    load = yield from read_load(
        keys,
        patience,
        queues=[queue for app in apps for queue in app.queues],
        functions=[function for app in apps for function in app.functions],
    )
    shards, schema = (None if value is None else value.decode("utf-8", "replace") for value in conf)
    return Condition(
        server=server,
        reply_seconds=reply_seconds,
        clock_seconds=server_ms / 1000 - time.time() + reply_seconds / 2,
        listpack_value=(yield from _listpack_value(patience)),
        disk_errors=(yield from _disk_errors(patience)),
        shards=shards,
        schema=schema,
        apps=tuple(apps),
        workers=tuple((yield from read_workers(keys, patience))),
        load=load,
        dead_letters=letters,
        cron_overdue=cron,
    )


def _listpack_value(patience: Patience) -> Talk[int | None]:
    try:
        (reply,) = yield from reliably(patience, ("CONFIG", "GET", "hash-max-listpack-value"))
    except CommandRefused:
        return None
    return int(reply[1]) if len(reply) == 2 else None


def _disk_errors(patience: Patience) -> Talk[tuple[str, ...]]:
    try:
        (reply,) = yield from reliably(patience, ("INFO", "persistence"))
    except CommandRefused:
        return ()
    statuses = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return tuple(name for name, _, value in statuses if name.endswith("_status") and value == "err")
