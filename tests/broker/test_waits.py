"""Waits for events by value: found by name, path and value; decided by filters; never lost between versions."""

import asyncio

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState
from bgjobs.broker.operations import NOTHING
from tests.broker.driver import Driver


def wait(
    run: LeasedRun, *, name: str = "paid", path: str = "", value: str = "", filter: str = "", step: str = "e:0"
) -> op.Operation:
    return op.pend(run, step, PendKind.EVENT, delay_ms=60_000, spec=op.wait_spec(name, path, value, filter))


async def waiting(driver: Driver, **spec: str) -> LeasedRun:
    """A run that left for a wait."""
    run = await driver.start()
    await driver.apply("w1", wait(run, **spec), op.suspend(run, ["e:0"]))
    return run


async def outcomes(driver: Driver, *runs: LeasedRun) -> list[bytes | None]:
    return [(await driver.steps(run.id)).get("c:e:0") for run in runs]


async def drained(driver: Driver) -> None:
    """No wait is left in any index."""
    assert not [name for name in await driver.stored() if name.startswith(("w:", "wn", "dl"))]


async def test_an_event_ends_the_waits_for_its_value(driver: Driver) -> None:
    """R7: those that wait for another value, another path or another name go on waiting."""
    first = await waiting(driver, path="order", value="7")
    second = await waiting(driver, path="order", value="8")
    other_path = await waiting(driver, path="customer", value="7")
    other_name = await waiting(driver, name="refunded", path="order", value="7")
    everyone = await waiting(driver)
    await driver.send("paid", {"order": 7})
    await driver.ingest()
    found = await outcomes(driver, first, second, other_path, other_name, everyone)
    assert [each is not None for each in found] == [True, False, False, False, True]
    assert await driver.state(first.id) is RunState.QUEUED
    assert await driver.state(second.id) is RunState.WAITING


async def test_a_missing_path_never_matches(driver: Driver) -> None:
    """R31: not even a wait for nothing."""
    run = await waiting(driver, path="order", value="")
    await driver.send("paid", {"customer": 1})
    await driver.ingest()
    assert await outcomes(driver, run) == [None]


async def test_the_worker_decides_filters_before_the_event_is_acknowledged(driver: Driver) -> None:
    """R7: candidates come back with their filters; only then the event is done with."""
    yes = await waiting(driver, path="order", value="7", filter="yes")
    no = await waiting(driver, path="order", value="7", filter="no")
    event_id = await driver.send("paid", {"order": 7})
    events = await driver.read()
    reply = await driver.ingest_once(events)
    assert {(member, text) for _, member, text in reply.candidates} == {
        (f"?{yes.id}|e:0", "yes"),
        (f"?{no.id}|e:0", "no"),
    }
    assert [event.id for event in await driver.pending()] == [event_id]
    assert await outcomes(driver, yes, no) == [None, None]
    events[0].residual = {member: text == "yes" for _, member, text in reply.candidates}
    reply = await driver.ingest_once(events)
    assert reply.candidates == ()
    assert await driver.pending() == []
    assert [each is not None for each in await outcomes(driver, yes, no)] == [True, False]


async def test_an_event_with_many_waits_is_done_in_several_calls(driver: Driver) -> None:
    """R7: 100 waits a call, filtered or not; the function that listens for the same event gets one run."""
    runs = []
    for _ in range(330):
        await driver.send()
    await driver.ingest()
    for number, run in enumerate(await driver.lease("w1", 330)):
        runs.append(run)
        text = ("", "yes", "no")[number % 3]
        await driver.pump("w1", wait(run, name="go", path="order", value="7", filter=text), op.suspend(run, ["e:0"]))
    event_id = await driver.send("go", {"order": 7})
    replies = await driver.ingest(lambda member, text: text == "yes")
    assert len(replies) > 3
    assert sum(reply.created for reply in replies) == 1
    found = await outcomes(driver, *runs)
    assert [each is not None for each in found] == [number % 3 != 2 for number in range(330)]
    assert await driver.state(driver.run_of(event_id)) is RunState.QUEUED


async def test_the_budget_is_of_the_call_not_of_the_event(driver: Driver) -> None:
    """R7, R23: three events with 60 waits each are not one call's work; none is lost."""
    for _ in range(180):
        await driver.send()
    await driver.ingest()
    runs = await driver.lease("w1", 180)
    for number, run in enumerate(runs):
        await driver.pump("w1", wait(run, path="order", value=str(number % 3)), op.suspend(run, ["e:0"]))
    for order in range(3):
        await driver.send("paid", {"order": order})
    events = await driver.read()
    first = await driver.ingest_once(events)
    assert first.unfinished == ((1, ""), (2, ""))
    settled = [each for each in await outcomes(driver, *runs) if each]
    assert 60 <= len(settled) <= 100
    left = [events[index] for index, _ in first.unfinished]
    while left:
        reply = await driver.ingest_once(left)
        left = [left[index] for index, _ in reply.unfinished]
    assert all(await outcomes(driver, *runs))
    await drained(driver)


async def test_a_wait_that_the_ingester_did_not_know_of_makes_the_event_stale(driver: Driver) -> None:
    """R8, R26: matched before the wait was registered, ingested after: it is matched again, and ends the wait."""
    run = await driver.start()
    await driver.send("paid", {"order": 7})
    await driver.send("go")
    events = await driver.read()
    versions = await driver.matched(events)
    await driver.apply("w1", wait(run, path="order", value="7"), op.suspend(run, ["e:0"]))
    reply = await driver.ingest_once(events, versions)
    assert reply.stale == (0,)  # the other name goes on
    assert reply.created == 1
    assert (await driver.ingest_once(events[:1])).stale == ()
    assert (await outcomes(driver, run))[0] is not None


async def test_another_path_of_a_known_name_is_news_too(driver: Driver) -> None:
    """R8: the version of a name changes with each path that is new to it, and with none else."""
    await waiting(driver, path="order", value="1")
    run = await driver.start()
    await driver.send("paid", {"order": 7, "customer": 3})
    events = await driver.read()
    versions = await driver.matched(events)
    await waiting(driver, path="order", value="2")
    assert (await driver.matched(events)) == versions
    await driver.apply("w1", wait(run, path="customer", value="3"))
    assert (await driver.ingest_once(events, versions)).stale == (0,)


async def test_event_time_out_and_end_race_for_one_outcome(driver: Driver) -> None:
    """R26, R30: whichever comes first; the others find nothing, and nothing is left."""
    by_event, by_timer, ended = [await waiting(driver, path="order", value=str(number)) for number in range(3)]
    await driver.send("paid", {"order": 0})
    await driver.ingest()
    driver.advance(60_000)
    await driver.fire()
    await driver.send("paid", {"order": 1})
    await driver.ingest()
    found = await outcomes(driver, by_event, by_timer, ended)
    assert found[0] not in (None, NOTHING)
    assert found[1:] == [NOTHING, NOTHING]
    await drained(driver)


async def test_an_event_wakes_only_whom_it_concerns(driver: Driver) -> None:
    """O(paths + matches): 500 runs that wait for other values cost nothing."""
    for _ in range(500):
        await driver.send()
    await driver.ingest()
    runs = await driver.lease("w1", 500)
    for number, run in enumerate(runs):
        await driver.pump("w1", wait(run, path="order", value=str(number)), op.suspend(run, ["e:0"]))
    costs = []
    for order in (3, 1000):
        await driver.send("paid", {"order": order})
        events = await driver.read()
        versions = await driver.matched(events)
        await driver.raw.config_resetstat()
        await driver.ingest_once(events, versions)
        stats = await driver.raw.info("commandstats")
        costs.append(sum(each["calls"] for each in stats.values()))
    assert costs[0] < 60
    assert costs[1] < 40


async def test_waits_and_events_at_the_same_time(driver: Driver) -> None:
    """R26: 40 runs register while their events are ingested with old versions: none waits for ever."""
    for _ in range(40):
        await driver.send()
    await driver.ingest()
    runs = await driver.lease("w1", 40)

    async def register() -> None:
        for number, run in enumerate(runs):
            await driver.pump("w1", wait(run, path=f"p{number % 5}", value=str(number)))
            await driver.send("paid", {f"p{number % 5}": number})
            await driver.pump("w1", op.suspend(run, ["e:0"]))

    async def ingest() -> None:
        while not all(await outcomes(driver, *runs)):
            await driver.ingest()

    await asyncio.wait_for(asyncio.gather(register(), ingest()), 30)
    await drained(driver)
