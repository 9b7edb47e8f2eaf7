"""Throttles with real workers: no window has more starts than limit and burst, and none is wasted (R35)."""

import asyncio
from typing import Any

from bgjobs import App, Concurrency, Context, HoldReason, NewEvent, RunState, Throttle
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import Live, live


async def starts(here: Live, raw: Any, namespace: str, runs: list[str]) -> list[int]:
    """When they were leased first, ms of the server, in order."""
    found = [await raw.hget(Keys(namespace).run(run), "b") for run in runs]
    return sorted(int(each) for each in found if each is not None)


def most_in(moments: list[int], window: int) -> int:
    """The largest number of starts in any time of that length."""
    return max(sum(1 for other in moments if first <= other < first + window) for first in moments)


async def test_two_workers_keep_one_rate(redis_url: str, namespace: str, raw: Any) -> None:
    """100 a second and 5 at once: in no tenth of a second more than 10 + 5 start."""
    app = App("shop")

    @app.function("mail", on="go", throttle=Throttle(100, 1, burst=5))
    async def mail(ctx: Context[Any]) -> None:
        await asyncio.sleep(0)

    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace):
        sent = await one.client.send_many([NewEvent("go", n) for n in range(80)])
        runs = [each.run_id("mail") for each in sent]
        for run in runs:
            await one.state(run, RunState.COMPLETED, timeout=30)
        moments = await starts(one, raw, namespace, runs)
        assert most_in(moments, 100) <= 15
        assert most_in(moments, 500) <= 55
        # The whole takes what the rate says, and no tick was missed by more than it takes to look.
        assert moments[-1] - moments[0] >= 740


async def test_a_standstill_is_not_made_up_for(redis_url: str, namespace: str, raw: Any) -> None:
    """R35: after an hour in which no worker looked, no more than the burst starts at once; `why` tells when."""
    app = App("shop")
    begun: list[int] = []

    @app.function("mail", on="go", throttle=Throttle(1, "1 minute", burst=3, key="event.data.to"))
    async def mail(ctx: Context[Any]) -> None:
        begun.append(ctx.event.data["n"])

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many([NewEvent("go", {"n": n, "to": "ada"}) for n in range(9)])
        runs = [each.run_id("mail") for each in sent]
        await until_async(lambda: len(begun) == 3)
        told = await here.client.why(runs[5])
        assert told.holds[0].reason == HoldReason.THROTTLE
        assert told.holds[0].ahead == 2
        assert told.summary.startswith("the throttle of shop/mail per event.data.to ('ada') holds it")
        first = await starts(here, raw, namespace, runs[:3])
        assert told.holds[0].due is not None
        assert told.holds[0].due.timestamp() * 1000 - first[0] >= 3 * 60_000 - 1_000
        here.advance(3600)
        await until_async(lambda: len(begun) == 6)
        await here.looked()
        assert begun == [0, 1, 2, 3, 4, 5]
        here.advance(60)
        await until_async(lambda: len(begun) == 7)
        here.advance(120)
        await until_async(lambda: len(begun) == 9)
        for run in runs:
            await here.state(run, RunState.COMPLETED)
        assert begun == list(range(9))
        assert [key async for key in raw.scan_iter(Keys(namespace)("[lb][cbkh]*")) if b":bell:" not in key] == []


async def test_a_throttle_with_limits_that_are_held(redis_url: str, namespace: str) -> None:
    """`hold=True`: asleep, a run keeps its place, so that never more than two are under way."""
    app = App("shop")
    under_way: set[int] = set()
    most = 0

    @app.function("rent", on="go", concurrency=Concurrency(2, hold=True), throttle=Throttle(10, "1 minute", burst=10))
    async def rent(ctx: Context[Any]) -> None:
        nonlocal most
        under_way.add(ctx.event.data)
        most = max(most, len(under_way))
        await ctx.step.sleep("a night", "8h")
        under_way.discard(ctx.event.data)

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many([NewEvent("go", n) for n in range(6)])
        runs = [each.run_id("rent") for each in sent]
        for turn in range(3):
            for run in runs[2 * turn : 2 * turn + 2]:
                await here.state(run, RunState.WAITING)
            await here.looked()
            assert len(under_way) == 2
            here.advance(8 * 3600)
            for run in runs[2 * turn : 2 * turn + 2]:
                await here.state(run, RunState.COMPLETED)
    assert most == 2
