"""Rules that only show on a live worker: lost replies, bells, order, the guilty operation, what is left in Redis."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from bgjobs import App, Context, NewEvent, RunState
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.keys import Keys
from bgjobs.broker.transitions.call import Call
from bgjobs.worker.bell import BellWatch
from bgjobs.worker.capacity import Capacity
from bgjobs.worker.committer import LeaseState
from tests.broker.key_table import unknown_keys
from tests.broker.lossy_proxy import lossy
from tests.waiting import until_async
from tests.worker.live import live

GUILTY = "-".join(["the", "guilty", "one"])  # no line of this file that a traceback quotes contains it


async def test_a_worker_that_loses_replies(redis_url: str, namespace: str, raw: Any) -> None:
    """R17, R18, R25: leases it never heard of go back, operations sent twice count once, no slot is lost."""
    app = App("shop")
    bodies: Counter[tuple[str, int]] = Counter()
    ended: Counter[str] = Counter()
    dice = random.Random(5)
    losing = False

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> int:
        for step in range(3):
            await ctx.step.run(f"step-{step}", lambda step=step: bodies.update([(ctx.run_id, step)]))
        ended[ctx.run_id] += 1
        return len(ended)

    async with (
        lossy(redis_url, lambda: losing and dice.random() < 0.15) as proxy,
        live(app, proxy.url, namespace, concurrency=10) as here,
    ):
        losing = True
        receipts = await here.client.send_many([NewEvent("go", number) for number in range(100)])
        runs = [receipt.run_id("work") for receipt in receipts]
        await until_async(lambda: len(ended) == 100, timeout=60)
        losing = False
        for run in runs:
            await here.state(run, RunState.COMPLETED, timeout=20)
        committer = here.worker._incarnation.committer  # type: ignore[union-attr]
        capacity = here.worker._incarnation.capacity  # type: ignore[union-attr]
        await until_async(lambda: not committer.troubled and capacity.taken == 0)
        assert await raw.zcard(Keys(namespace)(f"in:{here.worker.incarnation}")) == 0
    assert proxy.lost > 10
    assert len(bodies) == 300
    assert set(bodies.values()) == {1}


async def test_runs_start_in_the_order_of_the_stream(redis_url: str, namespace: str, raw: Any) -> None:
    """R15: also those whose events arrived within one millisecond."""
    app = App("shop")
    order: list[int] = []

    @app.function("note", on="go", priority=1)  # so that all of them are ingested before the first starts
    async def note(ctx: Context[Any]) -> None:
        order.append(ctx.event.data)

    async with live(app, redis_url, namespace):
        pass
    async with raw.pipeline(transaction=True) as pipe:  # one moment for all of them
        for number in range(100):
            pipe.xadd(Keys(namespace).events, {"n": "go", "i": f"e{number}", "d": bytes([number])})
        entries = await pipe.execute()
    assert len({entry.partition(b"-")[0] for entry in entries}) < 50
    async with live(app, redis_url, namespace, concurrency=1):
        await until_async(lambda: len(order) == 100)
    assert order == sorted(order)


class Poked:
    """A committer that notes which bells it was told of."""

    bell_queues = ("shop:default",)

    def __init__(self) -> None:
        self.told: list[str] = []
        self.looked = asyncio.Event()
        self.looked.set()

    def poke(self) -> None:
        self.told.append("own")

    def ask(self) -> None:
        self.told.append("queue")


async def test_who_has_no_room_hears_only_its_own_bell(redis_url: str, namespace: str, raw: Any) -> None:
    """R24: the bell of a queue is left to somebody with room; each bell is followed by a call."""
    keys = Keys(namespace)
    capacity, poked = Capacity(1), Poked()
    blocking = Endpoint(redis_url).blocking_client()
    watch = BellWatch(blocking, keys, LeaseState("w1"), capacity, poked)  # type: ignore[arg-type]
    await raw.lpush(keys.bell("shop:default"), "1")
    capacity.reserve(1)
    capacity.settle(1, 1)
    waiting = asyncio.ensure_future(watch.tick())

    async def waits() -> bool:
        return waiting.done() or any("b" in client["flags"] for client in await raw.client_list())

    await until_async(waits)
    await raw.lpush(keys.personal_bell("w1"), "1")
    await waiting
    assert poked.told == ["own"]
    assert await raw.llen(keys.bell("shop:default")) == 1
    capacity.release()
    await watch.tick()
    assert poked.told == ["own", "queue"]
    assert await raw.llen(keys.bell("shop:default")) == 0
    await blocking.aclose()


async def test_an_operation_that_breaks_its_call_fails_alone(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R23: if a script errs as a whole, the call is halved until the guilty operation is found; the others count."""
    app = App("shop")
    barrier = asyncio.Barrier(30)

    @app.function("work", on="go", retries=0)
    async def work(ctx: Context[Any]) -> int:
        await barrier.wait()  # so that their operations share calls
        number = int(ctx.event.data)
        await ctx.step.run("step", lambda: GUILTY if number == 13 else "good")
        return number

    do: Callable[..., Any] = Broker.do
    refused = 0

    async def refusing(self: Broker, call: Call[Any]) -> Any:
        nonlocal refused
        if call.script == "pump" and GUILTY.encode() in call.argument:
            refused += 1
            raise ResponseError("ERR something that this script can't carry out")
        return await do(self, call)

    monkeypatch.setattr(Broker, "do", refusing)
    async with live(app, redis_url, namespace) as here:
        receipts = await here.client.send_many([NewEvent("go", number) for number in range(30)])
        for number, receipt in enumerate(receipts):
            if number == 13:
                info = await here.state(receipt.run_id("work"), RunState.FAILED)
                assert "can't carry out" in info.error.message
            else:
                assert await here.client.result(receipt.run_id("work"), timeout=30) == number
        assert 1 < refused < 15


async def test_everything_a_worker_writes_is_in_the_table_of_keys(redis_url: str, namespace: str) -> None:
    """R49: rows, types, and nothing else, after a bit of everything."""
    app = App("shop")

    @app.function("handler")
    async def handler(ctx: Context[Any]) -> None:
        return None

    @app.function("child")
    async def child(ctx: Context[Any]) -> str:
        return "child"

    @app.function("all", on=["go", "bgjobs/run.completed"], cron="0 8 * * *", retries=0, on_failure=handler)
    async def everything(ctx: Context[Any]) -> None:
        if ctx.event.name != "go":
            return
        await ctx.progress(10, "begun")
        await ctx.step.run("big", lambda: "x" * 100_000)
        await ctx.step.send_event("sent", "go-on", {"n": 1})
        await ctx.step.invoke("child", child)
        await asyncio.gather(
            ctx.step.sleep("hour", "1 hour"),
            ctx.step.wait_for_event("event", "paid", match="data.order", timeout="2 days"),
            ctx.step.wait_for_signal("signal", "s-1", timeout="2 days"),
        )
        raise ValueError("in the end")

    broker = Broker(Endpoint(redis_url), namespace)
    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go", {"order": 7})).run_id("all")
        await here.client.send("go", "later", delay="1 day")
        await here.state(run, RunState.WAITING)
        assert await unknown_keys(broker) == []
        await here.client.send("paid", {"order": 7})
        await until_async(lambda: here.client.signal("s-1"))
        here.advance(3_601)
        await here.state(run, RunState.FAILED)
        await here.client.signal("kept", keep="1 hour")
        assert await unknown_keys(broker) == []
    assert await unknown_keys(broker) == []
    await broker.aclose()
