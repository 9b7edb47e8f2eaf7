"""When a run leaves its worker: its tasks wait for nothing but pending steps. On asyncio's loop and on uvloop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from bgjobs.worker.outcome import Completed, Left, Retried
from tests.worker.executing import NOTHING, Bench, run_of, success

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def on_loop(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on one kind of event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(coroutine)

    return run


async def sequential(ctx: Any) -> str:
    await ctx.step.sleep("a", 60)
    return "done"


async def gathered(ctx: Any) -> list[Any]:
    return await asyncio.gather(ctx.step.sleep("a", 60), ctx.step.sleep("b", 60))


async def gathered_exceptions(ctx: Any) -> str:
    results = await asyncio.gather(ctx.step.sleep("a", 60), ctx.step.sleep("b", 60), return_exceptions=True)
    assert results == [None, None], "an interruption was handed out as a result"
    return "done"


async def nested(ctx: Any) -> str:
    async def branch(name: str) -> None:
        await asyncio.gather(ctx.step.sleep(name + "1", 60), ctx.step.sleep(name + "2", 60))

    await asyncio.gather(branch("a"), branch("b"))
    return "done"


async def group(ctx: Any) -> str:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ctx.step.sleep("a", 60))
        tasks.create_task(ctx.step.sleep("b", 60))
    return "done"


async def group_and_body(ctx: Any) -> str:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ctx.step.sleep("a", 60))
        await ctx.step.sleep("b", 60)
    return "done"


async def waited(ctx: Any) -> str:
    tasks = {asyncio.create_task(ctx.step.sleep(name, 60)) for name in ("a", "b")}
    done, _ = await asyncio.wait(tasks)
    for task in done:
        task.result()
    return "done"


async def awaited_task(ctx: Any) -> str:
    task = asyncio.create_task(ctx.step.sleep("a", 60))
    await task
    return "done"


async def completed_one_by_one(ctx: Any) -> str:
    for next_one in asyncio.as_completed([ctx.step.sleep("a", 60), ctx.step.sleep("b", 60)]):
        await next_one
    return "done"


async def waited_without_a_limit(ctx: Any) -> str:
    await asyncio.wait_for(ctx.step.sleep("a", 60), None)
    return "done"


BLOCKED = {
    sequential: ("a",),
    gathered: ("a", "b"),
    gathered_exceptions: ("a", "b"),
    nested: ("a1", "a2", "b1", "b2"),
    group: ("a", "b"),
    group_and_body: ("a", "b"),
    waited: ("a", "b"),
    awaited_task: ("a",),
    completed_one_by_one: ("a", "b"),
    waited_without_a_limit: ("a",),
}


@pytest.mark.parametrize("function", BLOCKED, ids=lambda function: function.__name__)
def test_leaves_when_every_task_waits_for_pending_steps(function: Any, on_loop: Run) -> None:
    async def scenario() -> None:
        bench = Bench(function, grace=60)
        outcome = await bench.execute()
        assert isinstance(outcome, Left)
        assert sorted(outcome.steps) == sorted(BLOCKED[function])
        assert bench.committer.letters == "p" * len(BLOCKED[function]) + "s"
        assert len(asyncio.all_tasks()) == 1, "nothing of a run that left stays on the worker"

    on_loop(scenario())


@pytest.mark.parametrize("function", BLOCKED, ids=lambda function: function.__name__)
def test_comes_back_and_ends(function: Any, on_loop: Run) -> None:
    async def scenario() -> None:
        outcome = await Bench(function).execute(run_of(checkpoints=dict.fromkeys(BLOCKED[function], NOTHING)))
        assert isinstance(outcome, Completed)

    on_loop(scenario())


@pytest.mark.parametrize("function", BLOCKED, ids=lambda function: function.__name__)
def test_goes_on_in_memory_if_the_outcomes_come_first(function: Any, on_loop: Run) -> None:
    async def scenario() -> None:
        bench = Bench(function, stay=3600)
        task = bench.start()
        execution = await bench.pending(*BLOCKED[function])
        for step in BLOCKED[function]:
            execution.resolve(step, NOTHING)
        assert isinstance(await task, Completed)
        assert "s" not in bench.committer.letters

    on_loop(scenario())


def test_stays_while_another_task_does_real_work(on_loop: Run) -> None:
    async def scenario() -> None:
        answered = asyncio.Event()

        async def function(ctx: Any) -> list[Any]:
            async def real_work() -> str:
                await answered.wait()
                return "read"

            return await asyncio.gather(ctx.step.sleep("a", 60), real_work())

        bench = Bench(function, grace=60)
        task = bench.start()
        await bench.pending("a")
        assert not (await asyncio.wait({task}, timeout=0.2))[0], "it must stay: real work is under way"
        answered.set()
        outcome = await task
        assert outcome == Left(steps=("a",))

    on_loop(scenario())


def test_stays_while_a_body_runs_in_a_thread(on_loop: Run) -> None:
    import threading

    async def scenario() -> None:
        release = threading.Event()

        async def function(ctx: Any) -> Any:
            return await asyncio.gather(ctx.step.sleep("a", 60), ctx.step.run("b", release.wait))

        bench = Bench(function, grace=0.01)
        task = bench.start()
        await bench.pending("a")
        assert not (await asyncio.wait({task}, timeout=0.2))[0], "no grace period ends while a body is in flight"
        release.set()
        assert await task == Left(steps=("a",))
        assert bench.committer.of("k")[0][3:5] == ("b", success(True))

    on_loop(scenario())


def test_winner_of_a_race_goes_on_and_the_loser_is_ended(on_loop: Run) -> None:
    async def function(ctx: Any) -> str:
        approval = asyncio.create_task(ctx.step.wait_for_signal("approval", "ok"))
        deadline = asyncio.create_task(ctx.step.sleep("deadline", "1 day"))
        done, _ = await asyncio.wait({approval, deadline}, return_when=asyncio.FIRST_COMPLETED)
        if deadline in done:
            raise RuntimeError("too late")
        return str(approval.result())

    async def scenario() -> None:
        # Leaving interrupts both tasks; that must not look as if the deadline had passed.
        outcome = await Bench(function).execute()
        assert isinstance(outcome, Left)
        assert sorted(outcome.steps) == ["approval", "deadline"]
        outcome = await Bench(function).execute(
            run_of(checkpoints={"approval": success("yes")}, pending={"deadline": ("s", 2_000_000)})
        )
        assert isinstance(outcome, Completed)
        assert outcome.value == "yes"
        assert len(asyncio.all_tasks()) == 1

    on_loop(scenario())


def test_a_race_that_is_decided_already_does_not_leave_for_the_loser(on_loop: Run) -> None:
    """The winner ends at once, the loser waits: between the two nobody may conclude that the function waits as well."""

    async def first_completed(ctx: Any) -> str:
        loser = asyncio.create_task(ctx.step.sleep("a", 60))
        winner = asyncio.create_task(ctx.step.sleep("b", 60))
        await asyncio.wait({loser, winner}, return_when=asyncio.FIRST_COMPLETED)
        return "done"

    async def gathered_error(ctx: Any) -> str:
        async def ends() -> None:
            await ctx.step.sleep("b", 60)
            raise KeyError("beside a sleep")

        try:
            await asyncio.gather(ctx.step.sleep("a", 60), ends())
        except KeyError:
            return "done"
        return ""

    async def scenario() -> None:
        for function in (first_completed, gathered_error):
            for order in (("a", "b"), ("b", "a")):
                run = run_of(checkpoints={order[1]: NOTHING}, pending={order[0]: ("s", 9_000_000)})
                outcome = await Bench(function).execute(run)
                if function is first_completed or order[1] == "b":
                    assert isinstance(outcome, Completed)

    on_loop(scenario())


def test_a_registered_step_is_not_registered_again(on_loop: Run) -> None:
    async def scenario() -> None:
        bench = Bench(sequential)
        outcome = await bench.execute(run_of(pending={"a": ("s", 9_000_000)}))
        assert outcome == Left(steps=("a",))
        assert bench.committer.letters == "s"

    on_loop(scenario())


def test_an_error_beside_a_sleep_is_an_error(on_loop: Run) -> None:
    async def function(ctx: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.step.sleep("a", 60))
            await asyncio.sleep(0)
            raise ValueError("broken")

    async def scenario() -> None:
        outcome = await Bench(function).execute()
        assert isinstance(outcome, Retried)
        assert outcome.failure.error["type"] == "ValueError"

    on_loop(scenario())
