"""Traps that other job systems fell into, where the server's side of them can be shown. Time is moved."""

import asyncio
from pathlib import Path

import msgpack
import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.stream import StreamReader
from bgjobs.broker.transitions import trim
from tests.broker.driver import INTERVAL, TTL, Driver, Function
from tests.broker.places import complaints
from tests.servers import ServerFactory

HOUR = 3_600_000
DAY = 24 * HOUR
ERROR = msgpack.packb({"type": "E", "message": "m"})


async def test_pending_entries_of_the_living_do_not_hide_those_of_the_dead(driver: Driver) -> None:
    """XAUTOCLAIM that begins at 0-0 each time starves: it looks at ten entries per wanted one, and no further (R11)."""
    for _ in range(1_100):
        await driver.send()
    await driver.raw.xreadgroup("shop", "busy", {driver.keys.events: ">"}, count=2_000)
    sent = {await driver.send() for _ in range(3)}
    ((_, entries),) = await driver.raw.xreadgroup("shop", "dead", {driver.keys.events: ">"})
    ids = [entry for entry, _ in entries]
    await driver.raw.xclaim(driver.keys.events, "shop", "dead", 0, ids, idle=20_000, justid=True)
    blocking = driver.broker.endpoint.blocking_client()
    reader = StreamReader(blocking, driver.raw, driver.keys, app="shop", consumer="w1")
    taken = [entry.entry[1][b"i"].decode() for _ in range(3) for entry in await reader.take_over(100)]
    await blocking.aclose()
    assert set(taken) == sent


async def test_a_late_heartbeat_takes_nothing_back(driver: Driver) -> None:
    """A heartbeat without an owner check steals work back from whoever went on with it (R17, R19)."""
    run = await driver.start(worker="w1")
    await driver.kill("w1", "w2")
    (again,) = await driver.lease("w2")
    before = await driver.snapshot()
    assert not await driver.beat("w1")
    assert (await driver.apply("w1", op.progress(run, 50, "half"))).status == "FENCED"
    assert await driver.reconcile("w1", [run]) == (0, (run.id,), ())
    _, reply = await driver.pump("w1", capacity=5, sweep=True)
    assert (reply.leased, reply.refused) == ((), True)
    assert await driver.snapshot() == before
    assert (await driver.complete(again, "w2")).status == "OK"


async def test_acknowledged_entries_leave_the_memory(driver: Driver) -> None:
    """Entries that are acknowledged and never deleted eat the memory (R47); what somebody still needs stays (R3)."""
    other = Driver(driver.broker, app="late")
    await other.register(Function(id="g"))
    for _ in range(500):
        await driver.send()
    await driver.ingest()

    async def trimmed() -> int:
        await driver.broker.do(trim([], history_ms=-1000, history_max=0, keep={}, letters_ms=HOUR))
        return int(await driver.raw.xlen(driver.keys.events))

    assert await trimmed() == 500
    await other.ingest()
    assert await trimmed() <= 200  # whole nodes of the stream go
    assert (await driver.raw.xpending(driver.keys.events, "shop"))["pending"] == 0


async def test_a_long_job_is_not_started_twice(driver: Driver) -> None:
    """A time-out after which work is delivered again duplicates long jobs: here only a lease's end counts (R19)."""
    run = await driver.start(worker="w1")
    for _ in range(20):
        for _ in range(4):
            driver.advance(INTERVAL)
            assert await driver.beat("w1")
            assert await driver.beat("w2")
        driver.advance(HOUR)  # as if the job ran for a day, in jumps that look like outages of the store
        assert await driver.beat("w1")
        assert (await driver.pump("w2", sweep=True))[1].reaped == 0
        assert await driver.lease("w2") == []
    assert (await driver.complete(run)).status == "OK"


async def test_every_crash_counts(driver: Driver) -> None:
    """Crash loops that never count: what a run repeats before it kills its worker again is no progress (R21)."""
    run = driver.run_of(await driver.send())
    await driver.ingest()
    for death in range(3):
        victim = f"victim{death}"
        await driver.enlist(victim)
        (leased,) = await driver.lease(victim)
        if death == 0:
            assert (await driver.apply(victim, op.checkpoint(leased, "a:0", op.NOTHING))).status == "OK"
        else:
            assert leased.crashes == death
            assert (await driver.apply(victim, op.checkpoint(leased, "a:0", op.NOTHING))).status == "DUP"
            await driver.apply(victim, op.progress(leased, 1, "again"))
            # Leaving and coming back, in good order, does not clear it either.
            await driver.apply(victim, op.pend(leased, f"s{death}:0", PendKind.SLEEP, delay_ms=1))
            await driver.apply(victim, op.suspend(leased, [f"s{death}:0"]))
            driver.advance(2)
            await driver.fire(victim)
            (leased,) = await driver.lease(victim)
            await driver.apply(victim, op.give_back(leased))
            (leased,) = await driver.lease(victim)
        await driver.kill(victim, "w2")
    assert await driver.state(run) is RunState.FAILED
    ((_, letter),) = await driver.raw.xrange(driver.keys("dq"))
    assert letter[b"y"] == b"WorkerDied"


async def test_a_start_is_not_taken_for_the_one_before(driver: Driver) -> None:
    """An id derived from the pod's name is taken for that of the pod before: each start has one of its own (R17)."""
    before = await driver.start(worker="w1")
    await driver.enlist("w1-again")
    assert await driver.raw.zcard(driver.keys("in:w1-again")) == 0
    assert (await driver.complete(before, "w1-again")).status == "FENCED"
    assert (await driver.complete(before, "w1")).status == "OK"


async def test_ticks_and_delays_outlive_everything(server_factory: ServerFactory, tmp_path: Path) -> None:
    """Cron lost on restart; long delays kept in a worker's memory: both are timers in Redis (R27, R51, R57)."""
    server = server_factory(tmp_path, appendonly="yes", appendfsync="always")
    broker = Broker(Endpoint(server.url), "traps")
    driver = Driver(broker)
    entry = "shop/f|0 8 * * *"
    tick = await driver.now() + HOUR
    await driver.register(Function(id="f", crons={entry: tick}), Function(id="later", names=["later"]))
    await driver.enlist("w1")
    run = await driver.start()
    await driver.apply("w1", op.retry(run, 30 * DAY, ERROR))
    delayed = await driver.send("later", due_ms=await driver.now() + 100 * DAY)
    await driver.ingest()
    await driver.delist("w1")
    await broker.aclose()
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    broker.client = broker.endpoint.async_client()
    driver.raw = broker.client

    driver.advance(2 * HOUR)
    # Who starts now names the tick after now; the one that fell into the time without anybody stays due.
    await driver.register(
        Function(id="f", crons={entry: tick + DAY}), Function(id="later", names=["later"]), deployment="d"
    )
    await driver.enlist("w2")
    _, reply = await driver.pump("w2", sweep=True)
    assert [(due.entry, due.tick_ms) for due in reply.cron] == [(entry, tick)]
    assert await driver.lease("w2") == []
    driver.advance(30 * DAY)
    await driver.enlist("w3")
    await driver.fire("w3")
    (again,) = await driver.lease("w3")
    assert (again.id, again.attempt) == (run.id, 2)
    driver.advance(70 * DAY)
    await driver.enlist("w1")
    await driver.fire("w1")
    await driver.ingest()
    assert [each.id for each in await driver.lease("w1")] == [driver.run_of(delayed, "later", "later")]
    await broker.aclose()


async def test_nothing_waits_for_the_dead(driver: Driver) -> None:
    """A lock without TTL: its holder dies, and everybody waits for ever. What a worker holds goes with its lease."""
    limits = {"A": 1}
    await driver.register(Function(id="f", limiters="A", limits=limits), Function(id="g"))
    first = driver.run_of(await driver.send())
    second = driver.run_of(await driver.send())
    await driver.ingest()
    leased = {run.id for run in await driver.lease("w1")}
    assert first in leased
    assert second not in leased
    for _ in range(2):  # it is charged, and becomes one that workers hold alone
        await driver.kill("w1", "w2")
        await driver.enlist("w1")
        await driver.lease("w1")
    await driver.send()
    events = await driver.read()  # its worker dies with entries that it read
    assert events
    await driver.kill("w1", "w2")
    assert await driver.state(first) is RunState.FAILED
    await driver.ingest_once(await driver.pending(), worker="w2")
    done: set[str] = set()
    while runs := await driver.lease("w2"):
        done |= {run.id for run in runs}
        for run in runs:
            await driver.complete(run, "w2")
    assert second in done
    assert not [name for name in await driver.stored() if name.endswith(("w1", "@w1")) or name.startswith("lc:")]
    assert not await complaints(driver, limits)


@pytest.mark.parametrize("idle", [TTL, DAY])
async def test_a_sleeper_that_wakes_ingests_nothing(driver: Driver, idle: int) -> None:
    """A process that was frozen with events it had read: others ingested them; their runs may be trimmed by now."""
    await driver.send(generated=True)
    events = await driver.read()
    versions = await driver.matched(events)
    reply = await driver.ingest_once(events, versions, worker="w2")
    assert reply.created == 1
    (run,) = await driver.lease("w2")
    await driver.complete(run, "w2")
    await driver.kill("w1", "w2")
    driver.advance(idle)
    await driver.beat("w2")
    await driver.raw.delete(*[key async for key in driver.raw.scan_iter(driver.keys("sn:*"))])
    await driver.broker.do(
        trim(["shop/f"], history_ms=-1, history_max=0, keep={RunState.COMPLETED: (-1, 0)}, letters_ms=HOUR)
    )
    assert await driver.state(run.id) is None
    late = await driver.ingest_once(events, versions, worker="w1", capacity=5)
    assert (late.created, late.leased, late.refused) == (0, (), True)
    assert await driver.state(run.id) is None
