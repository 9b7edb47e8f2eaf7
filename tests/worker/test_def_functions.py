"""`def` functions: in threads, with the same steps, and `parallel`."""

import asyncio
import threading
from typing import Any

import pytest

from bgjobs.define.errors import StepFailed
from bgjobs.worker.outcome import Cancelled, Completed, Failed, HandedBack, Left, Lost, Retried
from tests.waiting import until_async
from tests.worker.executing import NOTHING, Bench, failure, run_of, success


async def value_of(function: Any, **fields: Any) -> Any:
    outcome = await Bench(function).execute(run_of(**fields))
    assert isinstance(outcome, Completed), outcome
    return outcome.value


async def test_runs_in_a_thread_and_its_bodies_in_the_same_one() -> None:
    def function(ctx: Any) -> Any:
        here = threading.current_thread()
        assert here is not threading.main_thread()
        return ctx.step.run("a", lambda: threading.current_thread() is here)

    assert await value_of(function) is True


async def test_the_verbs_have_the_same_names_without_await() -> None:
    def function(ctx: Any) -> Any:
        ctx.progress(10, "started")
        ctx.step.sleep("sleep", 60)
        ctx.step.sleep_until("until", 5)
        return [
            ctx.step.run("run", int, "5"),
            ctx.step.wait_for_event("event", "order/paid").data,
            ctx.step.wait_for_signal("signal", "ok"),
            ctx.step.invoke("invoke", "shop/other"),
            ctx.step.send_event("send", "order/shipped"),
        ]

    recorded = {
        "sleep": NOTHING,
        "until": NOTHING,
        "event": success(["e2", "order/paid", None, 1, "data"]),
        "signal": success("signalled"),
        "invoke": success("invoked"),
    }
    assert await value_of(function, checkpoints=recorded) == [5, "data", "signalled", "invoked", "00run:send"]


async def test_a_coroutine_that_nobody_can_await_is_named() -> None:
    """As the result of a step and of the function; and Python has nothing to complain about later."""

    async def body() -> int:
        return 1

    for function in (lambda ctx: ctx.step.run("a", lambda: body()), lambda ctx: body()):
        outcome = await Bench(function).execute()
        assert isinstance(outcome, Failed)
        assert "a coroutine that nobody has awaited" in outcome.failure.error["message"]


async def test_leaves_at_a_pending_step() -> None:
    def function(ctx: Any) -> None:
        ctx.step.sleep("a", 60)
        pytest.fail("it did not leave")

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    assert bench.committer.letters == "ps"
    await until_async(lambda: bench.threads.busy == 0, what="a run that left holds no thread")


async def test_a_short_sleep_is_waited_for() -> None:
    def function(ctx: Any) -> str:
        ctx.step.sleep("a", 0.1)
        return "slept"

    bench = Bench(function)
    task = bench.start()
    (await bench.pending("a")).resolve("a", NOTHING)
    assert isinstance(await task, Completed)


async def test_step_retries_and_failures() -> None:
    """R29"""

    def function(ctx: Any) -> Any:
        try:
            ctx.step.with_options(retries=1).run("a", int, "five")
        except StepFailed as error:
            return error.type

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    outcome = await bench.execute(run_of(step_failures={"a": 1}))
    assert isinstance(outcome, Completed)
    assert outcome.value == "ValueError"
    outcome = await bench.execute(run_of(checkpoints={"a": failure("other.Error")}))
    assert isinstance(outcome, Completed)
    assert outcome.value == "other.Error"


async def test_a_retry_that_is_due_runs_here() -> None:
    tries: list[int] = []

    def body() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("first")
        return len(tries)

    def function(ctx: Any) -> Any:
        return ctx.step.run("a", body)

    bench = Bench(function, stay=3600)
    task = bench.start()
    (await bench.pending("a")).resolve("a", b"")
    outcome = await task
    assert isinstance(outcome, Completed)
    assert outcome.value == 2


async def test_parallel_gives_results_in_order() -> None:
    barrier = threading.Barrier(3, timeout=5)

    def body(n: int) -> int:
        barrier.wait()
        return n

    def function(ctx: Any) -> Any:
        return ctx.step.parallel([lambda n=n: ctx.step.run(f"s{n}", body, n) for n in range(3)])

    assert await value_of(function) == [0, 1, 2]


async def test_parallel_leaves_when_all_branches_wait() -> None:
    def function(ctx: Any) -> Any:
        return ctx.step.parallel(
            [
                lambda: ctx.step.sleep("a", 60),
                lambda: ctx.step.run("b", lambda: 1),
                lambda: ctx.step.parallel([lambda: ctx.step.sleep("c", 60), lambda: ctx.step.run("d", lambda: 2)]),
            ]
        )

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Left)
    assert sorted(outcome.steps) == ["a", "c"]
    assert {operation[3] for operation in bench.committer.of("k")} == {"b", "d"}
    recorded = {"a": NOTHING, "b": success(1), "c": NOTHING, "d": success(2)}
    assert await value_of(function, checkpoints=recorded) == [None, 1, [None, 2]]


async def test_parallel_stays_while_a_branch_works() -> None:
    release = threading.Event()

    def function(ctx: Any) -> Any:
        return ctx.step.parallel([lambda: ctx.step.sleep("a", 60), release.wait])

    bench = Bench(function, grace=0.01)
    task = bench.start()
    await bench.pending("a")
    assert not (await asyncio.wait({task}, timeout=0.2))[0]
    release.set()
    assert await task == Left(steps=("a",))


async def test_parallel_raises_the_first_error_in_order_when_all_have_ended() -> None:
    def fail(message: str) -> None:
        raise ValueError(message)

    def function(ctx: Any) -> Any:
        with pytest.raises(ValueError, match="one") as caught:
            ctx.step.parallel([lambda: 0, lambda: fail("one"), lambda: fail("two")])
        return caught.value.__notes__

    assert await value_of(function) == ["Another parallel branch failed as well: ValueError: two"]


async def test_one_id_in_two_branches_is_an_error() -> None:
    """R4"""

    def function(ctx: Any) -> Any:
        return ctx.step.parallel([lambda n=n: ctx.step.run("same", str, n) for n in range(2)])

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "unique" in outcome.failure.error["message"]


async def test_parallel_wants_functions() -> None:
    def function(ctx: Any) -> Any:
        return ctx.step.parallel([ctx.step.run("a", lambda: 1)])

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "lambda" in outcome.failure.error["message"]


async def test_parallel_of_nothing() -> None:
    assert await value_of(lambda ctx: ctx.step.parallel([])) == []


async def test_a_thread_of_the_functions_own_cannot_use_steps() -> None:
    errors: list[BaseException] = []

    def function(ctx: Any) -> None:
        def foreign() -> None:
            try:
                ctx.step.run("a", str)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=foreign)
        thread.start()
        thread.join()

    await Bench(function).execute()
    assert "parallel" in str(errors[0])


async def test_an_async_body_is_an_error() -> None:
    async def body() -> None: ...

    def function(ctx: Any) -> None:
        ctx.step.run("a", body)

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert "async def" in outcome.failure.error["message"]


async def test_a_body_that_takes_too_long_is_left_behind() -> None:
    released = threading.Event()

    def function(ctx: Any) -> None:
        ctx.step.with_options(timeout=0.05).run("a", released.wait)

    bench = Bench(function)
    assert await bench.execute() == Left(steps=("a",))
    assert b"StepTimeout" in bench.committer.of("p")[0][7][0]
    released.set()


async def test_cancel_shows_in_the_context_and_stops_it_at_its_next_step() -> None:
    """R43"""
    seen = threading.Event()
    go_on = threading.Event()

    def function(ctx: Any) -> None:
        seen.set()
        go_on.wait(5)
        assert ctx.cancelled
        ctx.step.run("a", pytest.fail, "a step began after the run was cancelled")

    bench = Bench(function)
    task = bench.start()
    await asyncio.to_thread(seen.wait, 5)
    bench.execution.cancel("enough")
    go_on.set()
    assert await task == Cancelled()
    assert bench.committer.letters == "x"


async def test_a_value_that_was_on_its_way_wins_over_a_cancel() -> None:
    """R43"""
    seen = threading.Event()
    go_on = threading.Event()

    def function(ctx: Any) -> str:
        seen.set()
        go_on.wait(5)
        return "done"

    bench = Bench(function)
    task = bench.start()
    await asyncio.to_thread(seen.wait, 5)
    bench.execution.cancel("enough")
    go_on.set()
    assert isinstance(await task, Completed)


async def test_an_attempt_that_takes_too_long_is_retried_but_its_thread_is_waited_for() -> None:
    """R20: an abandoned thread still takes up room."""
    release = threading.Event()

    def function(ctx: Any) -> None:
        release.wait(5)
        ctx.step.run("a", pytest.fail, "a step began after the attempt was over")

    bench = Bench(function, timeout=0.05)
    task = bench.start()
    await bench.committer.until(lambda: bench.committer.of("r"))
    assert not task.done()
    assert bench.threads.busy == 1
    release.set()
    outcome = await task
    assert isinstance(outcome, Retried)
    assert outcome.failure.error["type"].endswith("AttemptTimeout")
    assert bench.committer.letters == "r"


async def test_stopping_hands_it_back_at_its_next_step() -> None:
    in_body = threading.Event()
    go_on = threading.Event()

    def body() -> str:
        in_body.set()
        go_on.wait(5)
        return "finished"

    def function(ctx: Any) -> None:
        ctx.step.run("a", body)
        ctx.step.run("b", pytest.fail, "a step began after a stop was asked for")

    bench = Bench(function)
    task = bench.start()
    await asyncio.to_thread(in_body.wait, 5)
    bench.execution.stop_at_step_boundary()
    go_on.set()
    assert await task == HandedBack()
    assert bench.committer.letters == "kb", "the body that was under way was finished and recorded"


async def test_a_lost_run_writes_nothing_and_is_waited_for() -> None:
    """R20"""
    in_body = threading.Event()
    go_on = threading.Event()

    def body() -> None:
        in_body.set()
        go_on.wait(5)

    bench = Bench(lambda ctx: ctx.step.run("a", body))
    task = bench.start()
    await asyncio.to_thread(in_body.wait, 5)
    bench.execution.abandon()
    assert not (await asyncio.wait({task}, timeout=0.05))[0]
    go_on.set()
    assert await task == Lost()
    assert bench.committer.letters == ""


async def test_handing_back_in_a_hurry_does_not_wait_for_the_thread() -> None:
    release = threading.Event()
    seen = threading.Event()

    def function(ctx: Any) -> None:
        seen.set()
        release.wait(5)

    bench = Bench(function)
    task = bench.start()
    await asyncio.to_thread(seen.wait, 5)
    bench.execution.interrupt()
    assert await task == HandedBack()
    assert bench.committer.letters == "b"
    release.set()


@pytest.mark.parametrize("raised", [SystemExit(3), StopIteration("odd"), RecursionError("deep")])
async def test_unusual_exceptions_are_errors_like_others(raised: BaseException) -> None:
    def function(ctx: Any) -> None:
        raise raised

    assert isinstance(await Bench(function).execute(), Retried)
