"""A worker whose lease is gone: it begins again, beside what of its old runs can't be stopped (R19, R20)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bgjobs import App, Context, RunState, SyncContext
from bgjobs.broker.keys import Keys
from bgjobs.worker import settle
from bgjobs.worker import worker as engine
from tests.waiting import until, until_async
from tests.worker.live import live


def outliving_app(file: Path) -> App:
    app = App("plain")

    @app.function("outlives", on="outlives")
    def outlives(ctx: SyncContext[Any]) -> str:
        until(file.exists, timeout=60)
        return "ended"

    @app.function("quick", on="quick")
    async def quick(ctx: Context[Any]) -> str:
        return "quick"

    return app


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_OLD_TASKS_SECONDS", 0.2)


async def test_threads_that_do_not_end_take_up_room_in_the_next_incarnation(
    redis_url: str, namespace: str, raw: Any, tmp_path: Path
) -> None:
    """R20: never deaf for the sake of a thread, never more runs than there is room for."""
    done = tmp_path / "done"
    async with live(outliving_app(done), redis_url, namespace, lease_ttl=0.9, concurrency=2) as here:
        stuck = (await here.client.send("outlives")).run_id("outlives")
        await here.state(stuck, RunState.RUNNING)
        before = here.worker.incarnation
        await raw.zrem(Keys(namespace)("wk"), before)
        await until_async(lambda: here.worker.incarnation not in ("", before))
        quick = (await here.client.send("quick")).run_id("quick")
        assert await here.client.result(quick, timeout=30) == "quick"
        done.touch()


async def test_a_worker_without_room_beside_stuck_threads_ends(
    redis_url: str, namespace: str, raw: Any, tmp_path: Path
) -> None:
    """R20: its supervisor starts another."""
    done = tmp_path / "done"
    async with live(outliving_app(done), redis_url, namespace, lease_ttl=0.9, concurrency=1) as here:
        stuck = (await here.client.send("outlives")).run_id("outlives")
        await here.state(stuck, RunState.RUNNING)
        await raw.zrem(Keys(namespace)("wk"), here.worker.incarnation)
        await until_async(lambda: here.task.done())
        done.touch()


async def test_a_worker_settles_now_and_then_although_no_reply_was_lost(
    redis_url: str, namespace: str, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18: a right that was lost without a word ends the body; the run goes on where it belongs now."""
    monkeypatch.setattr(settle, "RECONCILE_SECONDS", 0.0)
    app = App("shop")
    bodies: list[str] = []
    let_end = asyncio.Event()

    @app.function("holds", on="go")
    async def holds(ctx: Context[Any]) -> str:
        bodies.append("begun")
        try:
            await let_end.wait()
        except asyncio.CancelledError:
            bodies.append("stopped")
            raise
        return "ended"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("holds")
        await until_async(lambda: bodies == ["begun"])
        # As if somebody else had given the lease away: the record's number is not the worker's any more.
        await raw.hincrby(Keys(namespace).run(run), "g", 1)
        await until_async(lambda: bodies == ["begun", "stopped", "begun"])
        let_end.set()
        assert await here.client.result(run, timeout=20) == "ended"
