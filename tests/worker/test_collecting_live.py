"""Debounce and batch with real workers and moved time: bodies are counted outside of Redis."""

from typing import Any

import pytest

import bgjobs
from bgjobs import App, Batch, Context, Debounce, HoldReason, NewEvent, RunState, SyncContext, UsageError
from tests.waiting import until_async
from tests.worker.live import Live, live
from tests.worker.targets.collecting import app as isolated


async def ingested(here: Live, events: int) -> None:
    """Wait until the workers have taken so many events from the stream."""

    def done() -> bool:
        return (here.metrics.registry.get_sample_value("bgjobs_events_ingested_total", {"app": "shop"}) or 0) >= events

    await until_async(done)


async def test_a_debounce_runs_once_with_the_last_event(redis_url: str, namespace: str) -> None:
    """R37: 100 events of two documents make two runs, each with the last event of its document."""
    app, seen = App("shop"), list[Any]()

    @app.function("index", on="saved", debounce=Debounce("10 minutes", longest="1 hour", key="event.data.document"))
    async def index(ctx: Context[Any]) -> None:
        seen.append((ctx.event.data, [event.id for event in ctx.events] == [ctx.event.id]))

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many([NewEvent("saved", {"document": n % 2, "n": n}) for n in range(100)])
        runs = [each.run_id("index") for each in sent]
        await ingested(here, 100)
        first = await here.client.run(runs[0])
        assert (first.state, first.id, first.event_id) == (RunState.WAITING, runs[0], sent[98].event_id)
        assert (await here.client.run(runs[42])).id == runs[0]
        assert [run.id for run in await here.client.runs(sent[42])] == [runs[0]]  # type: ignore[arg-type]
        told = await here.client.why(runs[42])
        assert (told.run_id, told.holds[0].reason) == (runs[0], HoldReason.COLLECTING)
        assert told.summary.startswith("its debounce waits for a later event")
        with pytest.raises(UsageError, match="collected into the run"):
            await here.client.cancel(runs[42])
        here.advance(601)
        for run in runs[:2]:
            await here.state(run, RunState.COMPLETED)
        assert sorted(seen, key=str) == [({"document": 0, "n": 98}, True), ({"document": 1, "n": 99}, True)]
        assert await here.client.result(runs[42], timeout="10s") is None


async def test_each_event_is_in_one_batch(redis_url: str, namespace: str) -> None:
    """R37: of 237 events that two workers ingest, each is in exactly one batch; none has more than ten."""
    app, batches = App("shop"), list[list[int]]()

    @app.function("load", on="row", batch=Batch(10, "10 minutes"))
    async def load(ctx: Context[Any]) -> int:
        batches.append([event.data for event in ctx.events])
        return len(ctx.events)

    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace) as two:
        sent = await one.client.send_many([NewEvent("row", n) for n in range(237)])
        await until_async(lambda: len(batches) == 23)
        for here in (one, two):
            here.advance(601)
        await until_async(lambda: len(batches) == 24)
        assert sorted(n for batch in batches for n in batch) == list(range(237))
        assert sorted(len(batch) for batch in batches) == [7, *[10] * 23]
        assert all(batch == sorted(batch) for batch in batches)
        for receipt in sent:
            assert await one.client.result(receipt.run_id("load"), timeout="10s") in (7, 10)


async def test_a_batch_in_a_thread_with_a_model_and_retries(redis_url: str, namespace: str) -> None:
    """Its events are there at every attempt, also after it left and came back."""

    class Row(bgjobs.EventModel, name="row"):
        n: int

    app, attempts = App("shop"), list[list[int]]()

    @app.function("load", on=Row, batch=Batch(3, "1 hour"), retries=1, backoff="1 minute")
    def load(ctx: SyncContext[Row]) -> int:
        attempts.append([event.data.n for event in ctx.events])
        ctx.step.sleep("a while", "10 minutes")
        if len(attempts) < 3:
            raise ValueError("no")
        return sum(event.data.n for event in ctx.events) + ctx.event.data.n

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many([Row(n=n) for n in (1, 2, 3)])
        run = sent[0].run_id("load")  # type: ignore[union-attr]
        await here.state(run, RunState.WAITING)
        here.advance(601)
        await until_async(lambda: len(attempts) == 2)
        await here.state(run, RunState.WAITING)
        here.advance(90)
        assert (await here.state(run, RunState.COMPLETED)).result == 7
        assert attempts == [[1, 2, 3]] * 3
        assert (await here.client.run(run)).kind == "batch"


async def test_an_isolated_function_has_its_batch(redis_url: str, namespace: str) -> None:
    async with live(isolated, redis_url, namespace, target="tests.worker.targets.collecting:app") as here:
        sent = await here.client.send_many([NewEvent("row", n) for n in (5, 6)])
        result = await here.client.result(sent[1].run_id("load"), timeout="60s")  # type: ignore[union-attr]
        assert result == [5, 6]


async def test_invocations_are_not_collected(redis_url: str, namespace: str) -> None:
    """R32: whoever invokes waits for just that run; in `ctx.events` it has its one event."""
    app = App("shop")

    @app.function("load", on="row", batch=Batch(10, "10 minutes"))
    async def load(ctx: Context[Any]) -> list[Any]:
        return [event.data for event in ctx.events]

    @app.function("late", on="row", debounce=Debounce("10 minutes"))
    async def late(ctx: Context[Any]) -> list[Any]:
        return [event.data for event in ctx.events]

    @app.function("parent", on="go")
    async def parent(ctx: Context[Any]) -> list[Any]:
        return [await ctx.step.invoke("a", "shop/load", 1), await ctx.step.invoke("b", "shop/late", 2)]

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go")
        assert await here.client.result(sent.run_id("parent"), timeout="30s") == [[1], [2]]
        handle = await here.client.invoke("shop/load", 3)
        assert await handle.result("30s") == [3]


async def test_cron_ticks_and_delayed_events_are_collected(redis_url: str, namespace: str) -> None:
    """A delayed event comes into the batch when it is due, a tick when it fires."""
    app, batches = App("shop"), list[list[str]]()

    @app.function("load", on="row", cron="*/10 * * * *", batch=Batch(3, "12 hours"))
    async def load(ctx: Context[Any]) -> None:
        batches.append(sorted(event.name for event in ctx.events))

    async with live(app, redis_url, namespace) as here:
        await here.client.send("row", delay="1 minute")
        await here.client.send("row")
        await ingested(here, 2)
        here.advance(60)
        await ingested(here, 3)
        here.advance(600)
        await until_async(lambda: len(batches) == 1)
        assert batches == [["bgjobs/cron", "row", "row"]]


async def test_all_workers_stopped_while_a_debounce_collects(redis_url: str, namespace: str) -> None:
    """What comes while nobody lives is taken together when somebody does; nothing runs twice, nothing is lost."""
    app, seen = App("shop"), list[Any]()

    @app.function("index", on="saved", debounce=Debounce("1 minute"))
    async def index(ctx: Context[Any]) -> None:
        seen.append(ctx.event.data)

    async with live(app, redis_url, namespace) as here:
        first = await here.client.send("saved", 1)
        await ingested(here, 1)
        await here.client.run(first.run_id("index"))
        client = here.client
        await here.stop()
        later = [await client.send("saved", n) for n in (2, 3)]
        async with live(app, redis_url, namespace, offset_ms=90_000) as there:
            await there.state(first.run_id("index"), RunState.COMPLETED)
            await ingested(there, 2)
            there.advance(61)
            await there.state(later[0].run_id("index"), RunState.COMPLETED)
            assert seen == [1, 3]
