"""Why a run does not go on: somebody paused it, or a throttle spreads the starts."""

import asyncio
from typing import Any

from bgjobs import App, Concurrency, Context, HoldReason, RunState
from tests.worker.live import live


def held(gate: asyncio.Event, **options: Any) -> App:
    made = App("shop")

    @made.function("work", on="work", **options)
    async def work(ctx: Context[Any]) -> None:
        await gate.wait()

    return made


async def test_it_is_paused(redis_url: str, namespace: str) -> None:
    """By function, by queue, or by one value of a key: who did it, why, and how many go first."""
    gate = asyncio.Event()
    gate.set()
    per = Concurrency(5, key="event.data.customer")
    async with live(held(gate, concurrency=per), redis_url, namespace) as here:
        client, controls = here.client, here.client.controls
        await controls.pause("work", reason="the bank is closed", actor="ada@desk")
        runs = [(await client.send("work", {"customer": "c1"})).run_id("work") for _ in range(2)]
        for place, run in enumerate(runs):
            await here.state(run, RunState.QUEUED)
            told = await client.why(run)
            (hold,) = told.holds
            assert (hold.reason, hold.name, hold.ahead) == (HoldReason.PAUSED, "function shop/work", place)
            assert told.summary.startswith("function shop/work is paused by ada@desk (the bank is closed) since ")
            assert told.summary.endswith(f" UTC; {place} runs go first")
            assert told.expected is None
        await controls.resume("work", actor="ada@desk")
        for run in runs:
            await here.state(run, RunState.COMPLETED)
        await controls.pause_queue("shop:default", actor="bob")
        run = (await client.send("work", {"customer": "c1"})).run_id("work")
        await here.state(run, RunState.QUEUED)
        assert (await client.why(run)).summary.startswith("queue shop:default is paused by bob since ")
        await controls.resume_queue("shop:default")
        await here.state(run, RunState.COMPLETED)
        await controls.pause("work", value="c1", actor="bob")
        run = (await client.send("work", {"customer": "c1"})).run_id("work")
        await here.state(run, RunState.QUEUED)
        told = await client.why(run)
        assert told.holds[0].name == "shop/work where event.data.customer is 'c1'"
        other = (await client.send("work", {"customer": "c2"})).run_id("work")
        await here.state(other, RunState.COMPLETED)
        await controls.resume("work", value="c1")
        await here.state(run, RunState.COMPLETED)
