"""Dynamic schedules on live workers: made, changed and deleted while they run; through restarts of everything."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, EventModel, ScheduleNotFound
from bgjobs.worker import committer
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.live import Live, live, offset_of

START = datetime(2031, 5, 9, 12, 0, 30, tzinfo=UTC)
Seen = list[tuple[str, Any]]


class Reminder(EventModel, name="reminder"):
    text: str


def listening(seen: Seen) -> App:
    """An app that notes the events it gets, by the tick in their id."""
    app = App("shop")

    @app.function("listen", on="reminder")
    async def listen(ctx: Context[Any]) -> None:
        name, _, tick = ctx.event.id.partition("@")
        when = datetime.fromtimestamp(int(tick) / 1000, UTC).strftime("%d %H:%M:%S") if tick else "now"
        seen.append((f"{name} {when}" if tick else when, ctx.event.data))

    return app


async def settled(here: Live, id: str) -> datetime:
    """When a schedule ticks next, once a worker has computed it."""

    async def known() -> datetime | None:
        return (await here.client.schedules.get(id)).next

    return await until_async(known)


async def test_a_cron_schedule_sends_its_event_at_its_ticks(redis_url: str, namespace: str) -> None:
    """In its zone; any worker of the namespace fires it; each tick is one event, however many workers race."""
    seen: Seen = []
    other = App("other")

    @other.function("nothing", on="nothing")
    async def nothing(ctx: Context[Any]) -> None: ...

    async with live(other, redis_url, namespace, at=START) as one, live(other, redis_url, namespace, at=START) as two:
        made = await one.client.schedules.create(
            "morning", cron="0 8 * * mon-fri", tz="Europe/Berlin", event=Reminder(text="good morning")
        )
        monday = datetime(2031, 5, 12, 6, tzinfo=UTC)  # the 9th is a Friday
        assert (made.next, made.event, made.data) == (monday, "reminder", {"text": "good morning"})
        assert await settled(one, "morning") == monday
        async with live(listening(seen), redis_url, namespace, at=START) as three:
            for count, day in enumerate((12, 13, 14, 15, 16, 19), 1):
                for here in (one, two, three):
                    here.set_time(datetime(2031, 5, day, 6, tzinfo=UTC))
                await until_async(lambda count=count: len(seen) == count)
            assert await settled(one, "morning") == datetime(2031, 5, 20, 6, tzinfo=UTC)
    assert [what for what, _ in seen] == [f"morning {day} 06:00:00" for day in (12, 13, 14, 15, 16, 19)]
    assert seen[0][1] == {"text": "good morning"}


async def test_an_interval_counts_from_its_creation(redis_url: str, namespace: str) -> None:
    """Late ticks do not shift those that follow; it can be looked at."""
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace, at=START) as here:
        await here.client.schedules.create("often", every="90s", event="reminder", data=1)
        first = await settled(here, "often")
        assert timedelta(seconds=85) < first - START < timedelta(seconds=100)
        here.set_time(first + timedelta(seconds=40))
        await until_async(lambda: len(seen) == 1)
        assert await settled(here, "often") == first + timedelta(seconds=90)
        info = await here.client.schedules.get("often")
        assert (info.every, info.cron, info.last, info.paused) == (90.0, None, first, False)
        here.set_time(first + timedelta(seconds=89))
        await here.looked()
        assert len(seen) == 1
        here.set_time(first + timedelta(seconds=91))
        await until_async(lambda: len(seen) == 2)
        assert [each.id for each in await here.client.schedules.list()] == ["often"]


async def test_pause_resume_run_now_replace_and_delete(redis_url: str, namespace: str) -> None:
    """A paused schedule makes up for nothing; its new self begins when it is replaced; a deleted one is gone."""
    seen: Seen = []
    async with live(listening(seen), redis_url, namespace, at=START) as here:
        schedules = here.client.schedules
        await schedules.create("hourly", cron="0 * * * *", event="reminder", data="old", missed="all")
        await settled(here, "hourly")
        assert await schedules.pause("hourly")
        assert not await schedules.pause("hourly")
        here.advance(3 * 3600)
        await here.looked()
        assert (await schedules.get("hourly")).paused
        assert seen == []
        receipt = await schedules.run_now("hourly")
        await until_async(lambda: seen == [("now", "old")])
        assert len(await here.client.runs(receipt)) == 1
        assert await schedules.resume("hourly")
        assert not await schedules.resume("hourly")
        assert (await settled(here, "hourly")).hour == 16
        assert (await schedules.get("hourly")).last is None
        here.advance(3600)
        await until_async(lambda: len(seen) == 2)
        assert seen[1] == ("hourly 09 16:00:00", "old")
        info = await schedules.get("hourly")
        assert (info.last, info.next) == (datetime(2031, 5, 9, 16, tzinfo=UTC), datetime(2031, 5, 9, 17, tzinfo=UTC))

        await schedules.create("hourly", cron="30 * * * *", event="reminder", data="new")
        assert (await settled(here, "hourly")).minute == 30
        here.advance(3600)
        await until_async(lambda: len(seen) == 3)
        assert seen[2] == ("hourly 09 16:30:00", "new")

        assert await schedules.delete("hourly")
        assert not await schedules.delete("hourly")
        here.advance(7200)
        await here.looked()
        assert await schedules.list() == []
        for verb in (schedules.get, schedules.pause, schedules.resume, schedules.run_now):
            with pytest.raises(ScheduleNotFound):
                await verb("hourly")
    assert len(seen) == 3


@pytest.mark.parametrize(("missed", "expected"), [("last", [16]), ("all", [13, 14, 15, 16]), ("skip", [])])
async def test_schedules_survive_restarts_of_everything(
    server_factory: ServerFactory, namespace: str, tmp_path: Path, missed: Any, expected: list[int]
) -> None:
    """The server killed, all workers gone; what came meanwhile is made up for as the policy says."""
    server = server_factory(tmp_path, appendfsync="always")
    seen: Seen = []
    async with AsyncClient(server.url, namespace=namespace) as client:  # before any worker was ever there
        await client.schedules.create("early", cron="@hourly", event="reminder", missed=missed)
        await client.schedules.create("paused", cron="@hourly", event="reminder", missed=missed)
        await client.schedules.pause("paused")
        await client.schedules.delete("early")
    async with live(listening(seen), server.url, namespace, at=START) as here:
        await here.client.schedules.create("hourly", cron="@hourly", event="reminder", missed=missed)
        await settled(here, "hourly")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with live(listening(seen), server.url, namespace, at=START + timedelta(hours=4, minutes=5)) as here:
        await until_async(lambda: _hour(here, "hourly", 17))
        await until_async(lambda: len(seen) == len(expected))
        assert sorted(what for what, _ in seen) == [f"hourly 09 {hour}:00:00" for hour in expected]
        here.set_time(datetime(2031, 5, 9, 17, 0, 5, tzinfo=UTC))
        await until_async(lambda: len(seen) == len(expected) + 1)
        assert [each.id for each in await here.client.schedules.list()] == ["hourly", "paused"]
        assert (await here.client.schedules.get("paused")).paused


async def test_a_schedule_made_before_any_worker_ticks_from_the_first_look_on(redis_url: str, namespace: str) -> None:
    """Nothing between its creation and the next tick is invented."""
    seen: Seen = []
    async with AsyncClient(redis_url, namespace=namespace) as client:
        client._requests.offset_ms = offset_of(START)
        await client.schedules.create("hourly", cron="@hourly", event="reminder")
    async with live(listening(seen), redis_url, namespace, at=START) as here:
        assert await settled(here, "hourly") == datetime(2031, 5, 9, 13, tzinfo=UTC)
        await here.looked()
        assert seen == []
        here.advance(3600)
        await until_async(lambda: seen)


async def _hour(here: Live, id: str, hour: int) -> bool:
    following = (await here.client.schedules.get(id)).next
    return following is not None and following.hour == hour


async def test_ticks_come_on_time(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never early, on workers that look only when something is due."""
    monkeypatch.setattr(committer, "IDLE_PUMP", 3600.0)
    late: list[float] = []
    app = App("shop")

    @app.function("listen", on="tick")
    async def listen(ctx: Context[Any]) -> None:
        late.append(time.time() - int(ctx.event.id.partition("@")[2]) / 1000)

    async with live(app, redis_url, namespace) as here, live(app, redis_url, namespace):
        await here.client.schedules.create("often", every="1s", event="tick")
        await until_async(lambda: len(late) == 4)
        await here.client.schedules.delete("often")
    assert min(late) >= 0
