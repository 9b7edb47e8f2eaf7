"""One event with a thousand matching functions: its runs are made in several calls, each of them once (R7)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context
from bgjobs.broker.keys import Keys
from bgjobs.broker.model import IngestEvent, IngestReply
from bgjobs.worker.ingester import Ingester
from tests.waiting import until_async
from tests.worker.live import live

FUNCTIONS = 1_000


def fan_out(started: Counter[str], **options: Any) -> App:
    app = App("shop")

    def register(id: str) -> None:
        @app.function(id, on="sale/began", **options)
        async def listener(ctx: Context[Any]) -> None:
            started[ctx.function] += 1

    for number in range(FUNCTIONS):
        register(f"f{number}")
    return app


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each ingest call made."""
    made: list[int] = []
    send = Ingester._send

    async def counted(self: Ingester, batch: list[IngestEvent]) -> IngestReply:
        reply = await send(self, batch)
        made.append(reply.created)
        return reply

    monkeypatch.setattr(Ingester, "_send", counted)
    return made


async def test_a_thousand_runs_are_made_in_calls_of_two_hundred(
    redis_url: str, namespace: str, raw: Any, calls: list[int]
) -> None:
    """R7: and what is remembered of the way there is gone when the last is made."""
    started: Counter[str] = Counter()
    keys = Keys(namespace)
    async with live(fan_out(started), redis_url, namespace) as here:
        receipt = await here.client.send("sale/began", {"percent": 20})
        await until_async(lambda: len(started) == FUNCTIONS, timeout=30)
        await until_async(lambda: here.worker.runs_finished == FUNCTIONS)
        assert set(started.values()) == {1}
        assert len(await here.client.runs(receipt)) == FUNCTIONS
        again = await here.client.send("sale/began", id="given")
        await until_async(lambda: set(started.values()) == {2}, timeout=30)
        await here.client.send("sale/began", id="given")
        await until_async(lambda: here.worker.runs_finished == 2 * FUNCTIONS)
        await until_async(lambda: _acknowledged(raw, keys))
        assert len(await here.client.runs(again)) == FUNCTIONS
    assert sum(calls) == 2 * FUNCTIONS
    assert max(calls) <= 200
    assert set(started.values()) == {2}
    assert await raw.exists(keys("po:shop")) == 0


async def test_another_worker_goes_on_where_one_died(
    redis_url: str, namespace: str, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R7, R11: the runs of the first calls stand; the event is acknowledged by the last."""
    started: Counter[str] = Counter()
    keys = Keys(namespace)
    sends: list[int] = []
    send = Ingester._send

    async def stuck_after_two(self: Ingester, batch: list[IngestEvent]) -> IngestReply:
        if len(sends) == 2:
            await asyncio.Event().wait()
        sends.append(1)
        return await send(self, batch)

    monkeypatch.setattr(Ingester, "_send", stuck_after_two)
    async with live(fan_out(started), redis_url, namespace, lease_ttl=1.5) as here:
        receipt = await here.client.send("sale/began")
        await until_async(lambda: len(started) == 400)
        await here.die()
    [pending] = await raw.xpending_range(keys.events, "shop", "-", "+", 10)
    assert pending["message_id"].decode() == receipt.stream_id
    [(stream_id, _)] = (await raw.hgetall(keys("po:shop"))).items()
    assert stream_id.decode() == receipt.stream_id
    await raw.xclaim(keys.events, "shop", pending["consumer"], 0, [stream_id], idle=20_000, justid=True)

    monkeypatch.setattr(Ingester, "_send", send)
    async with live(fan_out(started), redis_url, namespace) as here:
        await until_async(lambda: len(started) == FUNCTIONS, timeout=30)
        await until_async(lambda: _acknowledged(raw, keys))
        runs = await here.client.runs(receipt)
        await until_async(lambda: _all_done(here.client, receipt))
    assert len(runs) == FUNCTIONS
    assert set(started.values()) == {1}
    assert await raw.exists(keys("po:shop")) == 0


async def test_two_workers_with_one_event_share_the_work(redis_url: str, namespace: str, raw: Any) -> None:
    """R7: it was taken over from a worker that was only slow; each learns how far the other came."""
    started: Counter[str] = Counter()
    keys = Keys(namespace)
    app = fan_out(started)
    async with live(app, redis_url, namespace):
        pass
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as client:
        receipt = await client.send("sale/began")
    [[_, [entry]]] = await raw.xreadgroup("shop", "slow", {keys.events: ">"})
    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace) as other:
        ingesters = [each.worker._incarnation for each in (one, other)]
        both = [each.ingester.ingest([each._decider.event(*entry)]) for each in ingesters if each]
        await asyncio.gather(*both)
        await until_async(lambda: len(started) == FUNCTIONS, timeout=30)
        await until_async(lambda: _all_done(one.client, receipt))
        assert await _acknowledged(raw, keys)
    assert set(started.values()) == {1}
    assert await raw.exists(keys("po:shop")) == 0


async def _acknowledged(raw: Any, keys: Keys) -> bool:
    [group] = await raw.xinfo_groups(keys.events)
    return group["pending"] == 0 and group["lag"] == 0


async def _all_done(client: AsyncClient, receipt: Any) -> bool:
    runs = await client.runs(receipt)
    return len(runs) == FUNCTIONS and all(run.done for run in runs)
