"""Many runs cancelled at once: by function, state, age, and what their events hold."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, Concurrency, Context, NewEvent, RunState, UsageError
from tests.worker.live import Live, live


def shop(gate: asyncio.Event) -> App:
    app = App("shop")

    @app.function("nap", on="go")
    async def nap(ctx: Context[Any]) -> None:
        await ctx.step.sleep("rest", "1 day")

    @app.function("work", on="go", concurrency=Concurrency(2))
    async def work(ctx: Context[Any]) -> None:
        await gate.wait()

    return app


async def begin(here: Live, count: int) -> dict[str, list[str]]:
    """Send events; per function the ids of the runs that they make."""
    sent = await here.client.send_many(
        [NewEvent("go", {"n": n, "customer": n % 2, "vip": n == 0}) for n in range(count)]
    )
    runs = {name: [each.run_id(name) for each in sent] for name in ("nap", "work")}
    for run in runs["nap"]:
        await here.state(run, RunState.WAITING)
    for place, run in enumerate(runs["work"]):
        await here.state(run, RunState.RUNNING if place < 2 else RunState.QUEUED)
    return runs


async def test_they_are_chosen_by_function_state_and_data(redis_url: str, namespace: str) -> None:
    """A dry run changes nothing; what does not pass all filters goes on."""
    gate = asyncio.Event()
    async with live(shop(gate), redis_url, namespace) as here:
        runs = await begin(here, 6)
        dry = await here.client.cancel_all(function="nap", dry_run=True)
        assert (set(dry.matched), dry.cancelled) == (set(runs["nap"]), ())
        assert (await here.client.cancel_all(function="nap", state=RunState.QUEUED)).matched == ()
        done = await here.client.cancel_all(function="nap", match={"data.customer": 1}, reason="moved away")
        assert set(done.cancelled) == {runs["nap"][n] for n in (1, 3, 5)}
        info = await here.state(runs["nap"][1], RunState.CANCELLED)
        assert info.error is not None
        assert "moved away" in info.error.message
        done = await here.client.cancel_all(
            match={"event.data.vip": True, "data.customer": 0.0}, state=RunState.WAITING
        )
        assert done.cancelled == (runs["nap"][0],)
        assert (await here.client.cancel_all(match={"data.customer": "0"})).matched == ()
        done = await here.client.cancel_all(state=RunState.QUEUED, rate=1000)
        assert set(done.cancelled) == set(runs["work"][2:])
        done = await here.client.cancel_all(function="work")
        assert set(done.cancelled) == set(runs["work"][:2])
        for run in runs["work"]:
            await here.state(run, RunState.CANCELLED)
        left = await here.client.list_runs(state=RunState.WAITING)
        assert {run.id for run in left} == {runs["nap"][2], runs["nap"][4]}


async def test_they_are_chosen_by_age(redis_url: str, namespace: str) -> None:
    gate = asyncio.Event()
    async with live(shop(gate), redis_url, namespace) as here:
        runs = await begin(here, 2)
        assert (await here.client.cancel_all(older_than="1h")).matched == ()
        here.advance(3_700)
        done = await here.client.cancel_all(older_than="1h", function="nap")
        assert set(done.cancelled) == set(runs["nap"])
        gate.set()


async def test_something_has_to_say_which(redis_url: str, namespace: str) -> None:
    async with live(shop(asyncio.Event()), redis_url, namespace) as here:
        for wrong in ({}, {"reason": "all"}, {"state": RunState.FAILED}, {"function": "nap", "rate": 0}):
            with pytest.raises(UsageError):
                await here.client.cancel_all(**wrong)  # type: ignore[arg-type]
