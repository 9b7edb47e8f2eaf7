"""Plain concurrency limits with several workers: never exceeded, and reached (R34); measured outside of Redis."""

import asyncio
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bgjobs import App, AsyncClient, Concurrency, Context, NewEvent, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.conftest import StartWorker
from tests.worker.live import Live, live


class Overlap:
    """How many bodies run at a time, per key; and the most that ever did.

    Args:
        wanted: bodies of a key stay until so many of them were inside together, so that reaching a limit is no chance.
    """

    def __init__(self, wanted: dict[Any, int] | None = None) -> None:
        self.now: Counter[Any] = Counter()
        self.most: dict[Any, int] = defaultdict(int)
        self.done = 0
        self._wanted = wanted or {}
        self._reached: dict[Any, asyncio.Event] = defaultdict(asyncio.Event)

    @asynccontextmanager
    async def body(self, *keys: Any) -> AsyncIterator[None]:
        for key in keys:
            self.now[key] += 1
            self.most[key] = max(self.most[key], self.now[key])
        try:
            for key in self._wanted.keys() & keys:
                if self.now[key] == self._wanted[key]:
                    self._reached[key].set()
                await self._reached[key].wait()
            yield
            self.done += 1
        finally:
            for key in keys:
                self.now[key] -= 1


async def nothing_left(raw: Any, namespace: str) -> None:
    """No slot is held and nothing is parked."""

    async def drained() -> bool:
        return not [key async for key in raw.scan_iter(Keys(namespace)("[lb][cbkh]*")) if b":bell:" not in key]

    await until_async(drained)


async def all_completed(here: Live, runs: list[str]) -> None:
    for run in runs:
        await here.state(run, RunState.COMPLETED, timeout=30)


async def test_a_limit_holds_across_workers(redis_url: str, namespace: str, raw: Any) -> None:
    """Reached by two workers together, neither of which has the room to do it alone; exceeded by none."""
    overlap = Overlap({"all": 5})
    app = App("shop")

    @app.function("limited", on="go", concurrency=5)
    async def limited(ctx: Context[Any]) -> None:
        async with overlap.body("all"):
            await asyncio.sleep(0.005)

    async with (
        live(app, redis_url, namespace, concurrency=3) as one,
        live(app, redis_url, namespace, concurrency=3) as two,
    ):
        sent = await one.client.send_many([NewEvent("go", n) for n in range(300)])
        await all_completed(one, [each.run_id("limited") for each in sent])
        assert one.worker.runs_finished
        assert two.worker.runs_finished
        await nothing_left(raw, namespace)
    assert (overlap.most["all"], overlap.done) == (5, 300)


async def test_a_limit_per_key_and_one_for_all(redis_url: str, namespace: str, raw: Any) -> None:
    """Each customer has two slots, all together have six; all or nothing is taken."""
    overlap = Overlap({"all": 6, 7: 2, 8: 2})
    app = App("shop")

    @app.function(
        "limited", on="go", concurrency=[Concurrency(2, key="event.data.customer"), Concurrency(6, name="database")]
    )
    async def limited(ctx: Context[Any]) -> None:
        async with overlap.body("all", ctx.event.data["customer"]):
            await asyncio.sleep(0.005)

    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace):
        sent = await one.client.send_many([NewEvent("go", {"customer": n % 7, "n": n}) for n in range(300)])
        await all_completed(one, [each.run_id("limited") for each in sent])
        await nothing_left(raw, namespace)
        few = await one.client.send_many([NewEvent("go", {"customer": 7 + n % 2, "n": n}) for n in range(40)])
        await all_completed(one, [each.run_id("limited") for each in few])
        await nothing_left(raw, namespace)
    assert overlap.most["all"] == 6
    assert overlap.most[7] == overlap.most[8] == 2
    assert max(most for key, most in overlap.most.items() if key != "all") == 2


async def test_a_name_shares_a_limit_across_functions_and_apps(redis_url: str, namespace: str, raw: Any) -> None:
    overlap = Overlap({"api": 3})

    def sharing(app_id: str, *functions: str) -> App:
        app = App(app_id)
        for name in functions:

            @app.function(name, on="go", concurrency=Concurrency(3, name="payment-api"))
            async def limited(ctx: Context[Any]) -> None:
                async with overlap.body("api", ctx.function):
                    await asyncio.sleep(0.005)

        return app

    async with (
        live(sharing("shop", "charge", "refund"), redis_url, namespace) as one,
        live(sharing("billing", "charge"), redis_url, namespace) as two,
    ):
        sent = await one.client.send_many([NewEvent("go", n) for n in range(60)])
        for key in ("shop/charge", "shop/refund", "billing/charge"):
            await all_completed(two, [each.run_id(key) for each in sent])
        await nothing_left(raw, namespace)
    assert overlap.most["api"] == 3
    assert overlap.done == 180


async def test_a_waiting_run_holds_no_slot(redis_url: str, namespace: str, raw: Any) -> None:
    """Asleep, backing off or waiting for a child, it lets others in; coming back it queues again."""
    overlap = Overlap({"limited": 2, "child": 2})
    app = App("shop", backoff=60)

    @app.function("child", concurrency=2)
    async def child(ctx: Context[Any]) -> None:
        async with overlap.body("child"):
            await asyncio.sleep(0.002)

    @app.function("limited", on="go", concurrency=2)
    async def limited(ctx: Context[Any]) -> int:
        async def body() -> None:
            async with overlap.body("limited"):
                await asyncio.sleep(0.002)

        async def fails_once() -> None:
            async with overlap.body("limited"):
                if ctx.event.data not in tried:
                    tried.add(ctx.event.data)
                    raise ValueError("once")

        await ctx.step.run("before", body)
        await ctx.step.sleep("nap", "1h")
        await ctx.step.run("between", fails_once)
        await ctx.step.invoke("child", child)
        await ctx.step.run("after", body)
        return int(ctx.event.data)

    tried: set[Any] = set()
    number = 30
    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace) as two:
        sent = await one.client.send_many([NewEvent("go", n) for n in range(number)])
        runs = [each.run_id("limited") for each in sent]
        for run in runs:  # all of them sleep at the same time, though only two may run
            await one.state(run, RunState.WAITING, timeout=30)
        for turn in range(2):
            for here in (one, two):
                here.set_offset((turn + 1) * 3_700_000)
            await until_async(lambda: len(tried) == number, timeout=30)
            for run in runs:
                await one.state(run, RunState.COMPLETED if turn else RunState.WAITING, timeout=30)
        await nothing_left(raw, namespace)
    assert overlap.most == {"limited": 2, "child": 2}


async def test_the_slots_of_a_dead_worker_go_on_with_its_runs(redis_url: str, namespace: str, raw: Any) -> None:
    """Held until its lease is over, then by the same runs elsewhere: neither lost nor given twice."""
    overlap = Overlap()
    app = App("shop")
    stuck = asyncio.Event()

    @app.function("limited", on="go", concurrency=4)
    async def limited(ctx: Context[Any]) -> None:
        async with overlap.body("all"):
            if not stuck.is_set():
                await stuck.wait()
            await asyncio.sleep(0.002)

    async with live(app, redis_url, namespace, lease_ttl=1.5) as one:
        sent = await one.client.send_many([NewEvent("go", n) for n in range(100)])
        await until_async(lambda: overlap.now["all"] == 4)
        async with live(app, redis_url, namespace, lease_ttl=1.5) as two:
            await one.die()
            await until_async(lambda: overlap.now["all"] == 0)
            stuck.set()
            await all_completed(two, [each.run_id("limited") for each in sent])
            assert sum([(await two.client.run(each.run_id("limited"))).crashes for each in sent]) == 4
            await nothing_left(raw, namespace)
    assert (overlap.most["all"], overlap.done) == (4, 100)


async def test_a_changed_limit_holds_from_its_registration_on(redis_url: str, namespace: str, raw: Any) -> None:
    """R40: lowering takes no slot away and admits nobody until there is room; raising lets parked runs in at once."""
    overlap = Overlap()
    gate = asyncio.Event()

    def version(number: str, limit: int) -> App:
        app = App("shop", version=number)

        @app.function("limited", on="go", concurrency=limit)
        async def limited(ctx: Context[Any]) -> None:
            async with overlap.body("all"):
                await gate.wait()

        return app

    async with live(version("1", 2), redis_url, namespace) as one:
        sent = await one.client.send_many([NewEvent("go", n) for n in range(20)])
        await until_async(lambda: overlap.now["all"] == 2)
        async with live(version("2", 6), redis_url, namespace):
            await until_async(lambda: overlap.now["all"] == 6)
            async with live(version("3", 3), redis_url, namespace):
                assert overlap.now["all"] == 6
                gate.set()
                await all_completed(one, [each.run_id("limited") for each in sent])
                gate.clear()
                more = await one.client.send_many([NewEvent("go", n) for n in range(10)])
                await until_async(lambda: overlap.now["all"] == 3)
                overlap.most.clear()
                gate.set()
                await all_completed(one, [each.run_id("limited") for each in more])
        await nothing_left(raw, namespace)
    assert overlap.most["all"] <= 3
    assert overlap.done == 30


async def test_a_limit_holds_while_processes_are_killed(
    redis_url: str, namespace: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Two worker processes; one is killed with -9 in the middle: its runs go on elsewhere, within the limit."""
    file = tmp_path / "notes"
    workers = [start_worker("limited:app", lease_ttl="2s") for _ in range(2)]
    for worker in workers:
        await asyncio.to_thread(worker.wait_until_ready)
    async with AsyncClient(redis_url, namespace=namespace, app="limited") as client:
        sent = await client.send_many([NewEvent("three", {"file": str(file), "n": n}) for n in range(120)])
        killed: dict[int, float] = {}
        for worker in workers:
            before = len(_lines(file))
            await until_async(lambda seen=before: len(_lines(file)) > seen + 30, timeout=30)
            [pid] = worker.children()
            os.kill(pid, signal.SIGKILL)
            killed[pid] = time.monotonic()
        for receipt in sent:
            await client.result(receipt.run_id("three"), timeout=60)
    now = most = 0
    begun: Counter[int] = Counter()
    story = sorted([*_lines(file), *((moment, "killed", pid) for pid, moment in killed.items())])
    for _, word, pid in story:
        change = {"begin": 1, "end": -1, "killed": -begun[pid]}[word]
        begun[pid] += change
        now += change
        most = max(most, now)
    assert most == 3
    # At least: a process may be killed between the end of a body and its commit.
    assert sum(word == "end" for _, word, _ in story) >= 120


def _lines(file: Path) -> list[tuple[float, str, int]]:
    if not file.exists():
        return []
    whole = [line.split() for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [(float(moment), word, int(pid)) for moment, word, pid in whole]
