"""Time-outs of whole runs: until they start, and until they end (R42)."""

from typing import Any

import msgpack

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind, RunState, Status
from bgjobs.broker.transitions import cancel, replay
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.places import complaints

MINUTE = 60_000


def timed(start: int = 0, finish: int = 0, *before: tuple[Any, ...], **options: Any) -> Function:
    return Function(id="f", policies=lambda data: [*before, ("t", start, finish)], **options)


async def begin(driver: Driver, data: Any = None) -> str:
    event = await driver.send(data=data)
    await driver.ingest()
    return driver.run_of(event)


async def error_of(driver: Driver, run: str) -> str:
    return str(msgpack.unpackb((await driver.steps(run))["@e"])["type"])


async def test_a_run_that_does_not_start_in_time_fails(driver: Driver) -> None:
    """R42: with that reason, and a dead letter; parked or ready."""
    await driver.register(timed(MINUTE, limiters="A", limits={"A": 1}))
    ready, parked = await begin(driver), await begin(driver)
    driver.advance(MINUTE)
    await driver.fire()
    for run in (ready, parked):
        assert await driver.state(run) is RunState.FAILED
        assert await error_of(driver, run) == "StartTimeout"
    letters = [fields for _, fields in (await driver.stored())["dq"]]
    assert [fields[b"s"] for fields in letters] == [b"start timeout"] * 2
    assert b"within its start_timeout of 60 s" in letters[0][b"m"]
    assert not await complaints(driver, {"A": 1})


async def test_a_run_that_started_in_time_goes_on(driver: Driver) -> None:
    """R42: only until the first lease; not while it waits to go on."""
    await driver.register(timed(MINUTE))
    await begin(driver)
    (run,) = await driver.lease()
    await driver.apply("w1", op.retry(run, 10, NO_ERROR))
    driver.advance(2 * MINUTE)
    await driver.fire()
    assert await driver.state(run.id) is RunState.QUEUED
    (again,) = await driver.lease()
    await driver.complete(again)
    await driver.fire()
    assert not await complaints(driver, {})


async def test_collecting_is_no_part_of_the_time_to_start(driver: Driver) -> None:
    """R42: it begins when the run is due."""
    for collect in (("d", "shop/f:", 10 * MINUTE, 60 * MINUTE), ("b", "shop/f:", 10, 10 * MINUTE, 1000)):
        await driver.register(timed(MINUTE, 0, collect))
        run = await begin(driver)
        driver.advance(10 * MINUTE)
        await driver.fire()
        assert await driver.state(run) is RunState.QUEUED
        driver.advance(MINUTE)
        await driver.fire()
        assert (await driver.state(run), await error_of(driver, run)) == (RunState.FAILED, "StartTimeout")


async def test_a_full_batch_has_its_time_to_start(driver: Driver) -> None:
    await driver.register(timed(MINUTE, 0, ("b", "shop/f:", 1, 10 * MINUTE, 1000)))
    run = await begin(driver)
    assert await driver.state(run) is RunState.QUEUED
    driver.advance(MINUTE)
    await driver.fire()
    assert await driver.state(run) is RunState.FAILED


async def test_a_run_that_does_not_end_in_time_fails_wherever_it_is(driver: Driver) -> None:
    """R42: from its first lease, sleeps and waiting in queues included."""
    await driver.register(timed(0, 10 * MINUTE, limiters="A", limits={"A": 4}))
    for _ in range(4):
        await begin(driver)
    driver.advance(5 * MINUTE)  # in the queue: this does not count
    waiting, queued, running, done = await driver.lease()
    await driver.apply("w1", op.pend(waiting, "sleep:0", PendKind.SLEEP, delay_ms=60 * MINUTE))
    await driver.apply("w1", op.suspend(waiting, ["sleep:0"]))
    await driver.apply("w1", op.give_back(queued))
    await driver.complete(done)
    driver.advance(9 * MINUTE)
    await driver.fire()
    assert await driver.state(waiting.id) is RunState.WAITING
    driver.advance(MINUTE)
    _, reply = await driver.pump()
    assert [(mail.run, mail.g, mail.step) for mail in reply.resolutions] == [(running.id, running.g, "")]
    await driver.fire()
    for run in (waiting, queued, running):
        assert (await driver.state(run.id), await error_of(driver, run.id)) == (RunState.FAILED, "FinishTimeout")
    assert await driver.state(done.id) is RunState.COMPLETED
    assert (await driver.complete(running)).status is Status.FENCED
    assert not await complaints(driver, {"A": 4})


async def test_a_run_that_was_asked_to_stop_ends_as_cancelled(driver: Driver) -> None:
    await driver.register(timed(0, 5_000))
    await begin(driver)
    (run,) = await driver.lease()
    await driver.broker.do(cancel([run.id]))
    driver.advance(5_000)
    await driver.fire()
    assert await driver.state(run.id) is RunState.CANCELLED


async def test_a_replay_has_its_time_anew(driver: Driver) -> None:
    """R44: from the failed step, and from the start."""
    await driver.register(timed(MINUTE, MINUTE))
    run = await begin(driver)
    driver.advance(MINUTE)
    await driver.fire()
    for new in ("", "00" + "1" * 24):
        _, again = await driver.broker.do(replay(run, new=new))
        driver.advance(MINUTE)
        await driver.fire()
        assert (await driver.state(again), await error_of(driver, again)) == (RunState.FAILED, "StartTimeout")
    await driver.broker.do(replay(run))
    (leased,) = await driver.lease()
    driver.advance(MINUTE)
    await driver.fire()
    await driver.fire()
    assert (await driver.state(leased.id), await error_of(driver, run)) == (RunState.FAILED, "FinishTimeout")
    assert not await complaints(driver, {})
