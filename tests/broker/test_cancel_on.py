"""cancel_on: events that end runs; marks for runs that come after them (R10)."""

from typing import Any

import msgpack
import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import IngestEvent, PendKind, RunState
from bgjobs.broker.transitions import replay
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

HOUR = 3_600_000


def cancellable(**options: Any) -> Function:
    """Its runs end with an event `stop` of the same data."""
    return Function(id="f", policies=lambda data: [("c", [(f"ref-{data}", HOUR)])], **options)


async def read(driver: Driver) -> list[IngestEvent]:
    events = await driver.read()
    for event in events:
        if event.name == "stop":
            event.cancels = [f"ref-{msgpack.unpackb(event.data)}"]
    return events


async def stop(driver: Driver, data: str = "a") -> None:
    """An event comes that cancels what has the same data."""
    await driver.send("stop", data)
    await driver.ingest_once(await read(driver))


@pytest.fixture
async def ready(driver: Driver) -> Driver:
    await driver.register(cancellable(), Function(id="g", names=()))
    return driver


async def begin(driver: Driver, data: Any = "a") -> str:
    event = await driver.send(data=data)
    await driver.ingest()
    return driver.run_of(event)


async def watched(driver: Driver) -> list[str]:
    return [name for name in await driver.stored() if name.startswith("cx:")]


async def test_an_event_ends_the_older_runs_with_its_value(ready: Driver) -> None:
    """Queued, waiting and running ones; those of another value go on."""
    waiting, running, queued, other = [await begin(ready, data) for data in ("a", "a", "a", "b")]
    first, second = await ready.lease("w1", 2)
    assert [first.id, second.id] == [waiting, running]
    await ready.apply("w1", op.pend(first, "sleep:0", PendKind.SLEEP, delay_ms=HOUR))
    await ready.apply("w1", op.suspend(first, ["sleep:0"]))
    await stop(ready)
    assert [await ready.state(run) for run in (waiting, queued, other)] == [
        *(RunState.CANCELLED, RunState.CANCELLED, RunState.QUEUED),
    ]
    _, reply = await ready.pump("w1")
    assert [(mail.run, mail.step) for mail in reply.resolutions] == [(running, "")]
    assert b"event stop" in reply.resolutions[0].envelope
    await ready.apply("w1", op.cancelled(second))
    await ready.fire()
    assert await watched(ready) == ["cx:ref-b"]
    assert not await complaints(ready, {})


async def test_a_run_whose_event_is_older_than_the_cancel_is_born_cancelled(ready: Driver) -> None:
    """R10: two workers ingest in the other order; by the stream the run's event came first."""
    older = await ready.send(data="a")
    await ready.send("stop", "a")
    newer = await ready.send(data="a")
    events = await read(ready)
    await ready.ingest_once([events[1]])
    await ready.ingest_once([events[0], events[2]])
    assert await ready.state(ready.run_of(older)) is RunState.CANCELLED
    assert await ready.state(ready.run_of(newer)) is RunState.QUEUED
    assert (await ready.steps(ready.run_of(older)))["@e"].find(b"had come before") > 0
    await ready.fire()
    assert not await complaints(ready, {})


async def test_a_cancel_that_is_older_than_the_run_does_nothing(ready: Driver) -> None:
    """R10: though it is ingested later."""
    await ready.send("stop", "a")
    run = await ready.send(data="a")
    events = await read(ready)
    await ready.ingest_once([events[1]])
    await ready.ingest_once([events[0]])
    assert await ready.state(ready.run_of(run)) is RunState.QUEUED


async def test_the_mark_is_gone_after_a_minute(ready: Driver) -> None:
    event = await ready.send(data="a")
    await ready.send("stop", "a")
    events = await read(ready)
    await ready.ingest_once([events[1]])
    ready.advance(60_001)
    await ready.enlist("w1")
    await ready.ingest_once([events[0]])
    assert await ready.state(ready.run_of(event)) is RunState.QUEUED


async def test_it_ends_nothing_after_its_time_out(ready: Driver) -> None:
    run = await begin(ready)
    ready.advance(HOUR + 1)
    await ready.fire()
    assert await watched(ready) == []
    await ready.enlist("w1")
    await stop(ready)
    assert await ready.state(run) is RunState.QUEUED
    assert not await complaints(ready, {})


async def test_many_runs_are_ended_in_several_calls(ready: Driver) -> None:
    """R7: at most 100 in one call; the event is acknowledged by the last."""
    runs = [ready.run_of(await ready.send(data="a")) for _ in range(250)]
    await ready.ingest()
    await ready.send("stop", "a")
    events = await read(ready)
    calls = 0
    while True:
        calls += 1
        reply = await ready.ingest_once(events)
        if not reply.unfinished:
            break
    assert calls == 3
    assert {await ready.state(run) for run in runs} == {RunState.CANCELLED}
    assert not await ready.pending()


async def test_what_a_finished_run_registered_leaves_with_it(ready: Driver) -> None:
    """R30."""
    run = await begin(ready)
    (leased,) = await ready.lease()
    assert leased.pending == {}
    await ready.complete(leased)
    await ready.fire()
    assert await watched(ready) == []
    assert (await ready.record(run))["np"] == "0"


@pytest.mark.parametrize("new", ["", "00" + "1" * 24])
async def test_a_replay_can_be_cancelled_too(ready: Driver, new: str) -> None:
    """R44: from the failed step, and from the start."""
    await begin(ready)
    (leased,) = await ready.lease()
    await ready.fail(leased)
    await ready.fire()
    assert await watched(ready) == []
    _, run = await ready.broker.do(replay(leased.id, new=new))
    await stop(ready)
    assert await ready.state(run) is RunState.CANCELLED
    await ready.fire()
    assert await watched(ready) == []


async def test_a_debounced_run_is_cancelled_by_its_last_event(ready: Driver) -> None:
    """R37: the values of the last event count."""
    policies = lambda data: [("d", "shop/f:", 60_000, HOUR), ("c", [(f"ref-{data}", HOUR)])]  # noqa: E731
    await ready.register(Function(id="f", policies=policies))
    run = await begin(ready, "a")
    await begin(ready, "b")
    assert await watched(ready) == ["cx:ref-b"]
    await stop(ready, "a")
    assert await ready.state(run) is RunState.WAITING
    await stop(ready, "b")
    assert await ready.state(run) is RunState.CANCELLED
    assert await ready.state(await begin(ready, "c")) is RunState.WAITING
    await ready.fire()
    assert not await complaints(ready, {})
