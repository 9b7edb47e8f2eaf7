"""Entries that were read and never acknowledged: whoever read them, they are ingested, or buried, once (R11)."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from bgjobs import App, Context, RunState
from bgjobs.broker import ids
from bgjobs.broker.keys import Keys
from bgjobs.broker.model import IngestEvent
from bgjobs.broker.stream import StreamReader
from bgjobs.broker.transitions import trim
from bgjobs.worker.takeover import TakeOver
from tests.broker.conftest import broker, driver
from tests.broker.driver import Driver
from tests.waiting import until_async
from tests.worker.live import live

__all__ = ["broker", "driver"]


@dataclass
class Recorder:
    """Stands for the decider and the ingester: notes what would be ingested in one call."""

    able: bool = True
    interrupted: bool = False
    calls: list[list[IngestEvent]] = field(default_factory=list)
    driver: Driver | None = None

    def event(self, stream_id: bytes, fields: dict[bytes, bytes]) -> IngestEvent:
        assert self.driver is not None
        return self.driver.event(stream_id, fields)

    def bury(self, stream_id: bytes, fields: dict[bytes, bytes], why: str) -> IngestEvent:
        event = self.event(stream_id, fields)
        event.bad = why
        return event

    async def ingest(self, events: list[IngestEvent]) -> None:
        if events:
            self.calls.append(events)


async def overdue(driver: Driver, deliveries: int) -> str:
    """An event that somebody who died was given so often; its id."""
    sent = await driver.send()
    ((_, ((entry, _),)),) = await driver.raw.xreadgroup(driver.app, "dead", {driver.keys.events: ">"})
    await driver.raw.xclaim(
        driver.keys.events, driver.app, "dead", 0, [entry], idle=20_000, retrycount=deliveries, justid=True
    )
    return sent


async def test_what_was_delivered_often_goes_alone_or_to_the_dead_letters(driver: Driver) -> None:
    """R11: with the third delivery in a call of its own; with the sixth it is buried."""
    once, twice, often, more = [await overdue(driver, number) for number in (1, 1, 2, 5)]
    recorder = Recorder(driver=driver)
    blocking = driver.broker.endpoint.blocking_line()
    reader = StreamReader(blocking, driver.raw, driver.keys, app="shop", consumer="w1")
    await TakeOver(reader, recorder, recorder).tick()  # type: ignore[arg-type]
    calls = [[(event.id, bool(event.bad)) for event in call] for call in recorder.calls]
    assert sorted(calls, key=len) == [[(often, False)], [(more, True)], [(once, False), (twice, False)]]
    recorder.calls.clear()
    await TakeOver(reader, recorder, recorder).tick()  # type: ignore[arg-type]
    assert recorder.calls == []  # they are this worker's now, for as long
    blocking.close()


async def test_an_event_that_can_never_be_ingested_is_buried(redis_url: str, namespace: str, raw: Any) -> None:
    """R11: its script errs each time; the others of its batch are ingested, and in the end it is a dead letter."""
    app = App("shop")

    @app.function("seen", on="seen")
    async def seen(ctx: Context[Any]) -> str:
        return "seen"

    keys = Keys(namespace)
    async with live(app, redis_url, namespace) as here:
        await raw.set(keys("e:" + ids.event_key("seen", "bad")), "not a hash")  # nothing of ours writes this
        await raw.xadd(keys.events, {"n": "seen", "i": "bad", "d": b"\xc5\x07\xd0" + bytes(2000)})
        await raw.xadd(keys.events, {"n": "seen", "i": "good", "d": b"\xc0"})
        [good] = await until_async(lambda: here.client.runs("good", name="seen"))
        assert await here.client.result(good.id, timeout=30) == "seen"
        [pending] = await raw.xpending_range(keys.events, "shop", min="-", max="+", count=10)
        entry = pending["message_id"]
    await raw.xclaim(keys.events, "shop", "dead", 0, [entry], idle=20_000, retrycount=5, justid=True)
    async with live(app, redis_url, namespace) as here:
        [letter] = await until_async(here.client.dead_letters.list)
        assert (letter.kind, letter.event_id) == ("event", "bad")
        assert "6 times" in letter.error.message
        assert (await raw.xpending(keys.events, "shop"))["pending"] == 0


async def test_a_worker_at_rest_takes_over(redis_url: str, namespace: str, raw: Any) -> None:
    """R11: one that waits for entries is as able as any to ingest what somebody else left behind."""
    app = App("shop")

    @app.function("seen", on="seen")
    async def seen(ctx: Context[Any]) -> str:
        return "seen"

    keys = Keys(namespace)
    async with live(app, redis_url, namespace) as here:
        await here.client.send("seen", id="first")
        [first] = await until_async(lambda: here.client.runs("first", name="seen"))
        assert await here.client.result(first.id, timeout=30) == "seen"
        async with raw.pipeline(transaction=True) as pipe:  # at once: the worker waits for it, too
            pipe.xadd(keys.events, {"n": "seen", "i": "left", "d": b"\xc0"})
            pipe.xreadgroup("shop", "dead", {keys.events: ">"}, count=1)
            entry, _ = await pipe.execute()
        await raw.xclaim(keys.events, "shop", "dead", 0, [entry], idle=20_000, justid=True)
        [left] = await until_async(lambda: here.client.runs("left", name="seen"))
        assert await here.client.result(left.id, timeout=30) == "seen"


async def test_consumers_go_with_their_incarnation_unless_something_is_pending(driver: Driver) -> None:
    """R11: those who said no goodbye, too; what is pending on one is taken over first."""
    await overdue(driver, 1)
    await driver.send()
    ((_, ((_, _),)),) = await driver.raw.xreadgroup("shop", "w1", {driver.keys.events: ">"})
    for consumer in ("idle", "w2"):  # a read that finds nothing makes no consumer on every kind of server
        await driver.raw.xgroup_createconsumer(driver.keys.events, "shop", consumer)

    async def consumers() -> set[bytes]:
        await driver.broker.do(trim([], history_ms=0, history_max=10, keep={RunState.COMPLETED: (0, 0)}, letters_ms=0))
        return {each["name"] for each in await driver.raw.xinfo_consumers(driver.keys.events, "shop")}

    assert await consumers() == {b"dead", b"w1", b"w2"}
    await driver.raw.xautoclaim(driver.keys.events, "shop", "w2", 15_000)
    assert await consumers() == {b"w1", b"w2"}
    await driver.delist("w1")
    assert await consumers() == {b"w1", b"w2"}


async def test_who_leaves_with_something_pending_stays_a_consumer(driver: Driver) -> None:
    """R11: deleting a consumer would drop what is pending on it."""
    blocking = driver.broker.endpoint.blocking_line()
    reader = StreamReader(blocking, driver.raw, driver.keys, app="shop", consumer="w1")
    await driver.send()
    assert len(await reader.read(10)) == 1
    await reader.leave()
    assert (await driver.raw.xpending(driver.keys.events, "shop"))["pending"] == 1
    await driver.ingest_once([driver.event(*entry) for entry in await reader.own_pending()])
    await reader.leave()
    assert await driver.raw.xinfo_consumers(driver.keys.events, "shop") == []
    blocking.close()


async def test_a_read_that_is_given_up_takes_nothing(driver: Driver) -> None:
    """R11: entries would be delivered to somebody who is not there any more."""
    blocking = driver.broker.endpoint.blocking_line()
    reader = StreamReader(blocking, driver.raw, driver.keys, app="shop", consumer="w1")

    own = str(await blocking.call("CLIENT", "ID"))

    async def blocked() -> bool:
        return any(client["id"] == own and "b" in client["flags"] for client in await driver.raw.client_list())

    async def gone() -> bool:
        return all(client["id"] != own for client in await driver.raw.client_list())

    reading = asyncio.ensure_future(reader.read(10))
    await until_async(blocked)
    reading.cancel()
    await asyncio.wait({reading})
    await until_async(gone)
    await driver.send()
    assert (await driver.raw.xpending(driver.keys.events, "shop"))["pending"] == 0
