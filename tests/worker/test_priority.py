"""Priorities computed from events, with a real worker."""

import asyncio
from typing import Any

from bgjobs import App, Context, NewEvent, RunState
from tests.waiting import until_async
from tests.worker.live import live


async def test_the_event_says_who_goes_first(redis_url: str, namespace: str) -> None:
    """R15: seconds ahead of the arrival, of parked runs as well; without a number in order of arrival."""
    app = App("shop")
    begun: list[str] = []
    gate = asyncio.Event()

    @app.function("report", on="go", concurrency=1, priority="event.data.urgency")
    async def report(ctx: Context[Any]) -> None:
        begun.append(ctx.event.data["name"])
        await gate.wait()

    async with live(app, redis_url, namespace) as here:
        first = await here.client.send("go", {"name": "first"})
        await until_async(lambda: begun == ["first"])
        sent = await here.client.send_many(
            [
                NewEvent("go", {"name": "late", "urgency": -120}),
                NewEvent("go", {"name": "plain"}),
                NewEvent("go", {"name": "second", "urgency": 90}),
                NewEvent("go", {"name": "first of all", "urgency": 10_000}),
            ]
        )
        runs = [each.run_id("report") for each in sent]
        for run in runs:
            await here.state(run, RunState.QUEUED)
        gate.set()
        for run in [first.run_id("report"), *runs]:
            await here.state(run, RunState.COMPLETED)
    assert begun == ["first", "first of all", "second", "plain", "late"]
