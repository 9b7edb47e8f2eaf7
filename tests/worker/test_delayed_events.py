"""Delayed events on live workers: never early, hardly late; cancelled and rescheduled; through restarts (R51)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, EventNotFound, NewEvent, RunState
from bgjobs.broker.keys import Keys
from bgjobs.worker import committer
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.live import Live, live

Seen = list[tuple[str, Any]]


def listening(seen: Seen, app_id: str = "shop") -> App:
    app = App(app_id)

    @app.function("listen", on=["reminder", "reminder/*"])
    async def listen(ctx: Context[Any]) -> float:
        seen.append((app_id, ctx.event.data))
        return time.time()

    return app


async def taken(here: Live, event_id: str) -> None:
    """Wait until a worker has moved the event from the stream to a timer."""

    async def there() -> bool:
        keys = here.worker.broker.keys
        found = [each async for each in here.worker.broker.client.scan_iter(keys("fe:*"))]
        events = [await here.worker.broker.client.hget(each, "fields") for each in found]
        return any(event_id.encode() in (event or b"") for event in events)

    await until_async(there)


async def test_delayed_events_come_on_time(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never before their time by the server's clock, on a worker that looks only when something is due."""
    monkeypatch.setattr(committer, "IDLE_PUMP", 3600.0)
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace) as here:
        begun = time.time()
        sent = [await here.client.send("reminder", number, delay=0.3 + number / 5) for number in range(8)]
        at = datetime.now(UTC) + timedelta(seconds=1.1)
        sent.append(await here.client.send("reminder", "at", at=at))
        due = [begun + 0.3 + number / 5 for number in range(8)] + [at.timestamp()]
        finished = [await here.client.result(each.run_id("listen"), timeout=30) for each in sent]
        lateness = [actual - expected for actual, expected in zip(finished, due, strict=True)]
        assert min(lateness) >= -0.002
    assert len(seen) == 9


async def test_a_far_event_waits_without_a_run_and_comes_when_due(redis_url: str, namespace: str) -> None:
    """Until then its run is pending and the event says when; a minute before, nothing has happened."""
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace) as here:
        sent = await here.client.send("reminder", "far", delay="3 days", id="far")
        await taken(here, "far")
        assert (await here.client.run(sent.run_id("listen"))).state == "pending"
        event = await here.client.event("far", name="reminder")
        assert event.due is not None
        assert timedelta(days=2, hours=23) < event.due - datetime.now(UTC) < timedelta(days=3, seconds=1)
        here.advance(3 * 86_400 - 60)
        await here.looked()
        assert seen == []
        here.advance(61)
        await here.state(sent.run_id("listen"), RunState.COMPLETED)
        again = await here.client.send("reminder", "again", delay="3 days", id="far")
        assert again.run_id("listen") == sent.run_id("listen")
        here.advance(4 * 86_400)
        last = await here.client.send("reminder", "last")
        await here.state(last.run_id("listen"), RunState.COMPLETED)
    assert [what for _, what in seen if what != "last"] == ["far"]


async def test_cancelled_events_never_come(redis_url: str, namespace: str) -> None:
    """Also one that no worker has taken from the stream yet when it is cancelled; cancelling again says no."""
    seen: Seen = []
    async with AsyncClient(redis_url, namespace=namespace, app="shop", timeout=15) as client:
        early = await client.send("reminder", "early", delay="1h", id="early")
        cancelling = asyncio.create_task(client.cancel_event("early", name="reminder"))
        async with live(listening(seen), redis_url, namespace) as here:
            assert await cancelling
            assert not await client.cancel_event("early", name="reminder")
            late = await client.send("reminder", "late", delay="1h", id="late")
            await taken(here, "late")
            assert await client.cancel_event("late")
            with pytest.raises(EventNotFound):
                await client.cancel_event("never sent", name="reminder")
            past = await client.send("reminder", "past", id="past")
            await here.state(past.run_id("listen"), RunState.COMPLETED)
            assert not await client.cancel_event("past", name="reminder")
            here.advance(7200)
            await here.looked()
            last = await here.client.send("reminder", "last")
            await here.state(last.run_id("listen"), RunState.COMPLETED)
            assert await here.client.runs(early) == await here.client.runs(late) == []
    assert [what for _, what in seen] == ["past", "last"]


async def test_rescheduled_events_come_at_their_new_time(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later or earlier: an idle worker hears of an earlier time, though it looks only when something is due."""
    monkeypatch.setattr(committer, "IDLE_PUMP", 3600.0)
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace) as here:
        later = await here.client.send("reminder", "later", delay="1h", id="later")
        sooner = await here.client.send("reminder", "sooner", delay="1h", id="sooner")
        await taken(here, "later")
        await taken(here, "sooner")
        assert await here.client.reschedule_event("later", delay="3h")
        begun = time.time()
        assert await here.client.reschedule_event("sooner", delay="300ms", name="reminder")
        assert await here.client.result(sooner.run_id("listen"), timeout=30) >= begun + 0.3 - 0.002
        assert not await here.client.reschedule_event("sooner", delay="1h", name="reminder")
        here.advance(2 * 3600)
        await here.looked()
        assert len(seen) == 1
        here.advance(3600 + 1)
        await here.state(later.run_id("listen"), RunState.COMPLETED)
    assert [what for _, what in seen] == ["sooner", "later"]


async def test_every_app_gets_a_delayed_event_once(redis_url: str, namespace: str, raw: Any) -> None:
    """Whichever takes it from the stream first, and also an app that lags until after it was due."""
    seen: Seen = []
    async with live(listening(seen, "slow"), redis_url, namespace):
        pass  # registered, and away
    async with (
        live(listening(seen, "shop"), redis_url, namespace, start_at="begin") as here,
        live(listening(seen, "mail"), redis_url, namespace, start_at="begin"),
    ):
        sent = await here.client.send("reminder", "one", delay=0.5)
        for app in ("shop", "mail"):
            await here.client.result(sent.run_id(f"{app}/listen"), timeout=30)
        async with live(listening(seen, "slow"), redis_url, namespace):
            await here.client.result(sent.run_id("slow/listen"), timeout=30)
            await until_async(lambda: _acknowledged(raw, Keys(namespace)))
    assert sorted(seen) == [("mail", "one"), ("shop", "one"), ("slow", "one")]


async def test_delayed_events_survive_restarts_of_everything(
    server_factory: ServerFactory, namespace: str, tmp_path: Path
) -> None:
    """Taken from the stream or not; due meanwhile or later; the server was killed and every worker is new."""
    server = server_factory(tmp_path, appendfsync="always")
    seen: Seen = []
    async with live(listening(seen), server.url, namespace) as here:
        soon = await here.client.send_many([NewEvent("reminder", n, delay="1h", id=f"soon{n}") for n in range(50)])
        far = await here.client.send("reminder", "far", delay="3h", id="far")
        await taken(here, "far")
    async with AsyncClient(server.url, namespace=namespace, app="shop") as client:
        untaken = await client.send("reminder", "untaken", delay="1h")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with live(listening(seen), server.url, namespace, offset_ms=2 * 3_600_000) as here:
        for receipt in (*soon, untaken):
            await here.state(receipt.run_id("listen"), RunState.COMPLETED)
        assert len(seen) == 51
        here.advance(3601)
        await here.state(far.run_id("listen"), RunState.COMPLETED)
    assert sorted(str(what) for _, what in seen) == sorted([*(str(n) for n in range(50)), "far", "untaken"])


async def test_an_invocation_may_be_delayed(redis_url: str, namespace: str) -> None:
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace) as here:
        handle = await here.client.invoke("listen", "invoked", delay="1h")
        assert (await here.client.run(handle.id)).state == "pending"
        here.advance(3601)
        await handle.result(timeout=30)
    assert seen == [("shop", "invoked")]


async def _acknowledged(raw: Any, keys: Keys) -> bool:
    return all(group["pending"] == group["lag"] == 0 for group in await raw.xinfo_groups(keys.events))
