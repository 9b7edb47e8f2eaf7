"""The gauges of a namespace, in few commands: what dashboards and autoscalers look at."""

from __future__ import annotations

from typing import Any

from ..connection import AsyncRedis
from ..keys import Keys
from .registry import read_registry

#: (metric name, label values, value)
Gauge = tuple[str, tuple[str, ...], float]

_MOST_BACKLOGS = 1_000


async def read_gauges(client: AsyncRedis, keys: Keys, now_ms: int) -> list[Gauge]:
    """Depths, ages and counts of every app. O(functions) commands in three round trips."""
    apps = sorted(raw.decode() for raw in await client.smembers(keys("ap")))
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcount(keys("wk"), now_ms, "+inf")
        pipe.xlen(keys("dq"))
        pipe.hkeys(keys("bh"))
        pipe.xinfo_groups(keys.events)
        workers, letters, backlogs, groups = await pipe.execute(raise_on_error=False)
    gauges: list[Gauge] = [("bgjobs_workers", (), _number(workers)), ("bgjobs_dead_letters", (), _number(letters))]
    for group in groups if isinstance(groups, list) else ():
        app = group["name"].decode()
        gauges.append(("bgjobs_stream_lag", (app,), float(group["lag"] or 0)))
        gauges.append(("bgjobs_stream_pending", (app,), float(group["pending"])))
    for app in apps:
        gauges += await _app_gauges(client, keys, app, now_ms)
    gauges += await _parked(client, keys, backlogs[:_MOST_BACKLOGS] if isinstance(backlogs, list) else [])
    return gauges


async def _app_gauges(client: AsyncRedis, keys: Keys, app: str, now_ms: int) -> list[Gauge]:
    registry = await read_registry(client, keys, app)
    queues = sorted({str(data.get("queue", "default")) for data in registry.definitions.values()})
    functions = [*registry.definitions, *registry.retired]
    async with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.zcard(keys(f"q:{app}:{queue}"))
            pipe.zcard(keys(f"qs:{app}:{queue}"))
            pipe.zrange(keys(f"q:{app}:{queue}"), 0, 0, withscores=True)
        for function in functions:
            pipe.zcard(keys(f"wt:{app}/{function}"))
        replies: list[Any] = await pipe.execute()
    gauges: list[Gauge] = []
    for place, queue in enumerate(queues):
        ready, suspects, head = replies[3 * place : 3 * place + 3]
        age = max(0.0, (now_ms - head[0][1]) / 1000) if head else 0.0
        gauges.append(("bgjobs_ready_runs", (app, queue), float(ready + suspects)))
        gauges.append(("bgjobs_ready_oldest_age_seconds", (app, queue), age))
    gauges.append(("bgjobs_waiting_runs", (app,), float(sum(replies[3 * len(queues) :]))))
    return gauges


async def _parked(client: AsyncRedis, keys: Keys, backlogs: list[bytes]) -> list[Gauge]:
    """Parked runs by app; the head of a backlog tells whose it is."""
    counts: dict[str, int] = {}
    for backlog in backlogs:
        name = keys("bk:" + backlog.decode())
        size, head = await client.zcard(name), await client.zrange(name, 0, 0)
        if head:
            function = await client.hget(keys.run(head[0].decode()), "f") or b"?"
            app = function.decode().partition("/")[0]
            counts[app] = counts.get(app, 0) + size
    return [("bgjobs_parked_runs", (app,), float(count)) for app, count in sorted(counts.items())]


def _number(reply: Any) -> float:
    return float(reply) if isinstance(reply, (int, float)) else 0.0
