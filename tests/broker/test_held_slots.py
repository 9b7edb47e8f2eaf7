"""Slots that a run keeps while it waits (`hold=True`)."""

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind
from bgjobs.broker.transitions import cancel
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.places import complaints

LIMITS = {"A": 1, "B": 1}


async def asleep(driver: Driver, run: LeasedRun, ms: int = 1000) -> None:
    await driver.apply("w1", op.pend(run, "s:0", PendKind.SLEEP, delay_ms=ms), op.suspend(run, ["s:0"]))


async def test_nobody_starts_while_it_waits(driver: Driver) -> None:
    """R34: asleep or backing off it has its slot; its end gives it back."""
    await driver.register(Function(id="f", limiters="A+", limits=LIMITS))
    first = await driver.start()
    await driver.send()
    await driver.ingest()
    await asleep(driver, first)
    assert await driver.lease("w1") == []
    assert not await complaints(driver, LIMITS)
    driver.advance(1000)
    await driver.fire()
    (again,) = await driver.lease("w1")
    assert again.id == first.id
    await driver.apply("w1", op.retry(again, 1000, NO_ERROR))
    assert await driver.lease("w1") == []
    await driver.broker.do(cancel([first.id]))
    assert len(await driver.lease("w1")) == 1
    assert not await complaints(driver, LIMITS)


async def test_it_gives_back_what_it_does_not_hold(driver: Driver) -> None:
    """R34: of two limits one is held; the other is needed again to go on."""
    await driver.register(
        Function(id="f", limiters="A+ B", limits=LIMITS),
        Function(id="b", names=["b"], limiters="B"),
        Function(id="a", names=["a"], limiters="A"),
    )
    first = await driver.start()
    for name in ("a", "b"):
        await driver.send(name)
    await driver.ingest()
    await asleep(driver, first)
    assert not await complaints(driver, LIMITS)
    (other,) = await driver.lease("w1")
    assert other.function == "b"
    driver.advance(1000)
    await driver.fire()
    assert await driver.lease("w1") == []
    assert not await complaints(driver, LIMITS)
    await driver.complete(other)
    (again,) = await driver.lease("w1")
    assert again.id == first.id
    await driver.complete(again)
    assert [run.function for run in await driver.lease("w1")] == ["a"]
    assert not await complaints(driver, LIMITS)


async def test_cancelled_while_it_is_parked_with_a_held_slot(driver: Driver) -> None:
    await driver.register(Function(id="f", limiters="A+ B", limits=LIMITS), Function(id="b", names=["b"], limiters="B"))
    first = await driver.start()
    await driver.send("b")
    await driver.ingest()
    await asleep(driver, first)
    await driver.lease("w1")
    driver.advance(1000)
    await driver.fire()
    await driver.broker.do(cancel([first.id]))
    assert await driver.raw.exists(driver.keys("lc:A")) == 0
    assert not await complaints(driver, LIMITS)
