"""Why a run does not start, in one sentence."""

import asyncio
from typing import Any

from bgjobs import App, Context, RunState
from bgjobs.broker.inspect.why import why_queued
from tests.waiting import until_async
from tests.worker.live import Live, live


def app(gate: asyncio.Event, *functions: str, version: str = "1", **options: Any) -> App:
    made = App("shop", version=version)
    for name in functions:

        @made.function(name, on=name, **options)
        async def body(ctx: Context[Any]) -> None:
            await ctx.step.sleep("nap", "1h")
            await gate.wait()

    return made


async def why(here: Live, run: str) -> str:
    requests = here.client._requests
    return str(await here.client._do(why_queued(requests.keys, requests.patience(), run)))


async def test_no_worker_has_the_function(redis_url: str, namespace: str) -> None:
    """R9: a newer version lacks it: its live run stays, and says so."""
    gate = asyncio.Event()
    async with live(app(gate, "keep", "drop"), redis_url, namespace) as here:
        run = (await here.client.send("drop")).run_id("drop")
        await here.state(run, RunState.WAITING)
        assert await why(here, run) == ""
    async with live(app(gate, "keep", version="2"), redis_url, namespace, offset_ms=3_700_000) as here:
        await here.state(run, RunState.QUEUED)
        assert await why(here, run) == "no worker has shop/drop"
    assert await why(here, run) == "no worker of shop is alive"
    back = app(gate, "drop", version="3")

    @back.function("other", queue="other")
    async def other(ctx: Context[Any]) -> None: ...

    async with live(back, redis_url, namespace, queues=("other",)) as here:
        assert await why(here, run) == "no worker that has shop/drop serves the queue default"


async def test_others_are_ahead(redis_url: str, namespace: str) -> None:
    """In the queue of a full worker, or behind a limit."""
    gate = asyncio.Event()
    async with live(app(gate, "work"), redis_url, namespace, concurrency=2) as here:
        runs = [(await here.client.send("work", n)).run_id("work") for n in range(5)]
        for run in runs:
            await here.state(run, RunState.WAITING)
        here.advance(3700)
        await until_async(lambda: here.worker.running == 2)
        told = sorted([await why(here, run) for run in runs])
        assert told == [
            "",
            "",
            *(f"{n} runs are ahead of it in its queue; the workers have room for 2 and run 2" for n in range(3)),
        ]
        gate.set()


async def test_a_limit_holds_it(redis_url: str, namespace: str) -> None:
    gate = asyncio.Event()
    limited = App("shop")

    @limited.function("work", on="work", concurrency=1)
    async def work(ctx: Context[Any]) -> None:
        await gate.wait()

    async with live(limited, redis_url, namespace) as here:
        runs = [(await here.client.send("work", n)).run_id("work") for n in range(3)]
        await here.state(runs[0], RunState.RUNNING)
        await here.state(runs[2], RunState.QUEUED)
        for ahead, run in enumerate(runs[1:]):
            told = await why(here, run)
            assert told.startswith("a concurrency limit holds it (1 of 1 slots are taken); ")
            assert told.endswith(f"; {ahead} runs with the same limits are ahead of it")
        gate.set()
