"""Records that can't be read: the run ends and is found; it does not wait for ever (R23)."""

import msgpack
import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState
from bgjobs.broker.transitions import replay
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

BROKEN = [b"\xc1", b"", b"\x01", msgpack.packb(["?", 1])]


async def breaks(driver: Driver, run: LeasedRun, packed: bytes) -> None:
    """Overwrite the record of its pending step, and let its timer fire."""
    await driver.raw.hset(driver.keys.steps(run.id), "p:nap:0", packed)
    driver.advance(2_000)
    await driver.fire()


async def no_timers(driver: Driver) -> None:
    assert not [name for name in await driver.stored() if name in ("dl", "bad", "wt:shop/f")]


@pytest.mark.parametrize("packed", BROKEN)
async def test_a_waiting_run_fails_with_a_dead_letter_and_can_be_replayed(driver: Driver, packed: bytes) -> None:
    await driver.register(Function(id="f", limiters="A", limits={"A": 1}))
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "nap:0", PendKind.SLEEP, delay_ms=1_000, spec=[]))
    await driver.apply("w1", op.suspend(run, ["nap:0"]))
    await breaks(driver, run, packed)
    assert await driver.state(run.id) is RunState.FAILED
    [(_, letter)] = await driver.raw.xrange(driver.keys("dq"))
    assert (letter[b"r"].decode(), letter[b"y"], letter[b"s"]) == (run.id, b"BrokenRecord", b"broken")
    assert b"nap:0 can't be read" in letter[b"m"]
    assert not await complaints(driver, {"A": 1})
    await no_timers(driver)
    await driver.broker.do(replay(run.id))
    [again] = await driver.lease()
    assert again.id == run.id
    await driver.complete(again)
    assert not await complaints(driver, {"A": 1})


async def test_a_running_run_fails_and_its_worker_is_fenced_off(driver: Driver) -> None:
    await driver.register(Function(id="f"))
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "nap:0", PendKind.SLEEP, delay_ms=1_000, spec=[]))
    await breaks(driver, run, b"\xc1")
    assert await driver.state(run.id) is RunState.FAILED
    assert (await driver.complete(run)).status == "FENCED"
    assert await driver.state(run.id) is RunState.FAILED
    await no_timers(driver)


async def test_an_outcome_from_elsewhere_is_taken_all_the_same(driver: Driver) -> None:
    """The child's end says what became of the step: nothing needs to be read of its record."""
    await driver.register(Function(id="f"), Function(id="child", names=["child"]))
    run = await driver.start()
    child = "00" + "c" * 24
    spec = op.invoke_spec(
        child=child, function="shop/child", queue="shop:default", limiters="", priority_ms=0, event_id="e", data=b"\xc0"
    )  # fmt: skip
    await driver.apply("w1", op.pend(run, "nap:0", PendKind.INVOKE, delay_ms=60_000, spec=spec))
    await driver.apply("w1", op.suspend(run, ["nap:0"]))
    await driver.raw.hset(driver.keys.steps(run.id), "p:nap:0", b"\xc1")
    [leased] = await driver.lease()
    assert leased.id == child
    await driver.complete(leased)
    [again] = await driver.lease()
    assert again.id == run.id
    await driver.complete(again)
    assert not await complaints(driver, {})
    await no_timers(driver)
