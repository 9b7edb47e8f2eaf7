"""Pauses beside real workers: no body starts after `pause` returned, and all of them do after `resume` (R36)."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, Concurrency, Context, FunctionNotFound, HoldReason, NewEvent, RunState, UsageError
from bgjobs.broker.errors import NotFound
from tests.waiting import until_async
from tests.worker.live import Live, live


def recording(started: list[int], gate: asyncio.Event) -> App:
    """Notes which bodies start, in their order; a body ends when the gate is open."""
    app = App("shop")

    @app.function("charge", on="go", concurrency=Concurrency(100, key="event.data.customer"))
    async def charge(ctx: Context[Any]) -> None:
        started.append(ctx.event.data["n"])
        await gate.wait()

    return app


async def begin(here: Live, count: int, *, start: int = 0) -> list[str]:
    events = [NewEvent("go", {"n": n, "customer": n % 2}) for n in range(start, start + count)]
    return [each.run_id("charge") for each in await here.client.send_many(events)]


async def test_no_body_starts_while_its_function_is_paused(redis_url: str, namespace: str) -> None:
    started: list[int] = []
    gate = asyncio.Event()
    async with live(recording(started, gate), redis_url, namespace, concurrency=5) as here:
        runs = await begin(here, 12)
        await until_async(lambda: len(started) == 5)
        assert await here.client.controls.pause("charge", reason="the bank is closed", actor="ada")
        assert not await here.client.controls.pause("charge")
        runs += await begin(here, 4, start=12)
        gate.set()

        async def all_parked() -> bool:
            (pause,) = await here.client.controls.pauses()
            return pause.parked == 11

        await until_async(all_parked)
        told = await here.client.why(runs[-1])
        assert (told.holds[0].reason, told.holds[0].ahead) == (HoldReason.PAUSED, 10)
        assert told.summary.startswith("function shop/charge is paused by ada (the bank is closed)")
        assert started == [0, 1, 2, 3, 4]
        (pause,) = await here.client.controls.pauses()
        assert (pause.function, pause.actor, pause.reason) == ("shop/charge", "ada", "the bank is closed")
        assert await here.client.controls.resume("charge")
        for run in runs:
            await here.state(run, RunState.COMPLETED)
        assert started == list(range(16))
        log = await here.client.controls.audit_log()
        assert [(each.verb, each.what) for each in log] == [
            ("resume", "function shop/charge"),
            ("pause", "function shop/charge"),
        ]


async def test_one_customer_is_struck(redis_url: str, namespace: str) -> None:
    """R36: only the runs whose event has that value wait."""
    started: list[int] = []
    gate = asyncio.Event()
    gate.set()
    async with live(recording(started, gate), redis_url, namespace) as here:
        controls = here.client.controls
        await controls.pause("charge", value=1)
        runs = await begin(here, 10)
        for run in runs[::2]:
            await here.state(run, RunState.COMPLETED)
        assert started == [0, 2, 4, 6, 8]
        (pause,) = await controls.pauses()
        assert pause.what == "shop/charge where event.data.customer is 1"
        assert pause.by_key
        await controls.resume("charge", key="event.data.customer", value=1)
        for run in runs:
            await here.state(run, RunState.COMPLETED)


async def test_a_queue_is_paused(redis_url: str, namespace: str) -> None:
    started: list[int] = []
    gate = asyncio.Event()
    gate.set()
    async with live(recording(started, gate), redis_url, namespace) as here:
        controls = here.client.controls
        await controls.pause_queue("default")
        (run,) = await begin(here, 1)
        await here.state(run, RunState.QUEUED)
        await here.looked()
        assert started == []
        await controls.resume_queue("shop:default")
        await here.state(run, RunState.COMPLETED)


async def test_mistakes_are_explained(redis_url: str, namespace: str) -> None:
    app = recording([], asyncio.Event())

    @app.function("plain")
    async def plain(ctx: Context[Any]) -> None:
        pass

    async with live(app, redis_url, namespace) as here:
        controls = here.client.controls
        with pytest.raises(FunctionNotFound):
            await controls.pause("chargee")
        with pytest.raises(UsageError, match="has no key"):
            await controls.pause("charge", key="event.data.x", value=1)
        with pytest.raises(UsageError, match="has no value"):
            await controls.pause("charge", key="event.data.customer")
        with pytest.raises(UsageError, match="no key by which"):
            await controls.pause("plain", value=1)
        with pytest.raises(NotFound, match="queue 'other'"):
            await controls.pause_queue("other")
        with pytest.raises(UsageError, match="501 characters"):
            await controls.pause("charge", reason="x" * 501)
