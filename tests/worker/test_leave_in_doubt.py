"""Runs in doubt: something may be real work, so they stay for a grace period without progress, then leave."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bgjobs.worker.outcome import Completed, Left
from bgjobs.worker.strands import record_tasks
from tests.waiting import until_async
from tests.worker.executing import NOTHING, Bench, quiet, run_of, success


async def with_timeout(ctx: Any) -> str:
    async with asyncio.timeout(3600):
        await ctx.step.sleep("a", 60)
    return "done"


async def with_timeout_around_gather(ctx: Any) -> str:
    async with asyncio.timeout(3600):
        await asyncio.gather(ctx.step.sleep("a", 60))
    return "done"


async def with_wait_for(ctx: Any) -> str:
    await asyncio.wait_for(ctx.step.sleep("a", 60), 3600)
    return "done"


async def with_limited_wait(ctx: Any) -> str:
    await asyncio.wait({asyncio.create_task(ctx.step.sleep("a", 60))}, timeout=3600)
    return "done"


async def with_event(ctx: Any) -> str:
    over = asyncio.Event()

    async def branch() -> None:
        await ctx.step.sleep("a", 60)
        over.set()

    task = asyncio.create_task(branch())
    await over.wait()
    await task
    return "done"


async def with_shield(ctx: Any) -> str:
    await asyncio.shield(ctx.step.sleep("a", 60))
    return "done"


DOUBTFUL = [with_timeout, with_timeout_around_gather, with_wait_for, with_limited_wait, with_event, with_shield]


@pytest.mark.parametrize("function", DOUBTFUL, ids=lambda function: function.__name__)
async def test_stays_for_the_grace_period_then_leaves(function: Callable[[Any], Any]) -> None:
    bench = Bench(function, grace=0.3)
    started = asyncio.get_running_loop().time()
    outcome = await bench.execute()
    assert outcome == Left(steps=("a",))
    assert asyncio.get_running_loop().time() - started >= 0.3
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("function", DOUBTFUL, ids=lambda function: function.__name__)
async def test_ends_on_the_worker_if_the_outcome_comes_in_time(function: Callable[[Any], Any]) -> None:
    bench = Bench(function)
    task = bench.start()
    (await bench.pending("a")).resolve("a", NOTHING)
    assert isinstance(await task, Completed)


async def test_a_time_limit_in_the_code_can_fire() -> None:
    async def function(ctx: Any) -> str:
        try:
            async with asyncio.timeout(0.05):
                await ctx.step.sleep("a", 60)
        except TimeoutError:
            return "in time"
        return "slept"

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Completed)
    assert outcome.value == "in time"


async def test_progress_prolongs_the_grace_period() -> None:
    async def function(ctx: Any) -> Any:
        async def moves() -> str:
            for _ in range(125):
                await asyncio.sleep(0.02)
            moved.append(True)
            return "moved"

        return await asyncio.gather(ctx.step.sleep("a", 60), moves())

    # Long enough that a busy machine, which stops everybody for a while, does not look like no progress.
    moved: list[bool] = []
    assert await Bench(function, grace=2.0).execute(timeout=60) == Left(steps=("a",))
    assert moved, "it may not leave before moves() has ended"


async def test_a_stray_task_of_a_library_is_left_alone() -> None:
    polls: list[int] = []

    async def poll() -> None:
        while True:
            polls.append(1)
            await asyncio.sleep(0.01)

    strays: list[asyncio.Task[None]] = []

    async def function(ctx: Any) -> None:
        strays.append(asyncio.create_task(poll()))
        await ctx.step.sleep("a", 60)

    # It moves all the time, but the function itself waits for a step only.
    outcome = await Bench(function, patience=0.3).execute()
    assert outcome == Left(steps=("a",))
    before = len(polls)
    # A connection pool must survive the run that opened it.
    await until_async(lambda: len(polls) > before)
    strays[0].cancel()


async def test_a_task_in_doubt_that_the_function_waits_for_is_cancelled() -> None:
    seen: list[str] = []

    async def function(ctx: Any) -> Any:
        async def hangs() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        return await asyncio.gather(ctx.step.sleep("a", 60), hangs())

    assert await Bench(function, grace=0.1).execute() == Left(steps=("a",))
    assert seen == ["cancelled"]


async def test_a_short_sleep_is_waited_for_on_the_worker_but_ended_by_the_server() -> None:
    """R27: no worker compares a due time with its own clock."""

    async def function(ctx: Any) -> str:
        await ctx.step.sleep("a", 0.05)
        return "done"

    bench = Bench(function)
    task = bench.start()
    execution = await bench.pending("a")
    assert not (await asyncio.wait({task}, timeout=0.2))[0], "only the server's word ends a sleep"
    execution.resolve("a", NOTHING)
    assert isinstance(await task, Completed)
    assert bench.committer.letters == "pc"


async def test_a_short_sleep_that_nobody_ends_is_left() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.sleep("a", 0.01)

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))


async def test_an_existing_task_factory_is_kept() -> None:
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        record_tasks(loop)
        record_tasks(loop)

        async def function(ctx: Any) -> Any:
            return await asyncio.gather(ctx.step.sleep("a", 60), ctx.step.sleep("b", 60))

        assert await Bench(function).execute() == Left(steps=("a", "b"))
        assert len(made) >= 3
    finally:
        loop.set_task_factory(None)


async def test_steps_do_nothing_while_the_run_leaves() -> None:
    """R28: while a suspension unwinds, every step call re-raises and does nothing."""
    seen: list[str] = []

    async def function(ctx: Any) -> None:
        try:
            await ctx.step.sleep("a", 60)
        finally:
            try:
                await ctx.step.run("compensate", seen.append, "ran")
            finally:
                seen.append("unwound")

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    assert seen == ["unwound"]
    assert bench.committer.letters == "ps"


async def test_a_swallowed_interruption_does_not_end_the_run() -> None:
    """R28: what runs after the decision to leave ran without its steps, so its value counts for nothing."""

    async def function(ctx: Any) -> str:
        try:
            await ctx.step.sleep("a", 60)
        except BaseException:
            return "swallowed"
        return "slept"

    assert await Bench(function).execute() == Left(steps=("a",))
    outcome = await Bench(function).execute(run_of(checkpoints={"a": NOTHING}))
    assert isinstance(outcome, Completed)
    assert outcome.value == "slept"


async def test_an_outcome_that_came_between_is_used_at_once() -> None:
    """R26: an outcome that was there when the step was registered comes back with the answer."""
    from bgjobs.broker.model import Answer, Status

    async def function(ctx: Any) -> Any:
        return await ctx.step.wait_for_signal("ok", "approved")

    bench = Bench(function, answer=lambda op: Answer(Status.DUP, success("kept")) if op[0] == "p" else None)
    outcome = await bench.execute()
    assert isinstance(outcome, Completed)
    assert outcome.value == "kept"


async def test_a_resolution_that_overtakes_the_answer_counts() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.wait_for_signal("ok", "approved")

    bench = Bench(function)
    task = bench.start()
    await bench.committer.until(lambda: bench.committer.of("p"))
    bench.execution.resolve("ok", success("early"))  # the answer to the registration is still on its way
    await quiet()
    outcome = await task
    assert isinstance(outcome, Completed)
    assert outcome.value == "early"
