"""Debounce and batch: runs that collect their events before they go on (R37, R10)."""

from typing import Any

import msgpack

from bgjobs.broker.batches import read_batch
from bgjobs.broker.model import LeasedRun, RunState
from bgjobs.broker.transitions import cancel, replay, trim
from tests.broker.driver import Driver, Function
from tests.broker.key_table import left_over
from tests.broker.places import complaints

MIB = 1 << 20


def debounced(period: int = 60_000, longest: int = 300_000, **options: Any) -> Function:
    return Function(id="f", policies=lambda data: [("d", "shop/f:", period, longest)], **options)


def batched(size: int = 3, timeout: int = 60_000, most: int = MIB, **options: Any) -> Function:
    return Function(id="f", policies=lambda data: [("b", "shop/f:", size, timeout, most)], **options)


async def arrive(driver: Driver, data: Any = None) -> str:
    """An event comes and is ingested; answers the id its run would have."""
    event = await driver.send(data=data)
    await driver.ingest()
    return driver.run_of(event)


async def due(driver: Driver) -> list[LeasedRun]:
    """What is ready when all due timers have fired, with its events."""
    await driver.fire()
    leased = await driver.lease()
    for run in leased:
        await read_batch(driver.raw, driver.keys, run)
    return leased


def data_of(run: LeasedRun) -> list[Any]:
    return [msgpack.unpackb(event.data) for event in run.events]


async def test_a_debounce_runs_once_with_the_last_event(driver: Driver) -> None:
    """R37: the first event makes the run, which waits; each later one replaces the event and moves the time."""
    await driver.register(debounced())
    first = await arrive(driver, "one")
    assert await driver.state(first) is RunState.WAITING
    for data in ("two", "three"):
        driver.advance(40_000)
        assert await driver.state(await arrive(driver, data)) is None
    driver.advance(40_000)
    assert await due(driver) == []
    driver.advance(20_000)
    (run,) = await due(driver)
    assert (run.id, run.data, run.event_id) == (first, msgpack.packb("three"), "e3")
    assert run.created_ms >= int((await driver.record(first))["sc"])
    assert not await complaints(driver, {})


async def test_a_debounce_waits_no_longer_than_its_longest_wait(driver: Driver) -> None:
    await driver.register(debounced(60_000, 150_000))
    first = await arrive(driver, 0)
    for data in (1, 2, 3):
        driver.advance(40_000)
        await arrive(driver, data)
    assert await due(driver) == []
    driver.advance(30_000)
    (run,) = await due(driver)
    assert (run.id, run.data) == (first, msgpack.packb(3))
    later = await arrive(driver, 4)
    assert await driver.state(later) is RunState.WAITING


async def test_the_event_later_in_the_stream_stays(driver: Driver) -> None:
    """R10: by stream id, whatever the order in which two workers ingest."""
    await driver.register(debounced())
    older, newer = await driver.send(data="older"), await driver.send(data="newer")
    events = await driver.read()
    await driver.ingest_once(events[1:])
    await driver.ingest_once(events[:1])
    driver.advance(60_000)
    (run,) = await due(driver)
    assert (run.id, run.event_id, run.data) == (driver.run_of(newer), newer, msgpack.packb("newer"))
    assert await driver.state(driver.run_of(older)) is None


async def test_an_event_after_the_window_makes_a_run_of_its_own(driver: Driver) -> None:
    """Also if the timer of the one before has not fired, because nobody lived to fire it."""
    await driver.register(debounced())
    first = await arrive(driver, "a")
    driver.advance(600_000)
    await driver.enlist("w1")
    second = await arrive(driver, "b")
    assert [await driver.state(each) for each in (first, second)] == [RunState.QUEUED, RunState.WAITING]
    driver.advance(60_000)
    assert [(run.id, msgpack.unpackb(run.data)) for run in await due(driver)] == [(first, "a"), (second, "b")]


async def test_a_debounced_run_goes_through_its_limits(driver: Driver) -> None:
    """What follows in the order is that of the last event: limiters, priority, time of eligibility."""
    await driver.register(
        debounced(limiters=lambda data: f"A.{data}", limits={"A": 1}, priority_ms=5_000), Function(id="g", names=["g"])
    )
    first = await arrive(driver, "x")
    await arrive(driver, "y")
    driver.advance(60_000)
    (run,) = await due(driver)
    record = await driver.record(first)
    assert (record["l"], record["h"]) == ("A.y", "1")
    assert abs(int(record["sc"]) + 5_000 - int(record["t"])) == 0
    blocked = await arrive(driver, "y")
    driver.advance(60_000)
    assert await due(driver) == []
    assert not await complaints(driver, {"A": 1})
    await driver.complete(run)
    assert [each.id for each in await due(driver)] == [blocked]


async def test_a_collecting_run_can_be_cancelled(driver: Driver) -> None:
    """R37: the next event begins anew at once, though the cancelled run is not cleaned up yet."""
    for function in (debounced(), batched()):
        await driver.register(function)
        first = await arrive(driver, "a")
        await driver.broker.do(cancel([first]))
        assert await driver.state(first) is RunState.CANCELLED
        second = await arrive(driver, "b")
        await driver.fire()
        third = await arrive(driver, "c")
        assert [await driver.state(each) for each in (second, third)] == [RunState.WAITING, None]
        driver.advance(60_000)
        (run,) = await due(driver)
        assert run.id == second
        await driver.complete(run)
    assert not await complaints(driver, {})


async def test_a_batch_is_due_when_it_is_full(driver: Driver) -> None:
    """R37: each event is in exactly one batch, in the order of the stream."""
    await driver.register(batched(3))
    runs = [await arrive(driver, n) for n in range(7)]
    assert [await driver.state(run) for run in runs] == [
        *(RunState.QUEUED, None, None, RunState.QUEUED, None, None, RunState.WAITING),
    ]
    assert [data_of(run) for run in await due(driver)] == [[0, 1, 2], [3, 4, 5]]
    driver.advance(60_000)
    (last,) = await due(driver)
    assert (data_of(last), last.kind, last.event_id) == ([6], "batch", "e7")
    assert not await complaints(driver, {})


async def test_a_batch_is_due_at_its_time_out(driver: Driver) -> None:
    await driver.register(batched(100, 60_000))
    await arrive(driver, 1)
    driver.advance(40_000)
    await arrive(driver, 2)
    assert await due(driver) == []
    driver.advance(20_000)
    assert [data_of(run) for run in await due(driver)] == [[1, 2]]


async def test_a_batch_has_no_more_bytes_than_allowed(driver: Driver) -> None:
    """One that would not fit begins the next batch; one that is too big on its own is a batch of its own."""
    await driver.register(batched(100, 60_000, 1_000))
    for size in (400, 400, 400, 5_000, 10):
        await arrive(driver, "x" * size)
    driver.advance(60_000)
    assert [[len(data) for data in data_of(run)] for run in await due(driver)] == [[400, 400], [400], [5_000], [10]]


async def test_events_of_a_batch_are_sorted_by_the_stream(driver: Driver) -> None:
    """R10: two workers ingest in any order."""
    await driver.register(batched(3))
    for n in range(3):
        await driver.send(data=n)
    events = await driver.read()
    for event in (events[2], events[0], events[1]):
        await driver.ingest_once([event])
    (run,) = await due(driver)
    assert data_of(run) == [0, 1, 2]
    assert (run.event_id, run.data) == ("e1", msgpack.packb(0))


async def test_data_that_two_runs_need_is_counted(driver: Driver) -> None:
    """R47: a batch refers to what other runs need too, and lets go of it when it is trimmed."""
    await driver.register(batched(2), Function(id="g"))
    events = [await driver.send(data="x" * 100) for _ in range(2)]
    await driver.ingest()
    leased = await due(driver)
    assert sorted(run.function for run in leased) == ["f", "g", "g"]
    (batch,) = (run for run in leased if run.function == "f")
    assert data_of(batch) == ["x" * 100] * 2
    kept = [name for name in await driver.stored() if name.startswith("e:")]
    assert len(kept) == len(events)
    for run in leased:
        await driver.complete(run)
    await driver.fire()
    driver.advance(2)
    await trimmed(driver)
    assert not [name for name in await driver.stored() if name.startswith(("e:", "b:", "r:", "s:"))]


async def trimmed(driver: Driver) -> None:
    keep = {state: (1, 0) for state in RunState if state.terminal}
    functions = [f"shop/{name}" for name in driver.functions]
    while (await driver.broker.do(trim(functions, history_ms=0, history_max=0, keep=keep, letters_ms=0)))[3]:
        pass


async def test_a_batch_replayed_from_the_start_has_the_same_events(driver: Driver) -> None:
    """R44: as a new run at once, without collecting; the old one may be trimmed before it."""
    await driver.register(batched(2), Function(id="g"))
    for data in ("a", "b"):
        await driver.send(data=data * 100)
    await driver.ingest()
    for run in await due(driver):
        await driver.complete(run)
    (old,) = [name[2:] for name in await driver.stored() if name.startswith("b:")]
    answer = await driver.broker.do(replay(old, new="00" + "0" * 24))
    assert answer == ("OK", "00" + "0" * 24)
    driver.advance(2)
    await trimmed(driver)
    (again,) = await due(driver)
    assert (again.id, data_of(again)) == (answer[1], ["a" * 100, "b" * 100])
    await driver.complete(again)
    driver.advance(2)
    await trimmed(driver)
    assert not [name for name in await driver.stored() if name.startswith(("e:", "b:"))]


async def test_a_failed_batch_keeps_its_events(driver: Driver) -> None:
    """R45: as long as its dead letter; its `on_failure` is told the data of all."""
    await driver.register(batched(2, on_failure="h"), Function(id="h", names=()))
    await arrive(driver, 1)
    await arrive(driver, 2)
    (run,) = await due(driver)
    await driver.fail(run)
    (handler,) = await driver.lease()
    assert msgpack.unpackb(handler.data)["event"]["data"] == [1, 2]
    await driver.broker.do(replay(run.id))
    (again,) = await due(driver)
    assert (again.id, data_of(again)) == (run.id, [1, 2])


async def test_nothing_is_left_behind(driver: Driver) -> None:
    """R49: a drained and trimmed system holds only what the rows of the table allow."""
    for function in (debounced(), batched(2)):
        await driver.register(function)
        for n in range(3):
            await arrive(driver, n)
        driver.advance(60_000)
        for run in await due(driver):
            await driver.complete(run)
    driver.advance(2)
    await trimmed(driver)
    assert await left_over(driver.broker) == []
