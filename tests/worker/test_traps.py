"""Traps that other job systems fell into, on live workers."""

import asyncio
import random
from typing import Any

import pytest
import redis.asyncio

from bgjobs import App, AsyncClient, BgjobsError, Concurrency, Context, NewEvent, RunState
from bgjobs.broker.keys import Keys
from tests.servers import ServerFactory, unused_port
from tests.waiting import until_async
from tests.worker.command_count import CommandCount
from tests.worker.live import live

AWKWARD = ["*", "a b", "a|b", "a:b", "a/b", "", ".", "@run", "p:", "c:a:0", "\0", "{x}", "0", 0, True, None, 1.5, "ünï"]


async def test_a_server_that_was_a_replica_for_a_while(server_factory: ServerFactory, namespace: str) -> None:
    """Healthy and deaf after a failover: READONLY is no end; when the server may write again, everything goes on."""
    server = server_factory(tcp=True)
    app = App("shop")
    bodies: list[int] = []

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> int:
        first = await ctx.step.run("first", lambda: bodies.append(1) or 1)
        await ctx.step.sleep("pause", 1.0)
        return first + await ctx.step.run("second", lambda: bodies.append(2) or 1)

    control = redis.asyncio.Redis.from_url(server.url)
    async with live(app, server.url, namespace) as here:
        runs = [
            receipt.run_id("work") for receipt in await here.client.send_many([NewEvent("go", n) for n in range(20)])
        ]
        await until_async(lambda: bodies.count(1) == 20)
        await control.replicaof("127.0.0.1", str(unused_port()))
        committer = here.worker._incarnation.committer  # type: ignore[union-attr]
        committer.poke()
        await until_async(lambda: committer.troubled)
        with pytest.raises(BgjobsError):
            async with AsyncClient(server.url, namespace=namespace, timeout=0.2) as impatient:
                await impatient.send("go")
        await control.replicaof("NO", "ONE")
        for run in runs:
            assert await here.client.result(run, timeout=30) == 2
        new = await here.client.send("go")
        assert await here.client.result(new.run_id("work"), timeout=30) == 2
    await control.aclose()
    assert (bodies.count(1), bodies.count(2)) == (21, 21)


async def test_a_full_server(server_factory: ServerFactory, namespace: str) -> None:
    """Redis full, so that even acknowledgements fail: what runs ends, sends are refused, what was read is kept."""
    server = server_factory(maxmemory_policy="noeviction")
    app = App("shop")
    gate = asyncio.Event()

    @app.function("slow", on="slow")
    async def slow(ctx: Context[Any]) -> str:
        await gate.wait()
        return await ctx.step.run("last", lambda: "done")

    @app.function("quick", on="quick")
    async def quick(ctx: Context[Any]) -> str:
        return "quick"

    control = redis.asyncio.Redis.from_url(server.url)
    async with live(app, server.url, namespace) as here:
        running = [await here.client.send("slow", n) for n in range(5)]
        for receipt in running:
            await here.state(receipt.run_id("slow"), RunState.RUNNING)
        async with control.pipeline(transaction=True) as full:  # the event is read when nothing fits any more
            full.xadd(Keys(namespace).events, {"n": "quick", "i": "q-1", "d": b"\xc0"})
            full.config_set("maxmemory", "1mb")
            await full.execute()

        def refused() -> bool:
            samples = (sample for family in here.metrics.registry.collect() for sample in family.samples)
            return any(sample.value for sample in samples if sample.name == "bgjobs_redis_errors_total")

        await until_async(refused)
        assert (await control.xpending(Keys(namespace).events, "shop"))["pending"] == 1
        gate.set()
        for receipt in running:
            assert await here.client.result(receipt.run_id("slow"), timeout=30) == "done"
        async with AsyncClient(server.url, namespace=namespace, timeout=0.3) as impatient:
            with pytest.raises(BgjobsError, match=r"memory|full|OOM"):
                await impatient.send("quick")
        await control.config_set("maxmemory", "0")
        [run] = await until_async(lambda: here.client.runs("q-1", name="quick"))
        assert await here.client.result(run.id, timeout=20) == "quick"
        assert (await control.xpending(Keys(namespace).events, "shop"))["pending"] == 0
    await control.aclose()


async def test_a_worker_with_far_timers_asks_little(server_factory: ServerFactory, namespace: str) -> None:
    """Idle polling: what is due in an hour, or waits for an event, costs no command before."""
    server = server_factory()
    app = App("shop")

    @app.function("nap", on="nap")
    async def nap(ctx: Context[Any]) -> None:
        await asyncio.gather(
            ctx.step.sleep("hour", "1 hour"), ctx.step.wait_for_event("news", "news", timeout="1 hour")
        )

    async with live(app, server.url, namespace) as here:
        runs = [(await here.client.send("nap")).run_id("nap") for _ in range(50)]
        for run in runs:
            await here.state(run, RunState.WAITING)
        loop = asyncio.get_running_loop()
        with CommandCount(server.url) as count:
            end = loop.time() + 2.5
            await until_async(lambda: loop.time() > end)
            spent = count.sent
    assert spent < 2 * 2.5, count.by_name


async def test_cancellation_breaks_no_connection(redis_url: str, namespace: str) -> None:
    """Cancelling code that waits for Redis leaves its reply to the next who asks: here user code touches no socket."""
    app = App("shop")
    chance = random.Random(3)
    results: dict[int, int] = {}

    @app.function("work", on="go", timeout=0.2, retries=0)
    async def work(ctx: Context[Any]) -> int:
        number = int(ctx.event.data)
        total = 0
        for step in range(3):
            limit = chance.random() * 0.004
            try:
                async with asyncio.timeout(limit):  # in the middle of commits
                    await asyncio.sleep(limit / 2)
                    total += await ctx.step.run(f"step-{step}", lambda: number)
            except TimeoutError:
                total += await ctx.step.run(f"again-{step}", lambda: number)
        results[number] = total
        return total

    async with live(app, redis_url, namespace) as here:
        events = [NewEvent("go", number) for number in range(1, 201)]
        runs = [receipt.run_id("work") for receipt in await here.client.send_many(events)]
        cancelled = runs[::4]
        await asyncio.gather(*(here.client.cancel(run) for run in cancelled))
        for number, run in enumerate(runs, 1):
            info = await until_async(lambda run=run: _ended(here.client, run))
            if info.state is RunState.COMPLETED:
                assert await here.client.result(run) == results[number] == 3 * number
            else:
                assert info.state in (RunState.CANCELLED, RunState.FAILED)
        after = await here.client.send("go", 7)
        assert await here.client.result(after.run_id("work"), timeout=30) == 21


async def _ended(client: AsyncClient, run: str) -> Any:
    info = await client.run(run)
    return info if info.state in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED) else None


async def test_awkward_keys_are_just_values(redis_url: str, namespace: str) -> None:
    """A user's key that collides with a wildcard, a separator or another type: each value has slots of its own."""
    app = App("shop")
    barrier = asyncio.Barrier(len(AWKWARD))

    @app.function("one", on="go", concurrency=Concurrency(1, key="event.data.key"))
    async def one(ctx: Context[Any]) -> str:
        await barrier.wait()
        return repr(ctx.event.data["key"])

    async with live(app, redis_url, namespace) as here:
        events = [NewEvent("go", {"key": key}) for key in AWKWARD]
        receipts = await here.client.send_many(events)
        for key, receipt in zip(AWKWARD, receipts, strict=True):
            assert await here.client.result(receipt.run_id("one"), timeout=30) == repr(key)


async def test_awkward_step_and_signal_names(redis_url: str, namespace: str) -> None:
    """Step ids, signals and values waited for with everything in them that separates words in keys and timers."""
    app = App("shop")
    names = [each for each in AWKWARD if isinstance(each, str) and each and each[0] not in "@\0"]

    @app.function("all", on="go")
    async def everything(ctx: Context[Any]) -> list[Any]:
        for name in names:
            assert await ctx.step.run(name, lambda name=name: name) == name
        await asyncio.gather(*(ctx.step.sleep(f"{name} sleep", "1 hour") for name in names))
        given = await asyncio.gather(
            *(ctx.step.wait_for_signal(f"{name} signal", f"{ctx.run_id}|{name}") for name in names)
        )
        return list(given)

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("all")
        await here.state(run, RunState.WAITING)
        here.advance(3_601)
        for name in names:
            await until_async(lambda name=name: here.client.signal(f"{run}|{name}", name))
        assert await here.client.result(run, timeout=30) == names


async def test_names_that_begin_alike(redis_url: str, namespace: str, raw: Any) -> None:
    """Apps and functions whose ids begin with each other's, and patterns: nothing of one is taken for the other's."""
    ran: list[str] = []
    apps = [App("shop"), App("shop.a"), App("shop-a")]
    for app in apps:
        for function, on in (("f", "order"), ("f.f", "order/*"), ("f-f", "order/created")):

            @app.function(function, on=on)
            async def note(ctx: Context[Any], name: str = f"{app.id}/{function}") -> None:
                ran.append(name)

    keys = Keys(namespace)
    async with (
        live(apps[0], redis_url, namespace) as here,
        live(apps[1], redis_url, namespace, start_at="begin"),
        live(apps[2], redis_url, namespace, start_at="begin"),
    ):
        await here.client.send("order")
        await until_async(lambda: len(ran) == 3)
        assert sorted(ran) == ["shop-a/f", "shop.a/f", "shop/f"]
        await here.client.send("order/created")
        await until_async(lambda: len(ran) == 9)
        # Raw entries with the name of a pattern are no events.
        for name in ("*", "order/*", "order/", "", "order|created"):
            await raw.xadd(keys.events, {"n": name, "d": b"\xc0"})
        await until_async(lambda: _letters(here.client, 15))
        last = await here.client.send("order/x")
        await here.state(last.run_id("shop/f.f"), RunState.COMPLETED)
        await until_async(lambda: len(ran) == 12)
    assert {ran.count(name) for name in ran if name.endswith("/f")} == {1}


async def _letters(client: AsyncClient, count: int) -> bool:
    return len(await client.dead_letters.list(limit=100)) == count


async def test_no_two_starts_share_an_id(redis_url: str, namespace: str) -> None:
    """An id derived from the pod's name, or from the process id, belongs to the pod before as well."""
    app = App("shop")
    seen = set()
    for _ in range(3):
        async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace) as other:
            seen |= {one.worker.incarnation, other.worker.incarnation}
    assert len(seen) == 6
