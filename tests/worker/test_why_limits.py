"""Why a run does not go on: limits with their holders, workers that are gone, cancels; and how a run went."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, Concurrency, Context, HoldReason, RunNotFound, RunState
from tests.waiting import until_async
from tests.worker.live import Live, live


def limited(gate: asyncio.Event, **functions: Any) -> App:
    """An app whose functions wait for the gate, each with its concurrency."""
    made = App("shop", retries=0)
    for name, concurrency in functions.items():

        @made.function(name, on=name, concurrency=concurrency)
        async def body(ctx: Context[Any]) -> None:
            await gate.wait()

    return made


async def parked(here: Live, *names: tuple[str, Any]) -> list[str]:
    """Send one event per name, one after the other; the first runs, the others are parked."""
    runs = []
    for place, (name, data) in enumerate(names):
        runs.append((await here.client.send(name, data)).run_id(name))
        await here.state(runs[-1], RunState.QUEUED if place else RunState.RUNNING)
    return runs


async def test_its_own_limit(redis_url: str, namespace: str) -> None:
    """The holder, the place in the backlog, and the start as runs that completed let it be told."""
    gate = asyncio.Event()
    async with live(limited(gate, work=1), redis_url, namespace) as here:
        runs = await parked(here, ("work", 1), ("work", 2), ("work", 3))
        for place, run in enumerate(runs[1:]):
            told = await here.client.why(run)
            (hold,) = told.holds
            assert told.summary == (f"the limit of shop/work holds it: 1 of 1 slots are taken; {place} runs go first")
            assert (hold.reason, hold.name, hold.ahead) == (HoldReason.CONCURRENCY, "shop/work", place)
            assert (hold.taken, hold.limit, [each.run_id for each in hold.holders]) == (1, 1, runs[:1])
            assert (told.expected, told.estimated) == (None, False)
        gate.set()
        for run in runs:
            await here.state(run, RunState.COMPLETED)
        gate.clear()
        more = await parked(here, ("work", 4), ("work", 5), ("work", 6))
        expected = [(await here.client.why(run)).expected for run in more[1:]]
        assert expected[0] is not None
        assert expected[1] is not None
        assert (await here.client.why(more[1])).estimated
        assert expected[0] < expected[1]
        gate.set()


async def test_a_limit_per_key(redis_url: str, namespace: str) -> None:
    """The key and its value are named; another value's run is not held."""
    gate = asyncio.Event()
    per = Concurrency(1, key="event.data.customer")
    async with live(limited(gate, work=per), redis_url, namespace) as here:
        runs = await parked(here, ("work", {"customer": "c1"}), ("work", {"customer": "c1"}))
        told = await here.client.why(runs[1])
        assert told.summary == (
            "the limit of shop/work per event.data.customer ('c1') holds it: 1 of 1 slots are taken; 0 runs go first"
        )
        other = (await here.client.send("work", {"customer": "c2"})).run_id("work")
        await here.state(other, RunState.RUNNING)
        assert (await here.client.why(other)).holds[0].reason == HoldReason.RUNNING
        gate.set()


async def test_a_shared_limit_that_another_function_holds(redis_url: str, namespace: str) -> None:
    """Older runs of other functions behind the same limit go first, too."""
    gate = asyncio.Event()
    printer = Concurrency(1, name="printer")
    async with live(limited(gate, invoice=printer, label=printer), redis_url, namespace) as here:
        runs = await parked(here, ("invoice", 1), ("invoice", 2), ("label", 3))
        told = await here.client.why(runs[2])
        (hold,) = told.holds
        assert told.summary == 'the shared limit "printer" holds it: 1 of 1 slots are taken; 1 runs go first'
        assert [(each.run_id, each.function) for each in hold.holders] == [(runs[0], "shop/invoice")]
        gate.set()


async def test_two_limiters(redis_url: str, namespace: str) -> None:
    """The one that holds its backlog comes first, then the other, if it is full, too."""
    gate = asyncio.Event()
    both = [Concurrency(1, name="printer"), Concurrency(1, name="desk")]
    app = limited(gate, printing=both[0], sitting=both[1], both=both)
    async with live(app, redis_url, namespace) as here:
        sitting = (await here.client.send("sitting")).run_id("sitting")
        await here.state(sitting, RunState.RUNNING)
        runs = await parked(here, ("printing", 1), ("both", 2))
        told = await here.client.why(runs[1])
        assert sorted(hold.name for hold in told.holds) == ["desk", "printer"]
        assert {hold.name: hold.holders[0].run_id for hold in told.holds} == {"desk": sitting, "printer": runs[0]}
        assert " holds it: 1 of 1 slots are taken; 0 runs go first; " in told.summary
        assert " is full, too: 1 of 1 slots are taken" in told.summary
        gate.set()


async def test_its_worker_is_gone(redis_url: str, namespace: str) -> None:
    """Until another worker takes it back; then it waits among those that workers died with (R21)."""
    gate = asyncio.Event()
    offset, runs = 0, []
    for _ in range(2):
        async with live(limited(gate, work=()), redis_url, namespace, offset_ms=offset) as here:
            runs = runs or [(await here.client.send("work", n)).run_id("work") for n in range(2)]

            async def both_run(here: Live = here) -> bool:
                return here.worker.running == 2

            await until_async(both_run)
            told = await here.client.why(runs[0])
            assert told.holds[0].reason == HoldReason.RUNNING
            assert "(process " in told.summary
            await here.die()
            offset += 60_000
            here.client._requests.offset_ms = offset
            told = await here.client.why(runs[0])
            assert [hold.reason for hold in told.holds] == [HoldReason.WORKER_LOST, HoldReason.RUNNING]
    async with live(limited(gate, work=()), redis_url, namespace, offset_ms=offset) as here:

        async def one_runs() -> bool:
            states = [(await here.client.run(run)).state for run in runs]
            return sorted(states) == [RunState.QUEUED, RunState.RUNNING] and here.worker.running == 1

        await until_async(one_runs)
        told = {each.state: each for each in [await here.client.why(run) for run in runs]}
        suspect = told[RunState.QUEUED]
        assert suspect.holds[0].reason == HoldReason.SUSPECT
        assert suspect.summary == (
            "2 workers died with it: each worker takes one such run at a time; 0 are ahead of it"
        )
        assert [each.what for each in suspect.history] == [
            "created",
            *("started", "worker died") * 2,
        ]
        gate.set()
        for run in runs:
            await here.state(run, RunState.COMPLETED)


async def test_it_was_asked_to_stop(redis_url: str, namespace: str) -> None:
    """A run that does not stop at once says so, with the time at which it is ended."""
    gate, asked = asyncio.Event(), asyncio.Event()
    made = App("shop")

    @made.function("work", on="work")
    async def work(ctx: Context[Any]) -> None:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            asked.set()
            await gate.wait()
            raise

    async with live(made, redis_url, namespace) as here:
        run = (await here.client.send("work")).run_id("work")
        await here.state(run, RunState.RUNNING)
        assert await here.client.cancel(run, reason="changed my mind")
        await asked.wait()
        told = await here.client.why(run)
        assert [hold.reason for hold in told.holds] == [HoldReason.STOPPING, HoldReason.RUNNING]
        assert told.summary.startswith("it was asked to stop (changed my mind); ")
        assert told.holds[0].due is not None
        gate.set()
        await here.state(run, RunState.CANCELLED)
        told = await here.client.why(run)
        assert told.holds[0].reason == HoldReason.FINISHED
        assert told.history[-1].what == "cancelled"
        assert "changed my mind" in told.history[-1].text


async def test_a_finished_run_tells_its_story(redis_url: str, namespace: str) -> None:
    """Attempt by attempt: what failed, when and where; its end, its replay, and the end of that."""
    broken = [True]
    made = App("shop", retries=1, backoff="1h")

    async def pay() -> None:
        if broken[0]:
            raise ConnectionError("the bank is closed")

    @made.function("work", on="work")
    async def work(ctx: Context[Any]) -> None:
        await ctx.step.run("pay", pay)

    async with live(made, redis_url, namespace) as here:
        run = (await here.client.send("work", id="e1")).run_id("work")
        await here.state(run, RunState.WAITING)
        here.advance(3700)
        await here.state(run, RunState.FAILED)
        told = await here.client.why(run)
        assert [(each.what, each.step, each.attempt) for each in told.history] == [
            ("created", "", None),
            ("started", "", None),
            ("step failed", "pay", 1),
            ("failed", "pay", 1),
        ]
        assert told.history[0].text == "by the event work e1"
        assert told.history[2].text == "ConnectionError: the bank is closed"
        assert told.summary.startswith("ConnectionError: the bank is closed; dead letter ")
        broken[0] = False
        await here.client.replay(run)
        await here.state(run, RunState.COMPLETED)
        told = await here.client.why(run)
        whats = [each.what for each in told.history]
        assert whats[-4:] == ["failed", "replayed", "started", "completed"]
        assert told.holds[0].reason == HoldReason.FINISHED
        times = [each.time for each in told.history if each.time is not None]
        assert times == sorted(times)


async def test_there_is_no_such_run(redis_url: str, namespace: str) -> None:
    async with live(limited(asyncio.Event(), work=()), redis_url, namespace) as here:
        for run in ("00" + "a" * 24, "nonsense"):
            with pytest.raises(RunNotFound):
                await here.client.why(run)
