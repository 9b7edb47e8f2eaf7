"""Step ids and keys."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.worker.errors import InvalidStepId, SharedStepId, TooManySteps
from bgjobs.worker.outcome import Completed, Failed
from bgjobs.worker.steps.keys import StepKeys, step_key
from tests.worker.executing import Bench, run_of, success


def test_uses_of_an_id_are_counted_within_one_task() -> None:
    """R4"""
    keys = StepKeys()
    assert [keys.next("a", "task"), keys.next("b", "task"), keys.next("a", "task")] == ["a", "b", "a#2"]


def test_the_same_id_from_a_second_task_is_an_error() -> None:
    """R4: on replay the tasks may finish in another order, and get each other's results."""
    keys = StepKeys()
    keys.next("a", "first task")
    with pytest.raises(SharedStepId, match="unique") as caught:
        keys.next("a", "second task")
    assert 'f"a-{index}"' in caught.value.remedy


async def test_gather_over_one_id_fails_the_run_and_says_what_to_do() -> None:
    """R4"""

    async def function(ctx: Any) -> Any:
        return await asyncio.gather(*(ctx.step.run("fetch", str, n) for n in range(3)))

    outcome = await Bench(function).execute()
    assert isinstance(outcome, Failed)
    assert outcome.reason == "not retriable"
    assert "unique" in outcome.failure.error["message"]


async def test_gather_over_unique_ids_gives_each_its_own_result_on_resume() -> None:
    """R4"""

    async def function(ctx: Any) -> Any:
        return await asyncio.gather(*(ctx.step.run(f"fetch-{n}", str, n) for n in range(3)))

    recorded = {"fetch-2": success("two"), "fetch-0": success("zero")}
    outcome = await Bench(function).execute(run_of(checkpoints=recorded))
    assert isinstance(outcome, Completed)
    assert outcome.value == ["zero", "1", "two"]


async def test_a_loop_may_use_one_id() -> None:
    async def function(ctx: Any) -> Any:
        return [await ctx.step.run("page", str, n) for n in range(3)]

    bench = Bench(function)
    assert isinstance(await bench.execute(), Completed)
    assert [operation[3] for operation in bench.committer.of("k")] == ["page", "page#2", "page#3"]


@given(st.lists(st.tuples(st.sampled_from(["a", "a#2", "a#1", "a#2#1", "a#"]), st.integers(1, 4)), max_size=30))
def test_no_two_uses_share_a_key(uses: list[tuple[str, int]]) -> None:
    assert len({step_key(*use) for use in uses}) == len(set(uses))


@pytest.mark.parametrize("bad", ["", " a", "a ", "@run", "a\nb", "x" * 201, "ä" * 101, None, 5])
def test_ids_that_cannot_be_used(bad: Any) -> None:
    with pytest.raises(InvalidStepId):
        StepKeys().next(bad, "task")


@pytest.mark.parametrize("good", ["charge", "charge card", "größe", "a|b:c", "x" * 200, "item/7", "a#b"])
def test_ids_that_can(good: str) -> None:
    assert StepKeys().next(good, "task") == good


def test_a_run_has_at_most_1000_steps() -> None:
    keys = StepKeys()
    for number in range(1000):
        keys.next("loop" if number % 2 else f"step-{number}", "task")
    with pytest.raises(TooManySteps):
        keys.next("one-more", "task")
    with pytest.raises(TooManySteps):
        keys.next("loop", "task")
