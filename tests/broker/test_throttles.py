"""Throttles: starts at a rate, each charged once, however long everything stood still (R35)."""

from typing import Any

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind
from bgjobs.broker.transitions import cancel, pause, replay, resume
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.places import complaints

LIMITS = {"T": 3}
EVERY = 30_000  # ms, one start


@pytest.fixture
async def throttled(driver: Driver) -> Driver:
    """`f`, of which 2 start per minute, 3 at once."""
    await driver.register(Function(id="f", limiters="T~", limits={"T": "2 60000 3"}))
    return driver


async def sent(driver: Driver, count: int, data: Any = None) -> list[str]:
    runs = [driver.run_of(await driver.send("go", data)) for _ in range(count)]
    await driver.ingest()
    return runs


async def leased(driver: Driver) -> list[str]:
    return [run.id for run in await driver.lease("w1", 100)]


async def after(driver: Driver, ms: int) -> list[str]:
    """Who starts when so much time has passed."""
    driver.advance(ms)
    await driver.fire()
    assert not await complaints(driver, LIMITS)
    return await leased(driver)


async def test_a_burst_and_then_the_rate(throttled: Driver) -> None:
    runs = await sent(throttled, 7)
    assert await leased(throttled) == runs[:3]
    assert await after(throttled, EVERY - 1000) == []
    assert await after(throttled, 1000) == runs[3:4]
    assert await after(throttled, 2 * EVERY) == runs[4:6]
    assert await after(throttled, EVERY) == runs[6:]
    assert not await complaints(throttled, LIMITS)


async def test_a_standstill_saves_up_no_more_than_the_burst(throttled: Driver) -> None:
    """R35: what is let in counts until it starts; starts count from when they are."""
    runs = await sent(throttled, 9)
    throttled.advance(600_000)
    await throttled.fire()
    assert not await complaints(throttled, LIMITS)
    assert await leased(throttled) == runs[:3]
    assert await after(throttled, 1000) == []
    assert await after(throttled, EVERY) == runs[3:4]
    assert await after(throttled, 600_000) == runs[4:7]


async def test_only_the_first_start_is_charged(throttled: Driver) -> None:
    """R35: neither a retry nor a resumption nor giving back takes from the rate, or waits for it."""
    runs = await sent(throttled, 4)
    first, second, third = await throttled.lease("w1")
    await throttled.apply("w1", op.retry(first, 1000, NO_ERROR))
    await throttled.apply("w1", op.pend(second, "s:0", PendKind.SLEEP, delay_ms=1000), op.suspend(second, ["s:0"]))
    await throttled.apply("w1", op.give_back(third))
    assert [run.id for run in await throttled.lease("w1")] == [third.id]
    assert sorted(await after(throttled, 1000)) == sorted([first.id, second.id])
    assert await after(throttled, EVERY) == runs[3:]


async def test_a_run_of_a_dead_worker_is_not_charged_again(throttled: Driver) -> None:
    runs = await sent(throttled, 3)
    assert await leased(throttled) == runs
    await throttled.kill("w1", "w2")
    assert sorted(run.id for run in await throttled.lease("w2")) == sorted(runs)
    assert not await complaints(throttled, LIMITS)


async def test_whoever_goes_before_its_start_makes_room(throttled: Driver) -> None:
    """R35: a cancelled run was not started; the next one is let in for it."""
    runs = await sent(throttled, 5)
    await throttled.broker.do(cancel(runs[:1]))
    assert not await complaints(throttled, LIMITS)
    assert await leased(throttled) == runs[1:4]
    await throttled.broker.do(cancel(runs[4:]))
    assert await after(throttled, EVERY) == []
    assert await throttled.raw.exists(throttled.keys("lc:T~"), throttled.keys("bh")) == 0


async def test_an_ingest_that_leases_at_once_charges(throttled: Driver) -> None:
    for _ in range(5):
        await throttled.send()
    reply = await throttled.ingest_once(await throttled.read(), capacity=10)
    assert len(reply.leased) == 3
    assert not await complaints(throttled, LIMITS)
    assert len(await after(throttled, EVERY)) == 1


async def test_each_key_has_its_clock(driver: Driver) -> None:
    await driver.register(Function(id="f", limiters=lambda data: f"T.{data}~", limits={"T": "1 60000 1"}))
    ones, twos = await sent(driver, 2, 1), await sent(driver, 2, 2)
    assert await leased(driver) == [ones[0], twos[0]]
    assert await after(driver, 60_000) == [ones[1], twos[1]]


async def test_a_clock_set_back_stops_nothing_for_longer_than_the_burst(throttled: Driver) -> None:
    """R19: the throttle's clock is clipped."""
    throttled.advance(10_000_000)
    runs = await sent(throttled, 4)
    assert await leased(throttled) == runs[:3]
    throttled.advance(-10_000_000)
    await sent(throttled, 1)
    assert await after(throttled, EVERY) == runs[3:]


async def test_a_throttle_and_a_slot_are_taken_together(driver: Driver) -> None:
    """R34: a run that waits for a slot takes nothing of the rate."""
    await driver.register(
        Function(id="f", limiters="A T~", limits={"A": 1, "T": "2 60000 3"}),
        Function(id="g", names=["g"], limiters="T~"),
    )
    runs = await sent(driver, 3)
    (first,) = await driver.lease("w1")
    for _ in range(3):
        await driver.send("g")
    await driver.ingest()
    assert len(await driver.lease("w1")) == 2
    assert not await complaints(driver, {"A": 1, "T": 3})
    await driver.complete(first)
    assert await driver.lease("w1") == []
    driver.advance(EVERY)
    await driver.fire()
    assert await leased(driver) == runs[1:2]
    assert not await complaints(driver, {"A": 1, "T": 3})


async def test_a_replay_is_throttled_again(throttled: Driver) -> None:
    """R44: it obeys throttles; from the failed step as well."""
    await sent(throttled, 3)
    first, *_ = await throttled.lease("w1")
    await throttled.fail(first)
    await throttled.broker.do(replay(first.id))
    assert await leased(throttled) == []
    assert await after(throttled, EVERY) == [first.id]


async def test_a_paused_run_gives_its_place_to_others(driver: Driver) -> None:
    """R36: it has not started; the rate is there for those that may."""
    await driver.register(
        Function(id="f", limiters="T~", limits={"T": "2 60000 1"}), Function(id="g", names=["g"], limiters="T~")
    )
    (held,) = await sent(driver, 1)
    await driver.send("g")
    await driver.ingest()
    await driver.broker.do(pause("f|shop/f", actor="a", what="f"))
    assert await driver.lease("w1") == []
    assert [run.function for run in await driver.lease("w1")] == ["g"]
    await driver.broker.do(resume("f|shop/f", actor="a", what="f"))
    await driver.fire()
    assert await leased(driver) == []
    driver.advance(EVERY)
    await driver.fire()
    assert await leased(driver) == [held]


async def test_a_changed_throttle_holds_at_once(throttled: Driver) -> None:
    """R40: a larger burst lets in what is parked, by timer."""
    runs = await sent(throttled, 6)
    assert await leased(throttled) == runs[:3]
    await throttled.register(Function(id="f", limiters="T~", limits={"T": "2 60000 5"}))
    await throttled.fire()
    assert await leased(throttled) == runs[3:5]
