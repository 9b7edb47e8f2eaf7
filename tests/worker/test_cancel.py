"""Cancelling runs wherever they are: R43."""

import asyncio
import threading
from typing import Any

import pytest

from bgjobs import App, Context, NewEvent, RunCancelled, RunState, StepFailed, SyncContext
from bgjobs.broker.keys import Keys
from tests.waiting import until, until_async
from tests.worker.live import live


async def cancelled(here: Any, run: str, reason: str = "not wanted") -> None:
    """Cancel a run, and wait until it is."""
    assert await here.client.cancel(run, reason=reason)
    info = await here.state(run, RunState.CANCELLED)
    assert info.error is not None
    assert (info.error.type, info.error.message) == ("RunCancelled", reason)
    with pytest.raises(RunCancelled, match=reason):
        await here.client.result(run, timeout=30)
    assert not await here.client.cancel(run)


async def test_queued_and_parked_runs_never_start(redis_url: str, namespace: str, raw: Any) -> None:
    """In their queue, or behind a limit; those behind them move up."""
    app = App("shop")
    gate = asyncio.Event()
    started: list[str] = []

    @app.function("queued", on="go")
    async def queued(ctx: Context[Any]) -> None:
        started.append(f"queued {ctx.event.data}")
        await gate.wait()

    @app.function("parked", on="park", concurrency=1)
    async def parked(ctx: Context[Any]) -> None:
        started.append(f"parked {ctx.event.data}")

    keys = Keys(namespace)
    async with live(app, redis_url, namespace, concurrency=1) as here:
        first = (await here.client.send("go", 0)).run_id("queued")
        await here.state(first, RunState.RUNNING)
        sent = await here.client.send_many([NewEvent("park", n) for n in range(3)])
        sent_on = await here.client.send_many([NewEvent("go", n) for n in (1, 2)])
        waiting = [each.run_id("parked") for each in sent] + [each.run_id("queued") for each in sent_on]
        for run in waiting:
            await here.state(run, RunState.QUEUED)
        assert await raw.zcard(keys("q:shop:default")) == 3  # one holds the only slot of its limit
        for place in (0, 1, 3):
            await cancelled(here, waiting[place])
        gate.set()
        await here.state(waiting[2], RunState.COMPLETED)
        await here.state(waiting[4], RunState.COMPLETED)
    assert sorted(started) == ["parked 2", "queued 0", "queued 2"]
    assert [key async for key in raw.scan_iter(keys("[lb][cbk]:*"))] == []


async def test_waiting_runs_leave_nothing_behind(redis_url: str, namespace: str, raw: Any) -> None:
    """Asleep, waiting for an event, a signal or the next attempt: no timer and no wait of theirs is left (R30)."""
    app = App("shop")
    woken: list[str] = []

    @app.function("sleep", on="go")
    async def sleep(ctx: Context[Any]) -> None:
        await ctx.step.sleep("long", "1 day")
        woken.append("sleep")

    @app.function("event", on="go")
    async def event(ctx: Context[Any]) -> None:
        await ctx.step.wait_for_event("paid", "order/paid", match="data.order", timeout="1 day")
        woken.append("event")

    @app.function("signal", on="go")
    async def signal(ctx: Context[Any]) -> None:
        await ctx.step.wait_for_signal("yes", "yes", timeout="1 day")
        woken.append("signal")

    @app.function("retry", on="go", backoff="1h")
    async def retry(ctx: Context[Any]) -> None:
        if ctx.attempt > 1:
            woken.append("retry")
        raise ValueError("again later")

    keys = Keys(namespace)
    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go", {"order": 7})
        for function in app.functions:
            await here.state(sent.run_id(function), RunState.WAITING)
            await cancelled(here, sent.run_id(function))

        async def tidy() -> bool:
            left = [key async for key in raw.scan_iter(keys("w:*"))]
            return not left and not await raw.exists(keys("dl")) and not await raw.exists(keys("wn:shop"))

        await until_async(tidy)
        await here.client.send("order/paid", {"order": 7})
        assert await here.client.signal("yes") == 0
        here.advance(90_000)
        await here.looked()
        assert await here.client.dead_letters.list() == []
    assert woken == []


async def test_a_running_coroutine_is_interrupted(redis_url: str, namespace: str) -> None:
    """CancelledError where it awaits, inside of a step or between steps; it may clean up; it runs no other step."""
    app = App("shop")
    story: list[str] = []

    @app.function("outside", on="go")
    async def outside(ctx: Context[Any]) -> None:
        story.append("began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.append(f"told: {ctx.cancelled}")
            raise
        finally:
            story.append("cleaned")

    @app.function("inside", on="go")
    async def inside(ctx: Context[Any]) -> None:
        async def body() -> None:
            story.append("began")
            await asyncio.Event().wait()

        try:
            await ctx.step.run("long", body)
        finally:
            await ctx.step.run("another", story.append, "must not run")

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go")
        await until_async(lambda: story.count("began") == 2)
        for function in app.functions:
            await cancelled(here, sent.run_id(function))
        await until_async(lambda: here.worker.running == 0)
    assert story == ["began", "began", "told: True", "cleaned"]


async def test_a_coroutine_that_does_not_stop_is_fenced_off(redis_url: str, namespace: str) -> None:
    """After ten seconds a timer ends the run; what it writes later counts nothing."""
    app = App("shop")
    go_on = asyncio.Event()

    @app.function("stubborn", on="go")
    async def stubborn(ctx: Context[Any]) -> str:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        return "done all the same"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("stubborn")
        await here.state(run, RunState.RUNNING)
        assert await here.client.cancel(run, reason="stop")
        info = await here.client.run(run)
        assert (info.state, info.cancelling) == (RunState.RUNNING, True)
        here.advance(9)
        await here.looked()
        assert (await here.client.run(run)).state is RunState.RUNNING
        here.advance(2)
        await here.state(run, RunState.CANCELLED)
        go_on.set()
        await until_async(lambda: here.worker.running == 0)
        assert (await here.client.run(run)).state is RunState.CANCELLED


async def test_a_running_thread_sees_it_and_stops_at_its_next_step(redis_url: str, namespace: str) -> None:
    """A `def` function can't be interrupted: `ctx.cancelled` says so; the step that is under way is kept."""
    app = App("shop")
    inside, go_on = threading.Event(), threading.Event()
    story: list[Any] = []

    @app.function("sync", on="go")
    def sync(ctx: SyncContext[Any]) -> str:
        def body() -> str:
            inside.set()
            until(lambda: ctx.cancelled)
            story.append("told")
            go_on.wait(10)
            return "kept"

        ctx.step.run("long", body)
        story.append("must not come here")
        ctx.step.run("next", story.append, "nor here")
        return "done"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("sync")
        await until_async(inside.is_set)
        assert await here.client.cancel(run)
        await until_async(lambda: story == ["told"])
        go_on.set()
        await here.state(run, RunState.CANCELLED)
        [step] = await here.client.steps(run)
        assert (step.key.partition(":")[0], step.state, step.result) == ("long", "completed", "kept")
    assert story == ["told"]


async def test_a_function_that_returns_at_that_moment_is_completed(redis_url: str, namespace: str) -> None:
    """A complete that was on its way wins."""
    app = App("shop")
    running = threading.Event()

    @app.function("sync", on="go")
    def sync(ctx: SyncContext[Any]) -> str:
        running.set()
        until(lambda: ctx.cancelled)
        return "all done"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("sync")
        await until_async(running.is_set)
        assert await here.client.cancel(run)
        assert await here.client.result(run, timeout=30) == "all done"
        assert (await here.client.run(run)).state is RunState.COMPLETED


async def test_a_cancelled_run_of_a_dead_worker_ends(redis_url: str, namespace: str) -> None:
    """It does not go on elsewhere: neither if it was asked to stop before the worker died, nor after."""
    app = App("shop")
    begun: list[str] = []

    @app.function("long", on="go")
    async def long(ctx: Context[Any]) -> None:
        begun.append(ctx.run_id)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not ctx.cancelled:
                    raise

    async with live(app, redis_url, namespace, lease_ttl=1.5) as doomed:
        runs = [(await doomed.client.send("go")).run_id("long") for _ in range(2)]
        await until_async(lambda: len(begun) == 2)
        assert await doomed.client.cancel(runs[0])
        await doomed.die()
        assert await doomed.client.cancel(runs[1])
        async with live(app, redis_url, namespace, lease_ttl=1.5) as here:
            for run in runs:
                info = await here.state(run, RunState.CANCELLED)
                assert info.crashes <= 1
    assert sorted(begun) == sorted(runs)


async def test_children_end_with_their_parent_unless_they_are_left(redis_url: str, namespace: str) -> None:
    """R32: also children of children; a cancelled child fails its parent's step at once."""
    app = App("shop")
    reasons: list[str] = []

    @app.function("grandchild")
    async def grandchild(ctx: Context[Any]) -> None:
        await ctx.step.sleep("long", "1 day")

    @app.function("child")
    async def child(ctx: Context[Any]) -> None:
        await ctx.step.invoke("grandchild", grandchild, ctx.event.data)

    @app.function("parent", on="go")
    async def parent(ctx: Context[Any]) -> None:
        await asyncio.gather(
            ctx.step.invoke("kept", child, {"kept": True}, on_parent_end="leave"),
            ctx.step.invoke("ended", child, {"kept": False}),
        )

    @app.function("asking", on="ask")
    async def asking(ctx: Context[Any]) -> str:
        try:
            await ctx.step.invoke("child", child, {"kept": False})
        except StepFailed as error:
            reasons.append(str(error))
            return "child ended"
        return "never"

    async with live(app, redis_url, namespace) as here:

        async def runs(function: str, state: RunState) -> list[Any]:
            return [run for run in await here.client.list_runs(function=function, state=state) if run.state == state]

        async def count(function: str, state: RunState, number: int) -> bool:
            return len(await runs(function, state)) == number

        run = (await here.client.send("go")).run_id("parent")
        await until_async(lambda: count("grandchild", RunState.WAITING, 2))
        await cancelled(here, run)
        await until_async(lambda: count("child", RunState.CANCELLED, 1))
        await until_async(lambda: count("grandchild", RunState.CANCELLED, 1))
        assert await count("child", RunState.WAITING, 1)
        assert await count("grandchild", RunState.WAITING, 1)
        here.advance(90_000)
        await until_async(lambda: count("child", RunState.COMPLETED, 1))

        asking_run = (await here.client.send("ask")).run_id("asking")
        await until_async(lambda: count("child", RunState.WAITING, 1))
        [child_run] = await runs("child", RunState.WAITING)
        await cancelled(here, child_run.id, "enough")
        assert await here.client.result(asking_run, timeout=30) == "child ended"
    assert len(reasons) == 1
    assert "enough" in reasons[0] or "RunCancelled" in reasons[0]
