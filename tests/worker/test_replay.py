"""Running again what has ended: from the failed step, or from the start; and `on_failure` (R44-R46)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from bgjobs import App, Context, NonRetriable, RunState, StepFailed, UsageError
from tests.waiting import until_async
from tests.worker.live import live


class Broken:
    """Something outside that is down, until it is repaired."""

    def __init__(self) -> None:
        self.down = True

    def use(self) -> str:
        if self.down:
            raise ConnectionError("it is down")
        return "used"


async def test_it_goes_on_from_the_failed_step(redis_url: str, namespace: str) -> None:
    """R44: same run, same keys; what is finished does not run again; attempts count from one; the dead letter goes."""
    app = App("shop", retries=1, backoff=5)
    place = Broken()
    bodies: list[str] = []
    keys: list[tuple[str, str]] = []

    @app.function("order", on="go")
    async def order(ctx: Context[Any]) -> list[str]:
        async def body(name: str) -> str:
            bodies.append(name)
            keys.append((name, ctx.step.key))
            return place.use() if name == "fulfil" else name

        return [await ctx.step.run(name, body, name) for name in ("charge", "fulfil", "confirm")]

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("order")
        await until_async(lambda: bodies.count("fulfil") == 1)
        await here.state(run, RunState.WAITING)
        here.advance(7)
        failed = await here.state(run, RunState.FAILED)
        assert failed.error is not None
        assert (failed.error.step or "").startswith("fulfil")
        assert failed.error.type == "ConnectionError"
        fence = len(bodies)
        assert await here.client.replay(run) == run
        await here.state(run, RunState.WAITING)  # it fails once more, and has its retry again
        assert bodies[fence:] == ["fulfil"]
        assert await here.client.dead_letters.list() == []
        place.down = False
        here.advance(7)
        assert await here.client.result(run, timeout=30) == ["charge", "used", "confirm"]
        info = await here.client.run(run)
        assert (info.replays, info.attempt, info.dead_letter) == (1, 1, None)
        with pytest.raises(UsageError, match="only a failed run"):
            await here.client.replay(run)
    assert bodies == ["charge", "fulfil", "fulfil", "fulfil", "fulfil", "confirm"]
    assert len(set(keys)) == 3


async def test_after_an_error_outside_of_steps_its_attempts_begin_anew(redis_url: str, namespace: str) -> None:
    """R44: and its steps are kept, also those whose failure the function had caught."""
    app = App("shop", retries=0)
    place = Broken()
    story: Counter[str] = Counter()
    attempts: list[int] = []

    @app.function("order", on="go", retries=1, backoff=5)
    async def order(ctx: Context[Any]) -> str:
        def fail() -> None:
            story["caught"] += 1
            raise NonRetriable("always")

        attempts.append(ctx.attempt)
        try:
            await ctx.step.run("caught", fail)
        except StepFailed as error:
            story[f"told {error.error['type'].rpartition('.')[2]}"] += 1
        return place.use()

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("order")
        await here.state(run, RunState.WAITING)
        here.advance(7)
        await here.state(run, RunState.FAILED)
        place.down = False
        assert await here.client.replay(run) == run
        assert await here.client.result(run, timeout=30) == "used"
    assert attempts == [1, 2, 1]
    assert story == {"caught": 1, "told NonRetriable": 3}


async def test_a_child_that_failed_is_not_found_again(redis_url: str, namespace: str) -> None:
    """R44: the replay count enters the ids of new children; a child that had succeeded is kept."""
    app = App("shop", retries=0)
    place = Broken()
    children: list[str] = []

    @app.function("child")
    async def child(ctx: Context[Any]) -> str:
        children.append(ctx.event.data)
        return place.use() if ctx.event.data == "second" else ctx.event.data

    @app.function("parent", on="go")
    async def parent(ctx: Context[Any]) -> list[str]:
        return [await ctx.step.invoke(name, child, name) for name in ("first", "second", "third")]

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("parent")
        await here.state(run, RunState.FAILED)
        assert {letter.function for letter in await here.client.dead_letters.list()} == {"shop/child", "shop/parent"}
        await here.client.replay(run)
        await here.state(run, RunState.FAILED)  # still down: a second child failed
        place.down = False
        await here.client.replay(run)
        assert await here.client.result(run, timeout=30) == ["first", "used", "third"]
        runs = await here.client.list_runs(function="child")
        assert len(runs) == len({each.id for each in runs}) == 5
        assert {each.parent for each in runs} == {run}
    assert children == ["first", "second", "second", "second", "third"]


async def test_what_was_pending_beside_the_failure_is_waited_for_anew(redis_url: str, namespace: str) -> None:
    """R30, R44: an old timer does not end a step of the replay, and a cancelled sibling child is made again."""
    app = App("shop", retries=0)
    place = Broken()
    children: list[str] = []

    @app.function("child")
    async def child(ctx: Context[Any]) -> str:
        children.append(ctx.run_id)
        await ctx.step.sleep("long", "1h")
        return "child"

    @app.function("order", on="go")
    async def order(ctx: Context[Any]) -> list[Any]:
        return await asyncio.gather(
            ctx.step.sleep("nap", "1h"),
            ctx.step.invoke("child", child),
            ctx.step.run("use", place.use),
        )

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("order")
        await here.state(run, RunState.FAILED)
        place.down = False
        await here.client.replay(run)
        await here.state(run, RunState.WAITING)
        await until_async(lambda: len(children) == 2)
        [kept] = [each for each in await here.client.steps(run) if each.key.startswith("nap")]
        assert kept.state == "waiting"
        await here.state(children[1], RunState.WAITING)
        here.advance(3700)
        assert await here.client.result(run, timeout=30) == [None, "child", "used"]
        assert (await here.client.run(children[0])).state is RunState.CANCELLED


async def test_from_the_start_makes_a_new_run_per_token(redis_url: str, namespace: str) -> None:
    """R44: repeating the request starts one; its steps run anew with new keys; the limits of its function hold."""
    app = App("shop", retries=0)
    keys: list[str] = []
    running = [0, 0]

    @app.function("order", on="go", concurrency=1)
    async def order(ctx: Context[Any]) -> int:
        running[0] += 1
        running[1] = max(running)
        await ctx.step.run("only", lambda: keys.append(ctx.step.key))
        await asyncio.sleep(0.02)
        running[0] -= 1
        if ctx.event.data == "sleep":
            await ctx.step.sleep("long", "1 day")
        if ctx.event.data == "fail":
            raise ValueError("no")
        return len(keys)

    async with live(app, redis_url, namespace) as here:
        first = (await here.client.send("go", "ok")).run_id("order")
        await here.state(first, RunState.COMPLETED)
        again = [await here.client.replay(first, from_start=True, token="one") for _ in range(3)]
        assert len(set(again)) == 1
        info = await here.state(again[0], RunState.COMPLETED)
        assert (info.replay_of, info.replays, info.event_name) == (first, 0, "go")
        assert [await here.client.replay(first, from_start=True, token="one")] == again[:1]
        other = await here.client.replay(first, from_start=True, token="two")
        more = [await here.client.replay(first, from_start=True) for _ in range(5)]
        for run in (other, *more):
            await here.state(run, RunState.COMPLETED)
        assert len({first, again[0], other, *more}) == 8

        failed = (await here.client.send("go", "fail")).run_id("order")
        await here.state(failed, RunState.FAILED)
        anew = await here.client.replay(failed, from_start=True)
        await here.state(anew, RunState.FAILED)
        assert (await here.client.run(failed)).state is RunState.FAILED
        assert len(set(keys)) == len(keys) == 10
        waiting = (await here.client.send("go", "sleep")).run_id("order")
        await here.state(waiting, RunState.WAITING)
        with pytest.raises(UsageError, match="only a finished run"):
            await here.client.replay(waiting, from_start=True)
    assert running[1] == 1


async def test_on_failure_runs_once_per_failure(redis_url: str, namespace: str) -> None:
    """R46: again after a replay that fails, too; not for a cancelled run, and not for the handler itself."""
    app = App("shop", retries=0)
    told: list[tuple[str | None, str, Any]] = []

    async def handler(ctx: Context[Any]) -> None:
        assert ctx.failure is not None
        told.append((ctx.failed_run, ctx.failure.message, ctx.event.data["event"]["data"]))
        if ctx.event.data["event"]["data"] == "handler fails":
            raise ValueError("in the handler")

    @app.function("fails", on="go", on_failure=handler)
    async def fails(ctx: Context[Any]) -> None:
        if ctx.event.data == "cancel":
            await ctx.step.sleep("long", "1 day")
        raise ValueError(f"replay {ctx.replays}")

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go", "data")).run_id("fails")
        for replays in range(3):
            await until_async(lambda reached=replays: len(told) == reached + 1)
            await here.state(run, RunState.FAILED)
            await here.client.replay(run)
        await until_async(lambda: len(told) == 4)
        assert told == [(run, f"replay {number}", "data") for number in range(4)]
        handlers = await here.client.list_runs(function="fails.on-failure")
        assert len({each.id for each in handlers}) == 4

        cancelled = (await here.client.send("go", "cancel")).run_id("fails")
        await here.state(cancelled, RunState.WAITING)
        await here.client.cancel(cancelled)
        await here.state(cancelled, RunState.CANCELLED)
        last = (await here.client.send("go", "handler fails")).run_id("fails")
        await here.state(last, RunState.FAILED)

        async def buried() -> bool:
            letters = await here.client.dead_letters.list(function="fails.on-failure")
            return [letter.error.message for letter in letters] == ["in the handler"]

        await until_async(buried)
        assert len(told) == 5
