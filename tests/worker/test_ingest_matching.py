"""Which functions an event starts: triggers and filters of a running worker, and expressions that it can't evaluate."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import bgjobs
from bgjobs import App, AsyncClient, Context, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.conftest import StartWorker
from tests.worker.live import Live, live

CEL = "event.data.items.exists(item, item.price > 10) && event.name.startsWith('order/')"


def record(app: App, seen: list[tuple[str, str]], id: str, **options: Any) -> None:
    """A function that notes what it got."""

    @app.function(id, **options)
    async def note(ctx: Context[Any]) -> None:
        seen.append((id, ctx.event.id))


async def everything_ended(here: Live, *receipts: bgjobs.Receipt) -> list[str]:
    """Wait for the runs of these events; their functions, sorted."""

    async def ended() -> list[str] | None:
        found = []
        for receipt in receipts:
            runs = await here.client.runs(receipt)
            if not runs or not all(run.done for run in runs):
                return None
            found += [run.function.partition("/")[2] for run in runs]
        return found

    return sorted(await until_async(ended, what="every run has ended"))


async def test_exact_wildcard_and_several_triggers(redis_url: str, namespace: str) -> None:
    """R1: a function matches an event at most once, whichever of its triggers do; others get nothing."""
    app = App("shop")
    seen: list[tuple[str, str]] = []
    record(app, seen, "exact", on="order/created")
    record(app, seen, "below", on="order/*")
    record(app, seen, "all", on="*")
    record(app, seen, "many", on=["order/created", "order/*", "user/created"])
    record(app, seen, "other", on="order/createdx")
    async with live(app, redis_url, namespace) as here:
        send = here.client.send
        created, changed, user = await send("order/created"), await send("order/changed"), await send("user/created")
        assert await everything_ended(here, created) == ["all", "below", "exact", "many"]
        assert await everything_ended(here, changed) == ["all", "below", "many"]
        assert await everything_ended(here, user) == ["all", "many"]
    assert len(seen) == len(set(seen)) == 9


async def test_filters_by_path_and_by_cel(redis_url: str, namespace: str) -> None:
    """A filter that says no, or finds no path, starts nothing; with two filtered triggers either is enough."""
    app = App("shop")
    seen: list[tuple[str, str]] = []
    record(app, seen, "large", on=bgjobs.event("order/*", filter="event.data.amount >= 100"))
    record(app, seen, "dear", on=bgjobs.event("order/*", filter=CEL))
    record(
        app,
        seen,
        "either",
        on=[
            bgjobs.event("order/created", filter="event.data.amount > 1000"),
            bgjobs.event("order/*", filter='event.data.country == "NO"'),
        ],
    )
    record(app, seen, "every", on="order/*")
    async with live(app, redis_url, namespace) as here:
        send = here.client.send
        cases = [
            (await send("order/created", {"amount": 100, "items": []}), ["every", "large"]),
            (await send("order/created", {"amount": 99, "items": [{"price": 11}]}), ["dear", "every"]),
            (await send("order/created", {"amount": 2000, "country": "NO"}), ["either", "every", "large"]),
            (await send("order/changed", {"country": "NO"}), ["either", "every"]),
            (await send("order/changed", {"amount": "a lot"}), ["every"]),
            (await send("order/changed"), ["every"]),
        ]
        for receipt, wanted in cases:
            assert await everything_ended(here, receipt) == wanted


async def test_each_function_has_a_retry_state_of_its_own(redis_url: str, namespace: str) -> None:
    """One event, three runs: one completes, one needs a second attempt, one fails for good; none touches another."""
    app = App("shop")
    attempts: dict[str, int] = {"fine": 0, "second": 0, "never": 0}

    def function(id: str, enough: int) -> None:
        @app.function(id, on="go", retries=1, backoff=30)
        async def body(ctx: Context[Any]) -> int:
            attempts[id] += 1
            if attempts[id] < enough:
                raise ValueError(f"not before attempt {enough}")
            return attempts[id]

    function("fine", 1)
    function("second", 2)
    function("never", 100)
    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go")
        await here.state(sent.run_id("fine"), RunState.COMPLETED)
        for function_id in ("second", "never"):
            await here.state(sent.run_id(function_id), RunState.WAITING)
        here.advance(40)
        second = await here.state(sent.run_id("second"), RunState.COMPLETED)
        never = await here.state(sent.run_id("never"), RunState.FAILED)
        assert (second.attempt, never.attempt) == (2, 2)
        [letter] = await here.client.dead_letters.list()
        assert letter.function == "shop/never"
    assert attempts == {"fine": 1, "second": 2, "never": 2}


async def test_a_worker_that_cannot_evaluate_does_not_ingest_and_says_so(
    redis_url: str,
    namespace: str,
    raw: Any,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither new events, even for its own functions only, nor those that a dead worker left; another one does."""
    seen: list[tuple[str, str]] = []
    app = App("shop", deployment="new")
    record(app, seen, "plain", on="order/created")
    record(app, seen, "dear", on=bgjobs.event("order/*", filter=CEL))
    async with live(app, redis_url, namespace):
        pass  # registered
    events = Keys(namespace).events
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as client:
        left = await client.send("order/created", {"items": [{"price": 99}]})
        await raw.xreadgroup("shop", "dead", {events: ">"})
        await raw.xclaim(events, "shop", "dead", 0, [left.stream_id], idle=20_000, justid=True)
        own = await client.send("order/other", {"items": []})

    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "cel.py").write_text("raise ModuleNotFoundError(\"No module named 'cel'\", name='cel')\n")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    without = start_worker("without_cel:app")
    await asyncio.to_thread(without.wait_until_ready)
    await until_async(lambda: without.said("not ingesting events of app shop") and without.said(CEL))
    assert without.said("bgjobs[cel]")  # what to do
    await until_async(lambda: without.text().count("not ingesting events") >= 2, timeout=20)
    assert (await raw.xpending(events, "shop"))["consumers"] == [{"name": b"dead", "pending": 1}]
    [group] = await raw.xinfo_groups(events)
    assert group["lag"] == 1

    async with live(app, redis_url, namespace) as here:
        assert await everything_ended(here, left) == ["dear", "plain"]
        # What the other one can run, it does run: it only takes no events.
        assert await here.client.result(own.run_id("other"), timeout=20) == "other"
        assert [run.function for run in await here.client.runs(own)] == ["shop/other"]
