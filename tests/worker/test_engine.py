"""The engine end to end, in one process: events in, runs out."""

import asyncio
from typing import Any

import pytest

import bgjobs
from bgjobs import App, Context, RunState, SyncContext
from bgjobs.broker.errors import RedisUnavailable, RunFailed
from bgjobs.worker.logs import RunLog
from bgjobs.worker.metrics import WorkerMetrics
from bgjobs.worker.options import WorkerOptions
from bgjobs.worker.worker import Worker
from tests.waiting import until_async
from tests.worker.live import live


async def test_an_event_starts_every_function_that_listens_once(redis_url: str, namespace: str) -> None:
    """R1: exact, wildcard and double triggers; each function has a run of its own."""
    app = App("shop")
    seen: list[tuple[str, Any]] = []

    @app.function("exact", on="order/created")
    async def exact(ctx: Context[Any]) -> str:
        seen.append(("exact", ctx.event.data))
        return "exact"

    @app.function("twice", on=["order/created", "order/*"])
    def twice(ctx: SyncContext[Any]) -> str:
        seen.append(("twice", ctx.event.name))
        return "twice"

    @app.function("filtered", on=bgjobs.event("order/*", filter="event.data.amount > 100"))
    async def filtered(ctx: Context[Any]) -> str:
        seen.append(("filtered", ctx.event.data["amount"]))
        return "filtered"

    async with live(app, redis_url, namespace) as here:
        small = await here.client.send("order/created", {"amount": 5})
        large = await here.client.send("order/changed", {"amount": 500})
        assert await here.client.result(small.run_id("exact"), timeout=30) == "exact"
        assert await here.client.result(small.run_id("twice"), timeout=30) == "twice"
        assert await here.client.result(large.run_id("filtered"), timeout=30) == "filtered"
        assert await here.client.result(large.run_id("twice"), timeout=30) == "twice"
    assert sorted(seen, key=str) == [
        ("exact", {"amount": 5}),
        ("filtered", 500),
        ("twice", "order/changed"),
        ("twice", "order/created"),
    ]


async def test_a_short_time_out_for_the_first_connection_is_honoured() -> None:
    options = WorkerOptions(target="", redis_url="redis://127.0.0.1:1", namespace="x", connect_timeout=0.2)
    worker = Worker(App("shop"), options, metrics=WorkerMetrics(), log=RunLog())
    with pytest.raises(RedisUnavailable, match=r"did not answer within 0\.2 s"):
        await worker.start()


async def test_a_failing_run_is_retried_after_its_back_off_and_then_buried(redis_url: str, namespace: str) -> None:
    """R29: attempts outside steps count; the last failure makes one dead letter and starts on_failure (R46)."""
    app = App("shop")
    attempts: list[int] = []
    told: list[Any] = []

    async def handler(ctx: Context[Any]) -> None:
        told.append((ctx.failed_run, ctx.failure))

    @app.function("fails", on="go", retries=2, backoff=10, on_failure=handler)
    async def fails(ctx: Context[Any]) -> None:
        attempts.append(ctx.attempt)
        raise ValueError(f"attempt {ctx.attempt}")

    async with live(app, redis_url, namespace) as here:
        receipt = await here.client.send("go")
        run = receipt.run_id("fails")
        for attempt in (1, 2):
            await until_async(lambda tried=attempt: len(attempts) == tried)
            await here.state(run, RunState.WAITING)
            here.advance(13)
        await here.state(run, RunState.FAILED)
        assert attempts == [1, 2, 3]
        await until_async(lambda: told)
        with pytest.raises(RunFailed, match="attempt 3"):
            await here.client.result(run, timeout=30)
    assert told[0][0] == run
    assert told[0][1].type == "ValueError"


async def test_a_sleeping_run_leaves_the_worker_and_goes_on_when_due(redis_url: str, namespace: str) -> None:
    """R27: the timer decides; finished steps never run again."""
    app = App("shop")
    bodies: list[str] = []

    @app.function("series", on="user/signed-up")
    async def series(ctx: Context[Any]) -> list[str]:
        async def mail(name: str) -> str:
            bodies.append(name)
            return name

        first = await ctx.step.run("first", mail, "welcome")
        await ctx.step.sleep("pause", "3 days")
        second = await ctx.step.run("second", mail, "tips")
        return [first, second]

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(run, RunState.WAITING)
        await until_async(lambda: here.worker.running == 0)
        here.advance(3 * 86_400 - 60)
        await asyncio.sleep(0)
        assert bodies == ["welcome"]
        here.advance(61)
        assert await here.client.result(run, timeout=30) == ["welcome", "tips"]
    assert bodies == ["welcome", "tips"]


async def test_waits_signals_invokes_and_sent_events(redis_url: str, namespace: str) -> None:
    """R26, R31, R32: each pending step comes to one outcome."""
    app = App("shop")

    @app.function("pay", on="order/created")
    async def pay(ctx: Context[Any]) -> dict[str, Any]:
        paid = await ctx.step.wait_for_event("paid", "order/paid", match="data.order", timeout="1 day")
        approved = await ctx.step.wait_for_signal("approved", f"approve:{ctx.event.data['order']}")
        doubled = await ctx.step.invoke("double", double, {"n": 21})
        sent = await ctx.step.send_event("tell", "order/done", {"order": ctx.event.data["order"]})
        never = await ctx.step.wait_for_event("never", "order/never", timeout="1h")
        return {"paid": paid.data if paid else None, "ok": approved, "doubled": doubled, "sent": sent, "never": never}

    @app.function("double")
    async def double(ctx: Context[Any]) -> int:
        return 2 * int(ctx.event.data["n"])

    @app.function("done", on="order/done")
    async def done(ctx: Context[Any]) -> Any:
        return ctx.event.data

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("order/created", {"order": 7})).run_id("pay")
        await here.state(run, RunState.WAITING)
        await here.client.send("order/paid", {"order": 8})
        await here.client.send("order/paid", {"order": 7, "by": "card"})
        await until_async(lambda: here.client.signal("approve:7", True))
        await until_async(lambda: _waits_for(here, run, "never"))
        here.advance(3601)
        result = await here.client.result(run, timeout=30)
        assert result["paid"] == {"order": 7, "by": "card"}
        assert (result["ok"], result["doubled"], result["never"]) == (True, 42, None)
        [sent] = await here.client.runs(result["sent"], name="order/done")
        assert await here.client.result(sent.id, timeout=30) == {"order": 7}


async def _waits_for(here: Any, run: str, step: str) -> bool:
    return any(each.key.startswith(step) for each in await here.client.steps(run))


async def test_the_partition_key_comes_with_the_event(redis_url: str, namespace: str) -> None:
    """Through a direct lease, and through the record of a run that left in between."""
    app = App("shop")

    @app.function("keyed", on="keyed")
    async def keyed(ctx: Context[Any]) -> list[str | None]:
        before = await ctx.step.run("before", lambda: ctx.event.key)
        await ctx.step.sleep("pause", "1h")
        return [before, ctx.event.key]

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("keyed", key="tenant-1")).run_id("keyed")
        await here.state(run, RunState.WAITING)
        here.advance(3601)
        assert await here.client.result(run, timeout=30) == ["tenant-1", "tenant-1"]
