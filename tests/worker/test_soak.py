"""Everything at once: steps, sleeps, waits, children, limits, failures, cancels, replays and dying workers."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ResponseError

from bgjobs import App, Concurrency, Context, NewEvent, RunState, StepFailed
from bgjobs.broker.errors import RunNotFound
from bgjobs.broker.inspect.registry import read_registry
from tests.broker.driver import Driver
from tests.broker.places import complaints
from tests.waiting import until_async
from tests.worker.live import Live, live

ORDERS = 150


def shop(chance: random.Random, bodies: Counter[str]) -> App:
    """An app whose orders do a bit of everything."""
    app = App("shop", backoff=0.05, retries=6)

    def work(ctx: Context[Any]) -> Callable[[], Awaitable[str]]:
        async def body() -> str:
            await asyncio.sleep(chance.random() / 100)
            if chance.random() < 0.2:
                raise ConnectionError("flaky")
            bodies[ctx.step.key] += 1
            return ctx.step.key

        return body

    @app.function("child", concurrency=Concurrency(4, name="database"))
    async def child(ctx: Context[Any]) -> Any:
        return await ctx.step.run("work", work(ctx))

    @app.function("order", on="order/created", concurrency=[Concurrency(10), Concurrency(2, key="event.data.customer")])
    async def order(ctx: Context[Any]) -> Any:
        number = ctx.event.data["order"]
        await ctx.step.run("charge", work(ctx))
        await ctx.step.sleep("pause", 0.3)
        results = await asyncio.gather(
            ctx.step.run("pack", work(ctx)),
            ctx.step.invoke("child", child, {"order": number}),
            ctx.step.wait_for_event("paid", "order/paid", match="data.order", timeout="1h"),
        )
        await ctx.step.send_event("tell", "order/done", {"order": number})
        if number % 10 == 0:
            raise ValueError("a bad order")
        return results[0]

    @app.function("done", on="order/done", concurrency=Concurrency(4, name="database"))
    async def done(ctx: Context[Any]) -> None:
        with contextlib.suppress(StepFailed):
            await ctx.step.run("work", work(ctx))

    return app


async def test_nothing_is_lost_and_all_is_tidy(redis_url: str, namespace: str) -> None:
    """Every run ends; afterwards each record is in its place, and nothing else is left."""
    chance = random.Random(7)
    bodies: Counter[str] = Counter()
    app = shop(chance, bodies)
    async with contextlib.AsyncExitStack() as stack:
        workers: list[Live] = []

        async def start() -> Live:
            worker = await stack.enter_async_context(live(app, redis_url, namespace, lease_ttl=1.5, concurrency=15))
            workers.append(worker)
            return worker

        first = await start()
        await start()
        await start()
        client = first.client
        driver = Driver(first.worker.broker)

        async def moved_on(before: int) -> bool:
            """Twenty more bodies have run; or there is nothing that could."""
            if sum(bodies.values()) > before + 20:
                return True
            keys = [key async for key in driver.raw.scan_iter(driver.keys("[qi]*"), count=1000)]
            return not [key for key in keys if b":q:" in key or b":in:" in key]

        async def cancel(run: str) -> bool:
            """Once it is there: the worker that died may have taken its event along, until somebody takes it over."""
            with contextlib.suppress(RunNotFound):
                await client.cancel(run)
                return True
            return False

        sent = await client.send_many(
            [NewEvent("order/created", {"order": n, "customer": n % 9}, id=f"o{n}") for n in range(ORDERS)]
        )
        orders = [receipt.run_id("order") for receipt in sent]
        cancelled = {orders[n] for n in range(5, ORDERS, 29)}
        for turn in range(6):
            await client.send_many([NewEvent("order/paid", {"order": n}) for n in range(turn, ORDERS, 6)])
            doomed = workers.pop(chance.randrange(len(workers)))
            await doomed.die()
            await start()
            for run in list(cancelled)[turn::6]:
                await until_async(lambda run=run: cancel(run), timeout=40)
            before = sum(bodies.values())
            await until_async(lambda seen=before: moved_on(seen), timeout=20)

        async def paid() -> bool:
            """Waits that began after their event came need another one."""
            await client.send_many([NewEvent("order/paid", {"order": n}) for n in range(ORDERS)])
            infos = [await client.run(run) for run in orders]
            return all(info.done for info in infos)

        await until_async(paid, timeout=60)
        states = Counter([(await client.run(run)).state for run in orders])
        assert states[RunState.CANCELLED] <= len(cancelled)
        assert states[RunState.FAILED] >= ORDERS // 10 - len(cancelled)

        async def idle() -> bool:
            try:
                stored = await driver.stored()
            except ResponseError:
                return False  # a key has changed its type while they were read
            return not [name for name in stored if name.startswith(("q:", "qs:", "wt:", "bk:", "lc:", "dl", "in:"))]

        await until_async(idle, timeout=30)
        registry = await read_registry(driver.raw, driver.keys, "shop")
        assert registry.definitions.keys() == set(app.functions)
        limits = {name.decode(): int(limit) for name, limit in (await driver.raw.hgetall(driver.keys("lm"))).items()}
        assert await complaints(driver, limits) == []
        assert [name for name in await driver.stored() if name.startswith(("w:", "wn", "bad", "po:"))] == []
        for info in await client.list_runs(limit=1000):
            for step in await client.steps(info.id):
                assert step.state != "waiting", (info, step)
