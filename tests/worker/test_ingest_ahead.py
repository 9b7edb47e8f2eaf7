"""Events that are ingested though nobody can execute their runs now: waits, delayed events, limits and priorities."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.conftest import StartWorker
from tests.worker.live import live

CEL = "event.data.items.exists(item, item.price > 10)"


def busy(gate: asyncio.Event, **options: Any) -> App:
    """An app with a function that takes up room for as long as the gate is shut."""
    app = App("shop")

    @app.function("busy", on="busy", **options)
    async def block(ctx: Context[Any]) -> None:
        await gate.wait()

    @app.function("plain", on="go")
    async def plain(ctx: Context[Any]) -> Any:
        return ctx.event.key

    return app


async def test_a_full_worker_lets_no_wait_miss_its_event(redis_url: str, namespace: str) -> None:
    """R26: the event came before the time-out; that nobody had room for runs then does not matter."""
    gate = asyncio.Event()
    app = busy(gate)

    @app.function("pay", on="order/created")
    async def pay(ctx: Context[Any]) -> str:
        paid = await ctx.step.wait_for_event("paid", "order/paid", match="data.order", timeout="1h")
        return "timed out" if paid is None else f"paid {paid.data['by']}"

    async with live(app, redis_url, namespace, concurrency=1) as here:
        run = (await here.client.send("order/created", {"order": 1})).run_id("pay")
        await here.state(run, RunState.WAITING)
        block = (await here.client.send("busy")).run_id("busy")
        await here.state(block, RunState.RUNNING)
        await here.client.send("order/paid", {"order": 1, "by": "card"})
        await here.state(run, RunState.QUEUED)
        here.advance(7200)
        gate.set()
        assert await here.client.result(run, timeout=30) == "paid card"


async def test_a_full_worker_takes_delayed_events_from_the_stream(redis_url: str, namespace: str) -> None:
    """R51: else nobody could cancel or reschedule them."""
    gate = asyncio.Event()
    async with live(busy(gate), redis_url, namespace, concurrency=1) as here:
        block = (await here.client.send("busy")).run_id("busy")
        await here.state(block, RunState.RUNNING)
        await here.client.send("go", delay="1h", id="later")
        assert await here.client.cancel_event("later", name="go")
        waiting = (await here.client.send("go", key="k")).run_id("plain")
        await here.state(waiting, RunState.QUEUED)
        gate.set()
        assert await here.client.result(waiting, timeout=30) == "k"


async def test_a_run_with_priority_goes_ahead_of_older_ones(redis_url: str, namespace: str) -> None:
    """R15: its score is earlier by its priority, whatever order the events came in."""
    gate = asyncio.Event()
    app = busy(gate)
    order: list[str] = []

    @app.function("normal", on="work")
    async def normal(ctx: Context[Any]) -> None:
        order.append("normal")

    @app.function("urgent", on="rush", priority=60)
    async def urgent(ctx: Context[Any]) -> None:
        order.append("urgent")

    async with live(app, redis_url, namespace, concurrency=1) as here:
        block = (await here.client.send("busy")).run_id("busy")
        await here.state(block, RunState.RUNNING)
        for _ in range(3):
            last = (await here.client.send("work")).run_id("normal")
        rush = (await here.client.send("rush")).run_id("urgent")
        await here.state(rush, RunState.QUEUED)
        await here.state(last, RunState.QUEUED)
        gate.set()
        await here.state(last, RunState.COMPLETED)
    assert order == ["urgent", "normal", "normal", "normal"]


async def test_a_worker_runs_only_its_queues_and_ingests_for_all(redis_url: str, namespace: str) -> None:
    """`--queues`: the others' runs wait for those who serve their queue."""
    app = App("shop")
    ran: list[str] = []

    @app.function("fast", on="go")
    async def fast(ctx: Context[Any]) -> None:
        ran.append("fast")

    @app.function("heavy", on="go", queue="heavy")
    async def heavy(ctx: Context[Any]) -> None:
        ran.append("heavy")

    async with live(app, redis_url, namespace, queues=("default",)) as here:
        sent = await here.client.send("go")
        await here.state(sent.run_id("fast"), RunState.COMPLETED)
        await here.state(sent.run_id("heavy"), RunState.QUEUED)
        await here.looked()
        assert ran == ["fast"]
        async with live(app, redis_url, namespace, queues=("heavy",)):
            await here.state(sent.run_id("heavy"), RunState.COMPLETED)
    assert ran == ["fast", "heavy"]


async def test_a_filter_of_a_wait_that_can_not_be_evaluated_is_left_to_another(
    redis_url: str,
    namespace: str,
    raw: Any,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R7: a worker without the extra neither drops the event nor decides against it; it says so and stops ingesting."""
    app = App("shop", deployment="new")

    @app.function("pay", on="order/created")
    async def pay(ctx: Context[Any]) -> Any:
        found = await ctx.step.wait_for_event("dear", "order/priced", filter=CEL, timeout="1h")
        return found.data["items"][0]["price"] if found else None

    events = Keys(namespace).events
    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("order/created")).run_id("pay")
        await here.state(run, RunState.WAITING)
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "cel.py").write_text("raise ModuleNotFoundError(\"No module named 'cel'\", name='cel')\n")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    without = start_worker("without_cel:app")
    await asyncio.to_thread(without.wait_until_ready)
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as client:
        priced = await client.send("order/priced", {"items": [{"price": 99}]})
        await until_async(lambda: without.said("not ingesting events of app shop") and without.said(run))
        assert (await raw.xpending(events, "shop"))["pending"] == 1
        [entry] = await raw.xpending_range(events, "shop", "-", "+", 1)
        await raw.xclaim(events, "shop", entry["consumer"], 0, [priced.stream_id], idle=20_000, justid=True)
        assert (await client.run(run)).state is RunState.WAITING
        async with live(app, redis_url, namespace) as here:
            assert await here.client.result(run, timeout=20) == 99
