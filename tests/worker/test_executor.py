"""An attempt at an `async def` function: what it comes to, and what reaches it from outside meanwhile."""

import asyncio
import logging
from typing import Any

import pytest

from bgjobs.broker.codec import encode
from bgjobs.broker.model import Answer, Resolution, Status
from bgjobs.define.errors import NonRetriable, RetryAfter
from bgjobs.define.event import EventModel
from bgjobs.worker.outcome import Cancelled, Completed, Failed, HandedBack, Left, Lost, Moved, Retried
from tests.worker.executing import Bench, quiet, run_of, success


class OrderCreated(EventModel, name="order/created"):
    amount: int


async def waits(ctx: Any) -> None:
    await asyncio.Event().wait()


async def test_completed() -> None:
    async def function(ctx: Any) -> Any:
        return {"n": ctx.event.data["n"] + 1}

    bench = Bench(function)
    outcome = await bench.execute(run_of({"n": 1}))
    assert outcome == Completed(value={"n": 2}, result=encode({"n": 2}))
    assert bench.committer.operations == [("c", "00run", b"7", encode({"n": 2}))]
    assert bench.executor.live == {}
    assert bench.metrics.outcomes == {"completed": 1}


async def test_what_the_context_tells() -> None:
    async def function(ctx: Any) -> Any:
        return [
            ctx.run_id,
            ctx.function,
            ctx.attempt,
            ctx.replays,
            ctx.fence,
            ctx.cancelled,
            ctx.event.id,
            ctx.event.name,
        ]

    outcome = await Bench(function).execute(run_of(failures=2, replay=1))
    assert isinstance(outcome, Completed)
    assert outcome.value == ["00run", "shop/f", 3, 1, 7, False, "e1", "order/created"]


async def test_what_an_on_failure_function_learns() -> None:
    async def function(ctx: Any) -> Any:
        return [ctx.failed_run, ctx.failure.type, ctx.failure.step, ctx.event.data["event"]["name"]]

    story = {
        "run": "00old",
        "function": "shop/f",
        "event": {"name": "order/created", "id": "e0", "data": None},
        "error": {"type": "a.B", "message": "m", "step": "charge"},
    }
    outcome = await Bench(function).execute(run_of(story, kind="failure"))
    assert isinstance(outcome, Completed)
    assert outcome.value == ["00old", "a.B", "charge", "order/created"]


async def test_typed_events_are_checked_at_receipt() -> None:
    async def function(ctx: Any) -> Any:
        return ctx.event.data.amount

    def model(name: str) -> Any:
        return OrderCreated if name == "order/created" else None

    outcome = await Bench(function, event_model=model).execute(run_of({"amount": "5"}))
    assert isinstance(outcome, Completed)
    assert outcome.value == 5
    outcome = await Bench(function, event_model=model).execute(run_of({"amount": "five"}))
    assert isinstance(outcome, Failed), "the next attempt would find the same data"
    assert "data.amount" in outcome.failure.error["message"]


async def test_an_error_is_retried_with_back_off_and_then_fails_the_run() -> None:
    async def function(ctx: Any) -> None:
        raise ValueError("broken")

    bench = Bench(function, retries=2)
    outcome = await bench.execute()
    assert isinstance(outcome, Retried)
    assert outcome.delay == 5
    outcome = await bench.execute(run_of(failures=1))
    assert isinstance(outcome, Retried)
    assert outcome.delay == 10
    outcome = await bench.execute(run_of(failures=2))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "error"
    assert bench.committer.letters == "rrf"
    assert bench.committer.of("r")[0][3] == 5_000


async def test_retry_after_and_non_retriable() -> None:
    async def patient(ctx: Any) -> None:
        raise RetryAfter(90)

    async def final(ctx: Any) -> None:
        raise NonRetriable("never")

    outcome = await Bench(patient).execute()
    assert isinstance(outcome, Retried)
    assert outcome.delay == 90
    outcome = await Bench(final).execute()
    assert isinstance(outcome, Failed)


async def test_a_result_that_cannot_be_stored_fails_the_run() -> None:
    async def function(ctx: Any) -> Any:
        return {"handle": object()}

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "the function's result.handle" in outcome.failure.error["message"]


async def test_a_function_that_this_worker_lacks_moves() -> None:
    """R16"""
    bench = Bench(waits)
    assert await bench.execute(run_of(function="unknown")) == Moved()
    assert bench.committer.letters == "m"


async def test_an_attempt_that_takes_too_long_is_retried() -> None:
    bench = Bench(waits, timeout=0.05)
    outcome = await bench.execute()
    assert isinstance(outcome, Retried)
    assert "longer than 0.05 s" in outcome.failure.error["message"]


async def test_cancel_interrupts_and_ends_the_run() -> None:
    """R43"""
    seen: list[str] = []

    async def function(ctx: Any) -> None:
        try:
            await ctx.step.run("a", asyncio.Event().wait)
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.executor.deliver(Resolution(run="00run", g=b"7", step="", envelope=b"enough"))
    assert await task == Cancelled()
    assert seen == ["cleaned up"]
    assert bench.committer.letters == "x"


async def test_a_request_for_an_older_lease_is_ignored() -> None:
    """R24"""
    release = asyncio.Event()

    async def function(ctx: Any) -> None:
        await release.wait()

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.executor.deliver(Resolution(run="00run", g=b"6", step="", envelope=b""))
    bench.executor.deliver(Resolution(run="00other", g=b"7", step="", envelope=b""))
    release.set()
    assert isinstance(await task, Completed)


async def test_a_cancelled_run_ends_even_if_its_code_swallows_it() -> None:
    """R43: anything but a value that was on its way becomes cancelled."""

    async def function(ctx: Any) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "swallowed"
        return ""

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.execution.cancel("")
    assert await task == Cancelled()


async def test_a_run_that_was_cancelled_before_its_lease_does_not_begin() -> None:
    async def function(ctx: Any) -> None:
        pytest.fail("it began")

    bench = Bench(function)
    assert await bench.execute(run_of(cancel=True)) == Cancelled()


async def test_the_checkpoint_that_tells_of_a_cancel_is_kept() -> None:
    """R43"""

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", lambda: 1)
        pytest.fail("it went on")

    bench = Bench(function, answer=lambda op: Answer(Status.CANCEL) if op[0] == "k" else None)
    assert await bench.execute() == Cancelled()
    assert bench.committer.letters == "kx"


async def test_a_fenced_step_ends_the_run_here_without_another_word() -> None:
    """R17: a worker that lost its right to a run changes nothing."""

    async def function(ctx: Any) -> None:
        try:
            await ctx.step.run("a", lambda: 1)
        finally:
            await ctx.step.run("b", lambda: 2)

    bench = Bench(function, answer=lambda op: Answer(Status.FENCED) if op[0] == "k" else None)
    assert await bench.execute() == Lost()
    assert bench.committer.letters == "k"


async def test_a_fenced_outcome_is_lost() -> None:
    async def function(ctx: Any) -> None: ...

    assert await Bench(function, answer=lambda op: Answer(Status.FENCED)).execute() == Lost(told=True)


async def test_abandoned_tasks_end_too() -> None:
    async def function(ctx: Any) -> Any:
        return await asyncio.gather(ctx.step.run("a", asyncio.Event().wait), ctx.step.run("b", asyncio.Event().wait))

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.execution.abandon()
    assert await task == Lost()
    assert bench.committer.letters == ""
    assert len(asyncio.all_tasks()) == 1


async def test_stopping_finishes_the_bodies_that_run_and_hands_back_at_the_next_step() -> None:
    release = asyncio.Event()

    async def body(n: int) -> int:
        await release.wait()
        return n

    async def branch(ctx: Any, n: int) -> None:
        await ctx.step.run(f"first-{n}", body, n)
        await ctx.step.run(f"second-{n}", pytest.fail, "a step began after a stop was asked for")

    async def function(ctx: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(3):
                tasks.create_task(branch(ctx, n))

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.execution.stop_at_step_boundary()
    await quiet()
    assert not task.done()
    release.set()
    assert await task == HandedBack()
    assert bench.committer.letters == "kkkb"


async def test_stopping_lets_a_function_end() -> None:
    release = asyncio.Event()

    async def function(ctx: Any) -> str:
        await ctx.step.run("a", release.wait)
        return "done"

    bench = Bench(function)
    task = bench.start()
    await quiet()
    bench.execution.stop_at_step_boundary()
    release.set()
    assert isinstance(await task, Completed)


async def test_stopping_suspends_a_run_that_only_waits() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.sleep("a", 60)

    bench = Bench(function, stay=3600)
    task = bench.start()
    await bench.pending("a")
    await quiet()
    bench.execution.stop_at_step_boundary()
    assert await task == Left(steps=("a",))


async def test_handing_back_at_once() -> None:
    bench = Bench(waits)
    task = bench.start()
    await quiet()
    bench.execution.interrupt()
    assert await task == HandedBack()


async def test_an_outcome_that_the_broker_refuses_fails_the_run() -> None:
    """R23: only the guilty run fails."""

    async def function(ctx: Any) -> None: ...

    bench = Bench(function, answer=lambda op: Answer(Status.INVALID, b"too big") if op[0] == "c" else None)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert "too big" in outcome.failure.error["message"]


async def test_a_step_that_the_broker_refuses_fails_the_run() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.run("a", lambda: 1)

    bench = Bench(function, answer=lambda op: Answer(Status.INVALID, b"run too large") if op[0] == "k" else None)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert "run too large" in outcome.failure.error["message"]


async def test_recorded_steps_that_the_code_never_comes_to_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    """R33: they never fail the run silently, nor does it pass in silence."""

    async def function(ctx: Any) -> str:
        await ctx.step.run("kept", str)
        return "done"

    bench = Bench(function)
    recorded = {"kept": success("a"), "renamed": success("b"), "dropped": success("c")}
    with caplog.at_level(logging.WARNING, "bgjobs.worker"):
        assert isinstance(await bench.execute(run_of(checkpoints=recorded)), Completed)
    assert "dropped, renamed" in caplog.text
    assert bench.metrics.unreached == 2
    assert bench.committer.letters == "gc"
    assert "dropped, renamed" in bench.committer.of("g")[0][4]


async def test_tasks_that_nobody_awaited_are_ended_with_the_function(caplog: pytest.LogCaptureFixture) -> None:
    async def function(ctx: Any) -> str:
        task = asyncio.create_task(ctx.step.run("a", asyncio.Event().wait))
        await asyncio.sleep(0.01)
        return "done" if not task.done() else ""

    with caplog.at_level(logging.WARNING, "bgjobs.worker"):
        assert isinstance(await Bench(function).execute(), Completed)
    assert "await all of them" in caplog.text
    assert len(asyncio.all_tasks()) == 1


async def test_cancelling_the_executor_itself_is_no_outcome() -> None:
    bench = Bench(waits)
    task = bench.start()
    await quiet()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.committer.letters == ""


async def test_a_stray_cancelled_error_is_an_error_of_the_function() -> None:
    async def function(ctx: Any) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    assert isinstance(await Bench(function).execute(), Retried)


async def test_log_lines_of_user_code_name_run_and_step(caplog: pytest.LogCaptureFixture) -> None:
    async def function(ctx: Any) -> None:
        ctx.logger.warning("outside")
        await ctx.step.run("a", lambda: ctx.logger.warning("inside"))

    await Bench(function).execute(run_of(step_failures={"a": 1}))
    outside, inside = (vars(record) for record in caplog.records if record.name.startswith("bgjobs.run."))
    assert (outside["run"], outside["function"], outside["attempt"]) == ("00run", "shop/f", 1)
    assert (inside["step"], inside["attempt"]) == ("a", 2)
