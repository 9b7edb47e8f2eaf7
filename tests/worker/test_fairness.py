"""Fairness with a real worker: a flood of one tenant does not keep another waiting (R39)."""

import asyncio
from typing import Any

from bgjobs import App, Context, HoldReason, NewEvent, RunState
from tests.waiting import until_async
from tests.worker.live import live


async def test_a_single_run_waits_for_a_window_at_most(redis_url: str, namespace: str) -> None:
    app = App("shop")
    begun: list[str] = []
    gate = asyncio.Event()

    @app.function("export", on="go", fairness="event.data.tenant")
    async def export(ctx: Context[Any]) -> None:
        begun.append(ctx.event.data["tenant"])
        await gate.wait()

    async with live(app, redis_url, namespace, concurrency=1) as here:
        sent = await here.client.send_many([NewEvent("go", {"tenant": "flood", "n": n}) for n in range(200)])
        await until_async(lambda: len(begun) == 1)
        single = (await here.client.send("go", {"tenant": "single"})).run_id("export")
        await here.state(single, RunState.QUEUED)
        told = await here.client.why(sent[-1].run_id("export"))
        assert told.holds[0].reason == HoldReason.FAIRNESS
        gate.set()
        await here.state(single, RunState.COMPLETED)
        assert begun.index("single") <= 10
        for each in sent:
            await here.state(each.run_id("export"), RunState.COMPLETED, timeout=30)
    assert len(begun) == 201
