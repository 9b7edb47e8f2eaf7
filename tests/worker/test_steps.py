"""`ctx.step.run`: bodies, retries, failures."""

import asyncio
import contextvars
import inspect
import threading
from typing import Any

import pytest

from bgjobs.define.errors import NonRetriable, RetryAfter, StepFailed
from bgjobs.worker.outcome import Completed, Failed, Left, Retried
from tests.waiting import until_async
from tests.worker.executing import Bench, failure, run_of, success


async def answer_of(function: Any, **fields: Any) -> Any:
    outcome = await Bench(function).execute(run_of(**fields))
    assert isinstance(outcome, Completed), outcome
    return outcome.value


async def test_a_step_is_recorded_before_the_function_goes_on() -> None:
    async def function(ctx: Any) -> Any:
        value = await ctx.step.run("a", lambda: 5)
        assert bench.committer.of("k") == [("k", "00run", b"7", "a", success(5), [])]
        return value

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Completed)
    assert (outcome.value, bench.committer.letters) == (5, "kc")


async def test_a_recorded_step_does_not_run() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", pytest.fail, "the body of a finished step ran again")

    assert await answer_of(function, checkpoints={"a": success("stored")}) == "stored"


async def test_arguments_reach_the_body() -> None:
    def total(*numbers: int, plus: int) -> int:
        return sum(numbers) + plus

    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", total, 1, 2, plus=4)

    assert await answer_of(function) == 7


async def test_def_bodies_run_in_a_thread_with_the_context_variables_of_the_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def body() -> tuple[bool, str]:
        return threading.current_thread() is threading.main_thread(), variable.get()

    async def function(ctx: Any) -> Any:
        variable.set("seen")
        return await ctx.step.run("a", body)

    assert await answer_of(function) == (False, "seen")


async def test_a_lambda_that_gives_a_coroutine_is_awaited() -> None:
    async def body(n: int) -> int:
        return n + 1

    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", lambda: body(1))

    assert await answer_of(function) == 2


async def test_a_coroutine_that_comes_too_late_is_closed() -> None:
    """Nobody waits for the thread that makes it any more; a warning that it was never awaited would fail this test."""
    inside, go_on, made = threading.Event(), threading.Event(), []

    async def body() -> int:
        return 1

    def late() -> Any:
        inside.set()
        go_on.wait(30)
        made.append(body())
        return made[0]

    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", late)

    bench = Bench(function)
    task = bench.start()
    await until_async(inside.is_set)
    bench.execution.cancel("stop")
    await task
    go_on.set()
    await until_async(lambda: made and inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED)


async def test_a_failed_try_becomes_a_pending_retry() -> None:
    """R29: step retries count elsewhere than run attempts."""

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", int, "five")

    bench = Bench(function)
    outcome = await bench.execute()
    assert outcome == Left(steps=("a",))
    (pend,) = bench.committer.of("p")
    assert pend[3:7] == ("a", "r", 5000, 0)
    assert b"ValueError" in pend[7][0]


async def test_tries_are_counted_over_executions() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.run("a", int, "five")

    bench = Bench(function)
    await bench.execute(run_of(step_failures={"a": 3}))
    assert bench.committer.of("p")[0][5] == 40_000  # 5 s x 2^3


async def test_siblings_go_on_while_a_step_waits_for_its_retry() -> None:
    async def function(ctx: Any) -> Any:
        return await asyncio.gather(ctx.step.run("bad", int, "five"), chain(ctx))

    async def chain(ctx: Any) -> int:
        first = await ctx.step.run("good-1", int, "1")
        second: int = await ctx.step.run("good-2", int, "2")
        return int(first) + second

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("bad",))
    assert {operation[3] for operation in bench.committer.of("k")} == {"good-1", "good-2"}


async def test_a_retry_that_is_due_while_the_run_is_here_runs_here() -> None:
    tries: list[int] = []

    def body() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return "done"

    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", body)

    bench = Bench(function, stay=3600)
    task = bench.start()
    (await bench.pending("a")).resolve("a", b"")
    await bench.committer.until(lambda: len(bench.committer.of("p")) == 2)
    bench.execution.resolve("a", b"")
    outcome = await task
    assert isinstance(outcome, Completed)
    assert outcome.value == "done"
    assert bench.committer.letters == "ppkc"
    assert [operation[5] for operation in bench.committer.of("p")] == [5_000, 10_000]


async def test_a_back_off_that_is_not_over_is_waited_for() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", pytest.fail, "the body ran before its back-off was over")

    bench = Bench(function)
    run = run_of(step_failures={"a": 1}, pending={"a": ("r", 9_000_000)})
    assert await bench.execute(run) == Left(steps=("a",))
    assert bench.committer.letters == "s"


async def test_the_last_try_is_recorded_as_a_failure_that_may_be_caught() -> None:
    """R29"""

    async def function(ctx: Any) -> Any:
        try:
            await ctx.step.run("charge", int, "five")
        except StepFailed as error:
            return [error.step, error.type, "invalid literal" in error.message, error.error["attempt"]]

    bench = Bench(function, retries=4)
    outcome = await bench.execute(run_of(step_failures={"charge": 4}))
    assert isinstance(outcome, Completed)
    assert outcome.value == ["charge", "ValueError", True, 5]
    (checkpoint,) = bench.committer.of("k")
    assert checkpoint[4].startswith(b"\x92\x01")


async def test_a_recorded_failure_is_raised_again() -> None:
    async def function(ctx: Any) -> Any:
        with pytest.raises(StepFailed):
            await ctx.step.run("a", pytest.fail, "the body of a failed step ran again")
        return "caught"

    assert await answer_of(function, checkpoints={"a": failure()}) == "caught"


async def test_an_uncaught_step_failure_fails_the_run_at_once() -> None:
    """R29: the run has attempts left, but they count only errors outside steps."""

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", str)

    bench = Bench(function, retries=4)
    outcome = await bench.execute(run_of(checkpoints={"a": failure("my.Error", "no money")}))
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.failure.step) == ("step", "a")
    (fail,) = bench.committer.of("f")
    assert fail[4:6] == ("my.Error", "no money")
    assert fail[7:] == ("a", "step")


async def test_a_step_failure_out_of_a_task_group_fails_the_run_at_once() -> None:
    async def function(ctx: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.step.run("a", str))

    outcome = await Bench(function).execute(run_of(checkpoints={"a": failure()}))
    assert isinstance(outcome, Failed)
    assert outcome.failure.step == "a"


async def test_non_retriable_ends_the_step_with_its_first_try() -> None:
    def body() -> None:
        raise NonRetriable("card is stolen")

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", body)

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert bench.committer.letters == "kf"


async def test_retry_after_is_honoured() -> None:
    def body() -> None:
        raise RetryAfter("2 minutes", "rate limited")

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", body)

    bench = Bench(function)
    await bench.execute()
    assert bench.committer.of("p")[0][5] == 120_000


async def test_options_of_one_step() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.with_options(retries=1, backoff="1 minute").run("a", int, "five")

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    assert bench.committer.of("p")[0][5] == 60_000
    outcome = await Bench(function).execute(run_of(step_failures={"a": 1}))
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_a_body_that_takes_too_long_is_a_failed_try(kind: str) -> None:
    released = threading.Event()

    async def slow() -> None:
        await asyncio.Event().wait()

    async def function(ctx: Any) -> None:
        await ctx.step.with_options(timeout=0.05).run("a", slow if kind == "async" else released.wait)

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    assert b"StepTimeout" in bench.committer.of("p")[0][7][0]
    released.set()


async def test_a_result_that_cannot_be_stored_fails_the_step_and_names_the_path() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.run("a", lambda: {"rows": [1, object()]})

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert "the result of step 'a'.rows[1]" in outcome.failure.error["message"]
    assert bench.committer.letters == "kf", "trying again would store nothing either"


async def test_a_result_above_4_mib_fails_the_step() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.run("a", lambda: b"x" * (4 * 1024 * 1024 + 1))

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "4,194,30" in outcome.failure.error["message"]


async def test_a_step_within_a_step_is_an_error() -> None:
    async def function(ctx: Any) -> None:
        async def outer() -> None:
            await ctx.step.run("inner", str)

        await ctx.step.run("outer", outer)

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "inside the body of step 'outer'" in outcome.failure.error["message"]


async def test_a_coroutine_instead_of_a_function_is_an_error_that_shows_the_way() -> None:
    async def body() -> None: ...

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", body())

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "Pass the function and its arguments apart" in outcome.failure.error["message"]


async def test_step_key_is_the_same_on_every_try_and_only_within_a_body() -> None:
    seen: list[str] = []

    async def function(ctx: Any) -> None:
        def body() -> None:
            seen.append(ctx.step.key)

        await ctx.step.run("a", body)
        await ctx.step.run("a", body)
        assert ctx.step.key

    outcome = await Bench(function).execute()
    assert seen == ["00run:a", "00run:a#2"]
    assert isinstance(outcome, Failed)
    assert "exists only while a step's body runs" in outcome.failure.error["message"]


async def test_a_checkpoint_that_was_there_first_wins() -> None:
    from bgjobs.broker.model import Answer, Status

    async def function(ctx: Any) -> Any:
        return await ctx.step.run("a", lambda: "mine")

    bench = Bench(function, answer=lambda op: Answer(Status.DUP, success("theirs")) if op[0] == "k" else None)
    outcome = await bench.execute()
    assert isinstance(outcome, Completed)
    assert outcome.value == "theirs"


async def test_a_body_that_awaits_something_cancelled_has_failed() -> None:
    async def body() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    async def function(ctx: Any) -> None:
        await ctx.step.run("a", body)

    assert await Bench(function).execute() == Left(steps=("a",))


async def test_errors_outside_steps_use_attempts_of_the_run() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.run("a", str)
        raise KeyError("outside")

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Retried)
    assert outcome.delay == 5.0
