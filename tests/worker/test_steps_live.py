"""Steps on the real engine and a real server: what survives leaving, another worker, a stop, a cancel."""

import asyncio
import threading
from typing import Any

import pytest

from bgjobs import App, Context, RunState, SyncContext
from bgjobs.broker.errors import RunCancelled, RunFailed
from bgjobs.define.errors import StepFailed
from bgjobs.worker import stopping
from bgjobs.worker.unwinding import Mode
from tests.waiting import until_async
from tests.worker.live import live


async def test_parallel_steps_wait_for_each_other_and_a_failed_one_is_retried_alone(
    redis_url: str, namespace: str
) -> None:
    app = App("shop")
    bodies: list[str] = []

    @app.function("album", on="album/created", backoff=60)
    async def album(ctx: Context[Any]) -> list[str]:
        barrier = asyncio.Barrier(2)

        async def resize(name: str) -> str:
            bodies.append(name)
            if name == "b" and bodies.count("b") == 1:
                await barrier.wait()
                raise ConnectionError("storage is away")
            if name == "a":
                await barrier.wait()
            return name.upper()

        return await asyncio.gather(*(ctx.step.run(f"resize-{name}", resize, name) for name in "ab"))

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("album/created")).run_id("album")
        await here.state(run, RunState.WAITING)
        assert sorted(bodies) == ["a", "b"]
        here.advance(61)
        assert await here.client.result(run, timeout=30) == ["A", "B"]
    assert sorted(bodies) == ["a", "b", "b"], "a finished step never runs again"


async def test_a_def_function_leaves_and_comes_back(redis_url: str, namespace: str) -> None:
    app = App("shop")
    bodies: list[str] = []

    def mail(name: str) -> str:
        bodies.append(name)
        return name

    @app.function("series", on="go")
    def series(ctx: SyncContext[Any]) -> list[Any]:
        first = ctx.step.run("first", mail, "welcome")
        both = ctx.step.parallel(
            [
                lambda: ctx.step.sleep("pause", "3 days"),
                lambda: ctx.step.run("second", mail, "tips"),
            ]
        )
        return [first, *both]

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("series")
        await here.state(run, RunState.WAITING)
        await until_async(lambda: here.worker.running == 0)
        here.advance(3 * 86_400)
        assert await here.client.result(run, timeout=30) == ["welcome", None, "tips"]
    assert bodies == ["welcome", "tips"]


@pytest.mark.parametrize("time_left", [True, False])
async def test_a_graceful_stop(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, time_left: bool
) -> None:
    """Runs end if there is time; else they are handed back at a step boundary without using up an attempt."""
    bodies: list[str] = []
    in_body, go_on = threading.Event(), threading.Event()

    def app_of(name: str) -> App:
        app = App("shop")

        @app.function("long", on="go")
        async def long(ctx: Context[Any]) -> list[Any]:
            def first() -> str:
                bodies.append("first")
                in_body.set()
                go_on.wait(10)
                return name

            one = await ctx.step.run("first", first)
            two = await ctx.step.run("second", lambda: name)
            return [one, two, ctx.attempt]

        return app

    monkeypatch.setattr(stopping, "_GO_ON_PART", 1.0 if time_left else 0.0)
    async with live(app_of("old"), redis_url, namespace, shutdown_timeout=60.0) as here:
        run = (await here.client.send("go")).run_id("long")
        await asyncio.to_thread(in_body.wait, 10)
        here.worker.request_stop()
        host = here.worker._incarnation.host  # type: ignore[union-attr]
        if not time_left:
            await until_async(lambda: host._executor.live[run].mode is Mode.STOPPING)
        go_on.set()
        await here.task
    async with live(app_of("new"), redis_url, namespace) as here:
        assert await here.client.result(run, timeout=30) == ["old", "old" if time_left else "new", 1]
    assert bodies == ["first"]


async def test_cancel_reaches_a_coroutine_at_once(redis_url: str, namespace: str) -> None:
    """R43: within 2 s."""
    app = App("shop")
    cleaned_up: list[str] = []

    @app.function("long", on="go")
    async def long(ctx: Context[Any]) -> None:
        try:
            await ctx.step.run("body", asyncio.Event().wait)
        finally:
            cleaned_up.append("yes")

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("long")
        await here.state(run, RunState.RUNNING)
        assert await here.client.cancel(run, reason="enough")
        await here.state(run, RunState.CANCELLED, timeout=2)
        with pytest.raises(RunCancelled):
            await here.client.result(run, timeout=30)
    assert cleaned_up == ["yes"]


async def test_cancel_stops_a_def_function_at_its_next_step(redis_url: str, namespace: str) -> None:
    """R43"""
    app = App("shop")
    bodies: list[str] = []

    @app.function("long", on="go")
    def long(ctx: SyncContext[Any]) -> None:
        while not ctx.cancelled:
            threading.Event().wait(0.005)
        bodies.append("saw it")
        ctx.step.run("more", bodies.append, "more")

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("long")
        await here.state(run, RunState.RUNNING)
        await here.client.cancel(run)
        await here.state(run, RunState.CANCELLED)
        await until_async(lambda: here.worker.running == 0)
    assert bodies == ["saw it"]


async def test_a_step_out_of_attempts_can_be_caught_and_stays_failed(redis_url: str, namespace: str) -> None:
    """R29"""
    app = App("shop")
    bodies: list[str] = []

    def charge() -> None:
        bodies.append("charge")
        raise PermissionError("declined")

    @app.function("order", on="go", retries=4)
    async def order(ctx: Context[Any]) -> str:
        try:
            await ctx.step.with_options(retries=1, backoff=10).run("charge", charge)
        except StepFailed as error:
            await ctx.step.sleep("cool-off", "1h")
            return f"{error.type}: {error.message}"
        return "charged"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("order")
        await here.state(run, RunState.WAITING)
        here.advance(11)
        await until_async(lambda: len(bodies) == 2)
        await here.state(run, RunState.WAITING)
        await until_async(lambda: here.worker.running == 0)
        here.advance(3_601)
        assert await here.client.result(run, timeout=30) == "PermissionError: declined"
    assert bodies == ["charge", "charge"]


async def test_an_uncaught_step_failure_fails_the_run_with_the_steps_own_error(redis_url: str, namespace: str) -> None:
    """R29"""
    app = App("shop")
    attempts: list[int] = []

    def charge() -> None:
        raise PermissionError("declined")

    @app.function("order", on="go", retries=4)
    async def order(ctx: Context[Any]) -> None:
        attempts.append(ctx.attempt)
        await ctx.step.with_options(retries=0).run("charge", charge)

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("order")
        info = await here.state(run, RunState.FAILED)
        assert (info.error.type, info.error.message, info.error.step) == ("PermissionError", "declined", "charge")
        with pytest.raises(RunFailed, match="declined"):
            await here.client.result(run, timeout=30)
    assert attempts == [1]


async def test_the_first_of_two_waits_wins_and_the_other_is_forgotten(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("approve", on="go")
    async def approve(ctx: Context[Any]) -> str:
        approval = asyncio.create_task(ctx.step.wait_for_signal("approval", "ok"))
        deadline = asyncio.create_task(ctx.step.sleep("deadline", "1 day"))
        done, _ = await asyncio.wait({approval, deadline}, return_when=asyncio.FIRST_COMPLETED)
        return "late" if deadline in done else str(approval.result())

    async with live(app, redis_url, namespace) as here:
        first = (await here.client.send("go")).run_id("approve")
        await here.state(first, RunState.WAITING)
        assert await here.client.signal("ok", "yes") == 1
        assert await here.client.result(first, timeout=30) == "yes"
        second = (await here.client.send("go")).run_id("approve")
        await here.state(second, RunState.WAITING)
        here.advance(86_401)
        assert await here.client.result(second, timeout=30) == "late"


async def test_steps_that_the_code_no_longer_has_are_reported_on_the_run(redis_url: str, namespace: str) -> None:
    """R33"""
    steps = ["old-name"]
    app = App("shop")

    @app.function("changed", on="go")
    async def changed(ctx: Context[Any]) -> str:
        for name in steps:
            await ctx.step.run(name, str)
        await ctx.step.sleep("pause", "1h")
        return "done"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("changed")
        await here.state(run, RunState.WAITING)
        steps[:] = ["new-name"]
        here.advance(3_601)
        assert await here.client.result(run, timeout=30) == "done"
        info = await here.client.run(run)
        assert info.progress is not None
        assert "old-name" in info.progress.message


async def test_sleeping_runs_hold_nothing_on_the_worker(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("sleeper", on="go")
    async def sleeper(ctx: Context[Any]) -> int:
        await asyncio.gather(ctx.step.sleep("a", "1 day"), ctx.step.sleep("b", "2 days"))
        return int(ctx.event.data)

    async with live(app, redis_url, namespace, concurrency=20) as here:
        first = (await here.client.send("go", -1)).run_id("sleeper")
        await here.state(first, RunState.WAITING)
        await until_async(lambda: here.worker.running == 0)
        tasks_before = len(asyncio.all_tasks())
        runs = [(await here.client.send("go", number)).run_id("sleeper") for number in range(200)]

        async def all_wait() -> bool:
            states = [(await here.client.run(run)).state for run in runs]
            return all(state == RunState.WAITING for state in states) and here.worker.running == 0

        await until_async(all_wait, timeout=30)
        # A few of the worker's own come and go.
        await until_async(lambda: len(asyncio.all_tasks()) <= tasks_before + 3)
        here.advance(2 * 86_400 + 1)
        results = [await here.client.result(run, timeout=30) for run in runs]
    assert results == list(range(200))
