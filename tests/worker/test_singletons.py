"""Singletons with real workers: never two at a time, and who comes meanwhile is dropped or follows (R38)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bgjobs import App, Context, HoldReason, NewEvent, RunCancelled, RunState, Singleton
from bgjobs.broker.errors import RunDropped
from tests.waiting import until_async
from tests.worker.live import live


def importing(option: Any, body: Callable[[Context[Any]], Any]) -> App:
    app = App("shop")

    @app.function("import", on="go", singleton=option)
    async def work(ctx: Context[Any]) -> Any:
        return await body(ctx)

    @app.function("parent", on="begin")
    async def parent(ctx: Context[Any]) -> Any:
        return await ctx.step.invoke("import", "import", ctx.event.data)

    return app


async def test_events_are_dropped_while_a_run_lives(redis_url: str, namespace: str) -> None:
    """Counted, told to who asks, and the run that stands for them is named; a step that invokes it fails."""
    gate = asyncio.Event()

    async def body(ctx: Context[Any]) -> Any:
        await ctx.step.sleep("nap", "1h")
        await gate.wait()
        return ctx.event.data["n"]

    app = importing(Singleton("skip", key="event.data.shop"), body)
    async with live(app, redis_url, namespace) as here:
        first = (await here.client.send("go", {"shop": 1, "n": 1})).run_id("import")
        await here.state(first, RunState.WAITING)
        second = (await here.client.send("go", {"shop": 1, "n": 2})).run_id("import")
        other = (await here.client.send("go", {"shop": 2, "n": 3})).run_id("import")
        await here.state(other, RunState.WAITING)
        info = await here.client.run(second)
        assert (info.state, info.dropped_by, info.instead) == ("dropped", "singleton", first)
        with pytest.raises(RunDropped, match="a run of shop/import was under way"):
            await here.client.result(second)
        invoking = (await here.client.send("begin", {"shop": 1, "n": 4})).run_id("parent")
        failed = await here.state(invoking, RunState.FAILED)
        assert "singleton" in failed.error.message
        here.advance(3600)
        gate.set()
        await here.state(first, RunState.COMPLETED)
        again = (await here.client.send("go", {"shop": 1, "n": 5})).run_id("import")
        await here.state(again, RunState.WAITING)


async def test_the_newest_event_wins(redis_url: str, namespace: str) -> None:
    """The body that runs is cancelled; of many that come meanwhile the last one starts, when it has ended."""
    begun: list[int] = []
    now = most = 0
    leave = asyncio.Event()

    async def body(ctx: Context[Any]) -> Any:
        nonlocal now, most
        begun.append(ctx.event.data)
        now += 1
        most = max(most, now)
        try:
            if ctx.event.data < 5:
                await asyncio.Event().wait()
        finally:
            await leave.wait()
            now -= 1
        return ctx.event.data

    async with (
        live(importing("cancel", body), redis_url, namespace) as one,
        live(importing("cancel", body), redis_url, namespace),
    ):
        first = (await one.client.send("go", 0)).run_id("import")
        await until_async(lambda: begun == [0])
        sent = await one.client.send_many([NewEvent("go", n) for n in range(1, 6)])
        runs = [each.run_id("import") for each in sent]
        for run in runs[:-1]:
            await one.state(run, RunState.CANCELLED)
        await one.state(runs[-1], RunState.QUEUED)
        told = await one.client.why(runs[-1])
        assert (told.holds[0].reason, told.holds[0].holders[0].run_id) == (HoldReason.SINGLETON, first)
        leave.set()
        assert await one.client.result(runs[-1], timeout=20) == 5
        with pytest.raises(RunCancelled, match="a newer event took its place"):
            await one.client.result(first)
    assert (begun, most) == ([0, 5], 1)
