"""When Redis is full, what grows is refused before anything is acknowledged, and everything else drains (R22)."""

from collections.abc import AsyncIterator

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from bgjobs.broker import operations as op
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import RunState
from bgjobs.broker.transitions import cancel, cron_fire, replay, signal
from tests.broker.driver import Driver, Function
from tests.servers import ServerFactory


@pytest.fixture
async def full(server_factory: ServerFactory) -> AsyncIterator[Driver]:
    """A driver on a server of its own, which `fill` makes full."""
    broker = Broker(Endpoint(server_factory(maxmemory_policy="noeviction").url), "full")
    await broker.load()
    driver = Driver(broker)
    await driver.register(Function(id="f"))
    await driver.enlist("w1", "w2")
    yield driver
    await broker.aclose()


async def fill(driver: Driver) -> None:
    await driver.raw.config_set("maxmemory", "1mb")
    with pytest.raises((OutOfMemoryError, ResponseError)):
        await driver.raw.set("more", "x")


async def test_a_full_server_still_drains(full: Driver) -> None:
    """R22: beats, checkpoints, ends, cancels, signals, reaping, goodbyes; and leases, or nothing would end."""
    for _ in range(8):
        await full.send()
    await full.ingest()
    runs = await full.lease("w1", 4)
    await fill(full)
    assert await full.beat("w1")
    assert (await full.apply("w1", op.checkpoint(runs[0], "a:0", b"\x92\x00" + b"x" * 100))).status == "OK"
    assert (await full.complete(runs[0])).status == "OK"
    assert (await full.fail(runs[1])).status == "OK"
    assert await full.broker.do(cancel([runs[2].id])) == ["requested"]
    assert await full.broker.do(signal("s", op.NOTHING)) == 0
    assert (await full.reconcile("w1", runs[2:]))[:2] == (0, ())
    assert await full.kill("w1", "w2") == 1  # the other one was ended by its deadline before
    assert await full.state(runs[2].id) is RunState.CANCELLED
    left = await full.lease("w2")
    assert len(left) == 5
    for run in left:
        assert (await full.complete(run, "w2")).status == "OK"
    await full.delist("w2")


async def test_a_full_server_takes_in_nothing_and_loses_nothing(full: Driver) -> None:
    """R22: the event stays pending, the tick due, the failed run failed; all go on when there is room."""
    run = await full.start()
    await full.fail(run)
    tick = await full.now()
    await full.raw.zadd(full.keys("cr"), {"$|s": tick})
    await full.send()
    events = await full.read()
    versions = await full.matched(events)
    await fill(full)
    before = await full.snapshot()
    refused = (
        full.ingest_once(events, versions),
        full.broker.do(replay(run.id)),
        full.broker.do(cron_fire("$|s", tick_ms=tick, next_ms=tick + 1000)),
        full.register(Function(id="g")),
    )
    for call in refused:
        with pytest.raises((OutOfMemoryError, ResponseError)):
            await call
    assert await full.snapshot() == before
    assert len(await full.pending()) == 1
    await full.raw.config_set("maxmemory", "0")
    assert (await full.ingest_once(events, versions)).created == 1
    assert await full.broker.do(replay(run.id)) == ("OK", run.id)
