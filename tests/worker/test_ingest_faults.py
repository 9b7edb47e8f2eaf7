"""Ingest when calls fail: what was read is ingested soon, once, and by the same worker (R7, R11)."""

from collections import Counter
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected

from bgjobs import App, Context, NewEvent
from bgjobs.broker.broker import Broker
from bgjobs.broker.transitions import Call
from bgjobs.worker.takeover import TakeOver
from tests.waiting import until_async
from tests.worker.live import live

EVENTS = 600


def counting(seen: Counter[Any]) -> App:
    app = App("shop")

    @app.function("count", on="go")
    async def count(ctx: Context[Any]) -> None:
        seen[ctx.event.data] += 1

    return app


@pytest.mark.parametrize("applied", [False, True], ids=["the call was lost", "the reply was lost"])
async def test_what_a_failed_call_carried_is_ingested_at_once(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    """By the worker that read it: nobody takes anything over here. And once, if it was ingested already."""
    seen: Counter[Any] = Counter()
    do = Broker.do
    failures: list[str] = []

    async def failing(self: Broker, call: Call[Any]) -> Any:
        if call.script == "ingest":
            failures.append(call.script)
            if len(failures) in (2, 4, 5):
                if applied:
                    await do(self, call)
                raise Disconnected("cut by the test")
        return await do(self, call)

    monkeypatch.setattr(Broker, "do", failing)
    monkeypatch.setattr(TakeOver, "tick", never)
    async with live(counting(seen), redis_url, namespace, lease_ttl=3) as here:
        await here.client.send_many([NewEvent("go", number) for number in range(EVENTS)])
        await until_async(lambda: len(seen) == EVENTS, timeout=30)
        await until_async(lambda: here.worker.runs_finished >= EVENTS)
        keys, raw = here.worker.broker.keys, here.worker.broker.client
        await until_async(lambda: _nothing_pending(raw, keys.events))
    assert len(failures) > 5
    assert set(seen.values()) == {1}


async def never(self: TakeOver) -> float | None:
    return None


async def _nothing_pending(raw: Any, stream: str) -> bool:
    return (await raw.xpending(stream, "shop"))["pending"] == 0


async def test_cut_connections_cost_no_event_and_no_patience(redis_url: str, namespace: str, raw: Any) -> None:
    """All connections are cut again and again while events pour in."""
    seen: Counter[Any] = Counter()
    async with live(counting(seen), redis_url, namespace) as here:
        for part in range(6):
            await here.client.send_many([NewEvent("go", f"{part}-{number}") for number in range(EVENTS)])
            await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until_async(lambda: len(seen) == 6 * EVENTS, timeout=30)
        await until_async(lambda: here.worker.running == 0)
    assert set(seen.values()) == {1}
