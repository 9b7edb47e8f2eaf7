"""cancel_on and the time-outs of whole runs, with real workers and moved time."""

import asyncio
from typing import Any

from bgjobs import App, CancelOn, Context, RunState, SyncContext
from tests.waiting import until_async
from tests.worker.live import live


async def test_an_event_cancels_the_runs_of_its_order(redis_url: str, namespace: str) -> None:
    """Sleeping and running ones; with a filter over the event that cancels; other orders go on."""
    app, cancelled, begun = App("shop"), asyncio.Event(), asyncio.Event()

    @app.function("ship", on="placed", cancel_on=CancelOn("cancelled", match="event.data.order"))
    async def ship(ctx: Context[Any]) -> None:
        await ctx.step.sleep("pack", "1 hour")

    @app.function(
        "call",
        on="placed",
        cancel_on=["shop/closed", CancelOn("cancelled", match="event.data.order", filter="event.data.final == true")],
    )
    async def call(ctx: Context[Any]) -> None:
        if ctx.event.data["order"] == 2:
            return
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with live(app, redis_url, namespace) as here:
        one, two = [await here.client.send("placed", {"order": order}) for order in (1, 2)]
        for sent in (one, two):
            await here.state(sent.run_id("ship"), RunState.WAITING)
        await begun.wait()
        await here.client.send("cancelled", {"order": 1.0, "final": False})
        info = await here.state(one.run_id("ship"), RunState.CANCELLED)
        assert info.error.message.startswith("event cancelled ")
        assert (await here.client.run(one.run_id("call"))).state is RunState.RUNNING
        await here.client.send("cancelled", {"order": 1, "final": True})
        await here.state(one.run_id("call"), RunState.CANCELLED)
        assert cancelled.is_set()
        assert (await here.client.run(two.run_id("ship"))).state is RunState.WAITING
        assert (await here.client.steps(two.run_id("ship")))[0].key == "pack"
        again = await here.client.send("placed", {"order": 1})
        await here.state(again.run_id("ship"), RunState.WAITING)
        await here.client.send("shop/closed")
        await here.state(again.run_id("call"), RunState.CANCELLED)


async def test_cancel_on_of_the_event_that_starts(redis_url: str, namespace: str) -> None:
    """The next event of its kind ends the run before it and starts its own."""
    app, ended = App("shop"), list[int]()

    @app.function("price", on="asked", cancel_on=CancelOn("asked", match="data.item"))
    async def price(ctx: Context[Any]) -> None:
        await ctx.step.sleep("think", "10 minutes")
        ended.append(ctx.event.data["n"])

    async with live(app, redis_url, namespace) as here:
        runs = []
        for n in range(3):
            sent = await here.client.send("asked", {"item": "a", "n": n})
            runs.append(sent.run_id("price"))
            await here.state(runs[-1], RunState.WAITING)
        here.advance(601)
        await here.state(runs[2], RunState.COMPLETED)
        assert [(await here.client.run(run)).state for run in runs[:2]] == [RunState.CANCELLED] * 2
        assert ended == [2]


async def test_an_invoked_run_is_cancelled_by_an_event(redis_url: str, namespace: str) -> None:
    """Also with a clock that is ahead of the stream's."""
    app = App("shop")

    @app.function("ship", cancel_on=CancelOn("cancelled", match="event.data.order"))
    async def ship(ctx: Context[Any]) -> None:
        await ctx.step.sleep("pack", "1 hour")

    async with live(app, redis_url, namespace) as here:
        here.advance(300)
        handle = await here.client.invoke("shop/ship", {"order": 1})
        await here.state(handle.id, RunState.WAITING)
        await here.client.send("cancelled", {"order": 1})
        await here.state(handle.id, RunState.CANCELLED)


async def test_a_run_that_starts_too_late_fails(redis_url: str, namespace: str) -> None:
    """R42: also while it is held back; `on_failure` and the dead letter say so."""
    app, told = App("shop"), list[str]()
    release = asyncio.Event()

    async def late(ctx: Context[Any]) -> None:
        told.append(ctx.failure.type if ctx.failure else "")

    @app.function("one", on="go", concurrency=1, start_timeout="5 minutes", on_failure=late)
    async def one(ctx: Context[Any]) -> None:
        await release.wait()

    async with live(app, redis_url, namespace) as here:
        first = await here.client.send("go")
        await here.state(first.run_id("one"), RunState.RUNNING)
        second = await here.client.send("go")
        await here.state(second.run_id("one"), RunState.QUEUED)
        here.advance(301)
        info = await here.state(second.run_id("one"), RunState.FAILED)
        assert (info.error.type, info.dead_letter is not None) == ("StartTimeout", True)
        await until_async(lambda: told == ["StartTimeout"])
        release.set()
        await here.state(first.run_id("one"), RunState.COMPLETED)


async def test_a_run_that_ends_too_late_fails(redis_url: str, namespace: str) -> None:
    """R42: it is stopped where it runs; sleeps count."""
    app, stopped = App("shop"), asyncio.Event()

    @app.function("slow", on="go", finish_timeout="10 minutes")
    async def slow(ctx: Context[Any]) -> None:
        await ctx.step.sleep("first", "9 minutes")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    @app.function("sleepy", on="go", finish_timeout="10 minutes")
    def sleepy(ctx: SyncContext[Any]) -> None:
        ctx.step.sleep("long", "1 day")

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go")
        for function in ("slow", "sleepy"):
            await here.state(sent.run_id(function), RunState.WAITING)
        here.advance(541)
        await here.state(sent.run_id("slow"), RunState.RUNNING)
        here.advance(60)
        for function in ("slow", "sleepy"):
            info = await here.state(sent.run_id(function), RunState.FAILED)
            assert info.error.type == "FinishTimeout"
        await asyncio.wait_for(stopped.wait(), 10)
