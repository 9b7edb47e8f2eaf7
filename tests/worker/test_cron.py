"""Cron entries of functions: zones, missed ticks, changes, and many workers at one tick (R57)."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import bgjobs
from bgjobs import App, Context
from bgjobs.broker.keys import Keys
from bgjobs.broker.timetable import MissedPolicy
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.live import Live, live

BERLIN = ZoneInfo("Europe/Berlin")
Ticks = list[datetime]


def ticking(ticks: Ticks, cron: str, *, tz: str = "UTC", missed: MissedPolicy = "last", **options: Any) -> App:
    """An app whose function notes the ticks that it is run for."""
    app = App("shop", **options)

    @app.function("report", cron=bgjobs.Cron(cron, tz=tz, missed=missed))
    async def report(ctx: Context[Any]) -> None:
        assert ctx.event.name == "bgjobs/cron"
        assert ctx.event.data["cron"] == cron
        ticks.append(ctx.event.data["tick"])

    return app


async def next_tick(here: Live) -> datetime:
    """When the one entry of the namespace ticks next."""
    [(_, tick)] = await here.worker.broker.client.zrange(here.worker.broker.keys("cr"), 0, -1, withscores=True)
    return datetime.fromtimestamp(tick / 1000, UTC)


async def through(here: Live, ticks: Ticks, times: int) -> None:
    """Let the next ticks come, one after another."""
    for _ in range(times):
        before, reached = len(ticks), await next_tick(here)
        here.set_time(reached - timedelta(seconds=60))
        await here.looked()
        assert len(ticks) == before
        here.set_time(reached)
        await until_async(lambda seen=before: len(ticks) == seen + 1)
        assert ticks[-1] == reached


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (
            datetime(2031, 3, 28, 12, tzinfo=UTC),  # clocks go forward on the 30th: 02:30 does not exist
            ["2031-03-29T02:30:00+01:00", "2031-03-30T03:00:00+02:00", "2031-03-31T02:30:00+02:00"],
        ),
        (
            datetime(2031, 10, 24, 12, tzinfo=UTC),  # clocks go back on the 26th: 02:30 comes twice
            ["2031-10-25T02:30:00+02:00", "2031-10-26T02:30:00+02:00", "2031-10-27T02:30:00+01:00"],
        ),
    ],
    ids=["spring", "autumn"],
)
async def test_a_wall_clock_time_ticks_once_a_day(
    redis_url: str, namespace: str, start: datetime, expected: list[str]
) -> None:
    """In the zone of the entry, also on the days when its clocks change; never early."""
    ticks: Ticks = []
    async with live(ticking(ticks, "30 2 * * *", tz="Europe/Berlin"), redis_url, namespace, at=start) as here:
        await through(here, ticks, 3)
    assert [tick.astimezone(BERLIN).isoformat() for tick in ticks] == expected


@pytest.mark.parametrize(
    ("missed", "expected"),
    [("last", ["15T08:00"]), ("all", [f"{day}T08:00" for day in (11, 12, 13, 14, 15)]), ("skip", [])],
)
async def test_ticks_that_came_while_everything_was_down(
    server_factory: ServerFactory, namespace: str, tmp_path: Path, missed: MissedPolicy, expected: list[str]
) -> None:
    """The policy says which of them are made up for; the server itself was killed and restarted meanwhile."""
    server = server_factory(tmp_path, appendfsync="always")
    ticks: Ticks = []
    app = ticking(ticks, "0 8 * * *", missed=missed)
    async with live(app, server.url, namespace, at=datetime(2031, 5, 9, 12, tzinfo=UTC)) as here:
        await through(here, ticks, 1)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    ticks.clear()
    async with live(app, server.url, namespace, at=datetime(2031, 5, 15, 20, tzinfo=UTC)) as here:
        next_one = datetime(2031, 5, 16, 8, tzinfo=UTC)
        await until_async(lambda: _equals(next_tick(here), next_one))
        await until_async(lambda: len(ticks) == len(expected))
        assert [tick.strftime("%dT%H:%M") for tick in ticks] == expected
        await through(here, ticks, 1)
        assert ticks[-1] == next_one


async def test_a_tick_is_one_run_however_many_workers_race(redis_url: str, namespace: str) -> None:
    """R57: one compare-and-set wins; the other workers start nothing."""
    ticks: Ticks = []
    app = ticking(ticks, "*/5 * * * *")
    start = datetime(2031, 5, 9, 12, 1, tzinfo=UTC)
    async with (
        live(app, redis_url, namespace, at=start) as one,
        live(app, redis_url, namespace, at=start) as two,
        live(app, redis_url, namespace, at=start) as three,
    ):
        for turn in range(1, 31):
            for here in (one, two, three):
                here.set_time(start + timedelta(minutes=5 * turn))
            await until_async(lambda count=turn: len(ticks) >= count)
        runs = await one.client.list_runs(function="report", limit=1000)
        assert len(runs) == 30
        assert {run.kind for run in runs} == {"cron"}
    assert sorted(ticks) == [
        datetime(2031, 5, 9, 12, tzinfo=UTC) + timedelta(minutes=5 * turn) for turn in range(1, 31)
    ]


async def test_another_expression_and_another_policy(redis_url: str, namespace: str) -> None:
    """A changed expression ticks from now on, the old one no more; a changed policy keeps the entry."""
    ticks: Ticks = []
    start = datetime(2031, 5, 9, 12, tzinfo=UTC)
    async with live(ticking(ticks, "0 8 * * *", version="1"), redis_url, namespace, at=start) as here:
        assert await next_tick(here) == datetime(2031, 5, 10, 8, tzinfo=UTC)
    later = datetime(2031, 5, 10, 9, tzinfo=UTC)  # the tick at 8 was missed
    async with live(ticking(ticks, "0 8 * * *", missed="all", version="2"), redis_url, namespace, at=later) as here:
        await until_async(lambda: ticks == [datetime(2031, 5, 10, 8, tzinfo=UTC)])
    async with live(ticking(ticks, "0 7 * * *", version="3"), redis_url, namespace, at=later) as here:
        assert await next_tick(here) == datetime(2031, 5, 11, 7, tzinfo=UTC)
        await through(here, ticks, 2)
    assert [tick.hour for tick in ticks] == [8, 7, 7]


async def test_a_removed_function_ticks_no_more(redis_url: str, namespace: str, raw: Any) -> None:
    """R9, R57: and ticks again from its return on, without making up for its absence."""
    ticks: Ticks = []
    keys = Keys(namespace)
    start = datetime(2031, 5, 9, 12, tzinfo=UTC)
    async with live(ticking(ticks, "0 8 * * *", version="1"), redis_url, namespace, at=start):
        assert await raw.zcard(keys("cr")) == 1
    without = App("shop", version="2")
    other: Counter[str] = Counter()

    @without.function("other", cron="0 9 * * *")
    async def other_function(ctx: Context[Any]) -> None:
        other["ticks"] += 1

    async with live(without, redis_url, namespace, at=start) as here:
        here.set_time(start + timedelta(days=3))
        await until_async(lambda: other["ticks"] == 1)
        assert ticks == []
    back = start + timedelta(days=3)
    async with live(ticking(ticks, "0 8 * * *", missed="all", version="3"), redis_url, namespace, at=back) as here:
        assert await next_tick(here) == datetime(2031, 5, 13, 8, tzinfo=UTC)
        await through(here, ticks, 1)
    assert ticks == [datetime(2031, 5, 13, 8, tzinfo=UTC)]


async def test_an_entry_waits_for_the_workers_of_its_function(redis_url: str, namespace: str) -> None:
    """R57: workers of another deployment of the app do not fire it; at most one tick is made up for."""
    ticks: Ticks = []
    start = datetime(2031, 5, 9, 12, tzinfo=UTC)
    app = ticking(ticks, "0 8 * * *", deployment="reports")
    async with live(app, redis_url, namespace, at=start):
        pass
    elsewhere = App("shop", deployment="web")
    hourly: list[Any] = []

    @elsewhere.function("hourly", cron="0 * * * *")
    async def run_hourly(ctx: Context[Any]) -> None:
        hourly.append(ctx.event.data["tick"])

    async with live(elsewhere, redis_url, namespace, at=start) as here:
        here.set_time(start + timedelta(days=2))
        await until_async(lambda: hourly)
        assert await here.client.list_runs(function="report") == []
        async with live(app, redis_url, namespace, at=start + timedelta(days=2)):
            await until_async(lambda: ticks)
    assert ticks == [datetime(2031, 5, 11, 8, tzinfo=UTC)]


async def _equals(given: Any, expected: Any) -> bool:
    return bool(await given == expected)
