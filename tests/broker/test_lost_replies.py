"""Replies get lost after the server has done its work: everything happens once all the same."""

import asyncio
import random
from collections import Counter
from typing import Any

from bgjobs import App, AsyncClient, Client, Context
from bgjobs.broker.event import NewEvent
from tests.broker.lossy_proxy import lossy
from tests.broker.producing import entries
from tests.waiting import until_async
from tests.worker.live import live


def _app() -> tuple[App, Counter[Any]]:
    app = App("shop")
    ran: Counter[Any] = Counter()

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> None:
        ran[ctx.event.data] += 1

    return app, ran


async def test_every_event_starts_one_run(redis_url: str, namespace: str) -> None:
    """R2: single sends, concurrent sends, bulks, from both clients, with a third of the replies lost."""
    app, ran = _app()
    dice = random.Random(7)
    async with (
        live(app, redis_url, namespace) as here,
        lossy(redis_url, lambda: dice.random() < 0.33) as proxy,
        AsyncClient(proxy.url, namespace=namespace, timeout=30) as client,
    ):
        for number in range(12):
            await client.send("go", f"single-{number}")
        await asyncio.gather(*[client.send("go", f"joint-{number}") for number in range(200)])
        bulk = await client.send_many([NewEvent("go", f"bulk-{number}") for number in range(1_000)])
        bulk.raise_for_errors()
        await asyncio.to_thread(_send_sync, proxy.url, namespace)
        expected = 12 + 200 + 1_000 + 512
        await until_async(lambda: len(ran) == expected, timeout=30)
        await here.client.result((await here.client.send("go", "last")).run_id("work"), timeout=30)
    assert proxy.lost > 20
    assert set(ran.values()) == {1}
    stored = Counter(event["i"] for event in entries(redis_url, namespace))
    assert sum(stored.values()) > expected + 1  # so there were duplicates to recognise
    assert len(stored) == expected + 1


def _send_sync(url: str, namespace: str) -> None:
    with Client(url, namespace=namespace, timeout=30) as client:
        for number in range(12):
            client.send("go", f"sync-{number}")
        client.send_many([NewEvent("go", f"sync-bulk-{number}") for number in range(500)]).raise_for_errors()


async def test_verbs_that_change_something_can_be_repeated(redis_url: str, namespace: str) -> None:
    """A third of the replies is lost: cancel, replay, discard, schedules and delayed events come to the same end."""
    app = App("shop")

    @app.function("fails", on="go", retries=0)
    async def fails(ctx: Context[Any]) -> None:
        raise ValueError("always")

    @app.function("sleeps", on="wait")
    async def sleeps(ctx: Context[Any]) -> None:
        await ctx.step.sleep("long", "1 day")

    dice = random.Random(5)
    async with (
        live(app, redis_url, namespace) as here,
        lossy(redis_url, lambda: dice.random() < 0.33) as proxy,
        AsyncClient(proxy.url, namespace=namespace, app="shop", timeout=30) as client,
    ):
        failed = (await client.send("go")).run_id("fails")
        await here.state(failed, "failed")  # type: ignore[arg-type]
        assert await client.replay(failed) == failed
        await until_async(lambda: _replayed(here.client, failed))
        again = await client.replay(failed, from_start=True, token="t")
        assert again == await client.replay(failed, from_start=True, token="t")

        waiting = (await client.send("wait")).run_id("sleeps")
        await here.state(waiting, "waiting")  # type: ignore[arg-type]
        await client.cancel(waiting)
        assert (await here.client.run(waiting)).state == "cancelled"

        await client.schedules.create("s", every=60, event="tick/due")
        assert [each.id for each in await client.schedules.list()] == ["s"]
        await client.schedules.delete("s")
        assert await client.schedules.list() == []

        delayed = await client.send("later", delay="1 day")
        await until_async(lambda: _is_delayed(here.client, delayed.event_id))
        assert await client.cancel_event(delayed.event_id, name="later") is True
    assert proxy.lost > 5


async def _replayed(client: AsyncClient, run: str) -> bool:
    info = await client.run(run)
    return info.replays == 1 and info.state == "failed"


async def _is_delayed(client: AsyncClient, event: str) -> bool:
    return (await client.event(event, name="later")).stream_id is None
