"""Singletons: one run at a time, from its making to its end (R38)."""

from typing import Any

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.transitions import cancel, pause, replay, resume
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

LIMITS = {"A": 1}


def single(cancels: bool, limiters: str = "", **options: Any) -> Function:
    return Function(
        id="f",
        limiters=lambda data: f"{limiters} S.{data}=".strip(),
        policies=lambda data: [("g", f"S.{data}=", int(cancels))],
        **options,
    )


@pytest.fixture
async def skipping(driver: Driver) -> Driver:
    await driver.register(single(cancels=False))
    return driver


@pytest.fixture
async def replacing(driver: Driver) -> Driver:
    await driver.register(single(cancels=True))
    return driver


async def sent(driver: Driver, data: Any = None) -> str:
    run = driver.run_of(await driver.send("go", data))
    await driver.ingest()
    assert not await complaints(driver, LIMITS)
    return run


async def states(driver: Driver, *runs: str) -> list[RunState | None]:
    return [await driver.state(run) for run in runs]


async def asleep(driver: Driver, ms: int = 1000) -> Any:
    (run,) = await driver.lease("w1")
    await driver.apply("w1", op.pend(run, "s:0", PendKind.SLEEP, delay_ms=ms), op.suspend(run, ["s:0"]))
    return run


async def test_an_event_is_dropped_while_a_run_lives(skipping: Driver) -> None:
    """R38: ready, running or waiting; afterwards the next event starts one."""
    first = await sent(skipping)
    assert await states(skipping, first, await sent(skipping)) == [RunState.QUEUED, None]
    run = await asleep(skipping)
    assert await skipping.state(await sent(skipping)) is None
    assert await skipping.raw.get(skipping.keys("sg:S.None=")) == first.encode()
    skipping.advance(1000)
    await skipping.fire()
    (run,) = await skipping.lease("w1")
    await skipping.complete(run)
    assert await skipping.raw.exists(skipping.keys("sg:S.None=")) == 0
    assert await skipping.state(await sent(skipping)) is RunState.QUEUED


async def test_each_key_has_its_own(skipping: Driver) -> None:
    assert await states(skipping, *[await sent(skipping, data) for data in (1, 2, 1)]) == [
        RunState.QUEUED,
        RunState.QUEUED,
        None,
    ]


async def test_two_events_in_one_batch(skipping: Driver) -> None:
    """R6: what the first one takes, the second one sees, in one call."""
    runs = [skipping.run_of(await skipping.send()) for _ in range(3)]
    await skipping.ingest()
    assert await states(skipping, *runs) == [RunState.QUEUED, None, None]


async def test_a_newer_event_ends_the_run_that_is_ready(replacing: Driver) -> None:
    first, second = await sent(replacing), await sent(replacing)
    assert await states(replacing, first, second) == [RunState.CANCELLED, RunState.QUEUED]
    assert [run.id for run in await replacing.lease("w1")] == [second]


async def test_a_newer_event_waits_until_the_running_one_has_ended(replacing: Driver) -> None:
    """R38: the owner is asked to stop; a third event ends the one that waits, and takes its place."""
    first = await sent(replacing)
    (running,) = await replacing.lease("w1")
    second = await sent(replacing)
    assert await replacing.lease("w1") == []
    assert (await replacing.record(first))["x"]
    third = await sent(replacing)
    assert await states(replacing, first, second, third) == [RunState.RUNNING, RunState.CANCELLED, RunState.QUEUED]
    assert await replacing.lease("w1") == []
    await replacing.apply("w1", op.cancelled(running))
    assert not await complaints(replacing, LIMITS)
    assert [run.id for run in await replacing.lease("w1")] == [third]
    assert await replacing.raw.get(replacing.keys("sg:S.None=")) == third.encode()


async def test_a_complete_that_was_on_its_way_wins(replacing: Driver) -> None:
    """R43: and the newer one starts all the same."""
    await sent(replacing)
    (running,) = await replacing.lease("w1")
    second = await sent(replacing)
    await replacing.complete(running)
    assert [run.id for run in await replacing.lease("w1")] == [second]


async def test_a_newer_event_ends_the_run_that_waits(replacing: Driver) -> None:
    first = await sent(replacing)
    await asleep(replacing)
    second = await sent(replacing)
    assert await states(replacing, first, second) == [RunState.CANCELLED, RunState.QUEUED]


async def test_it_is_released_by_its_owner_only(replacing: Driver) -> None:
    """R38: the end of a run that only waited for it changes nothing."""
    first = await sent(replacing)
    (running,) = await replacing.lease("w1")
    second = await sent(replacing)
    await replacing.broker.do(cancel([second]))
    assert await replacing.raw.get(replacing.keys("sg:S.None=")) == first.encode()
    assert not await complaints(replacing, LIMITS)
    await replacing.apply("w1", op.cancelled(running))
    assert await replacing.raw.exists(replacing.keys("sg:S.None="), replacing.keys("bh")) == 0


async def test_it_is_owned_while_a_limit_or_a_pause_holds_the_run(driver: Driver) -> None:
    """R38: from its making on; a slot is another matter."""
    await driver.register(single(cancels=False, limiters="A", limits=LIMITS))
    one = await sent(driver, 1)
    two = await sent(driver, 2)
    assert await driver.state(await sent(driver, 2)) is None
    await driver.broker.do(pause("f|shop/f", actor="a", what="f"))
    three = await sent(driver, 3)
    assert await driver.state(await sent(driver, 3)) is None
    assert await driver.lease("w1") == []
    await driver.broker.do(resume("f|shop/f", actor="a", what="f"))
    await driver.fire()
    for each in (one, two, three):
        (run,) = await driver.lease("w1")
        assert run.id == each
        await driver.complete(run)
    assert not await complaints(driver, LIMITS)


async def test_a_replay_waits_for_the_owner(replacing: Driver) -> None:
    """R44: it obeys singletons, and ends nobody's run."""
    failed = await sent(replacing)
    (run,) = await replacing.lease("w1")
    await replacing.fail(run)
    second = await sent(replacing)
    await replacing.broker.do(replay(failed))
    assert not await complaints(replacing, LIMITS)
    (owner,) = await replacing.lease("w1")
    assert owner.id == second
    await replacing.complete(owner)
    assert [each.id for each in await replacing.lease("w1")] == [failed]


async def test_a_dead_worker_s_run_owns_it_on(replacing: Driver) -> None:
    first = await sent(replacing)
    await replacing.lease("w1")
    await replacing.kill("w1", "w2")
    assert not await complaints(replacing, LIMITS)
    assert [run.id for run in await replacing.lease("w2")] == [first]
