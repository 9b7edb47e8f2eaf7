"""Concurrency limits: who starts, who waits, and that no room waits for anybody."""

from typing import Any

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind
from bgjobs.broker.transitions import cancel, replay
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.places import complaints


def named(id: str, limiters: str, **options: Any) -> Function:
    """A function that listens for an event of its own name."""
    return Function(id=id, names=[id], limiters=limiters, **options)


async def ready(driver: Driver) -> int:
    return int(await driver.raw.zcard(driver.keys("q:shop:default")))


async def order(driver: Driver, *, workers: int = 100) -> list[str]:
    """Lease and complete one after the other until nothing is left; answers the functions in their order."""
    started = []
    for _ in range(workers):
        leased = await driver.lease("w1", 1)
        if not leased:
            return started
        started.append(leased[0].function)
        await driver.complete(leased[0])
    raise AssertionError("it never ends")


async def test_no_more_than_the_limit_are_ready_or_running(driver: Driver) -> None:
    """R34: the queue holds only runs that may start; a release lets the next one in, oldest first."""
    await driver.register(named("f", "A", limits={"A": 2}))
    sent = [driver.run_of(await driver.send("f"), "f", "f") for _ in range(5)]
    await driver.ingest()
    assert await ready(driver) == 2
    leased = await driver.lease("w1")
    assert [run.id for run in leased] == sent[:2]
    await driver.complete(leased[0])
    assert [run.id for run in await driver.lease("w1")] == sent[2:3]
    assert not await complaints(driver, {"A": 2})


async def test_a_newcomer_never_passes_a_parked_run(driver: Driver) -> None:
    """R15: not even when room appears in the same call, and not from another backlog of the same limiter."""
    await driver.register(named("one", "A", limits={"A": 1}), named("two", "A K"))
    holder = await driver.start(name="one")
    await driver.send("two")
    await driver.ingest()
    await driver.complete(holder)
    await driver.send("one")
    await driver.ingest()
    assert await order(driver) == ["two", "one"]


async def test_priority_sorts_the_parked_and_time_the_rest(driver: Driver) -> None:
    """R15: the score is the time of eligibility less the priority; it is kept through parking."""
    await driver.register(named("low", "A", limits={"A": 1}), named("high", "A", priority_ms=60_000))
    holder = await driver.start(name="low")
    for name in ("low", "low", "high", "low"):
        await driver.send(name)
    await driver.ingest()
    await driver.complete(holder)
    assert await order(driver) == ["high", "low", "low", "low"]


async def test_a_replay_keeps_the_priority(driver: Driver) -> None:
    """R15, R44: it queues as of now, ahead or behind by as much as before; also when it is replayed once more."""
    await driver.register(named("high", "A", priority_ms=60_000), named("low", "A", priority_ms=-5_000))
    for name, priority in (("high", 60_000), ("low", -5_000)):
        run = await driver.start(name=name)
        for _ in range(2):
            await driver.fail(run)
            driver.advance(3_600_000)
            before = await driver.now()
            await driver.broker.do(replay(run.id))
            record = await driver.record(run.id)
            assert float(record["sc"]) == float(record["el"]) - priority >= before - priority
            (run,) = await driver.lease("w1", 1)
        await driver.complete(run)
        driver.advance(3_600_000)
        new = "00" + name.ljust(24, "0")
        await driver.broker.do(replay(run.id, new=new, limiters="A"))
        record = await driver.record(new)
        assert float(record["sc"]) == float(record["t"]) - priority
        await driver.complete((await driver.lease("w1", 1))[0])


async def test_a_run_that_comes_back_keeps_its_place(driver: Driver) -> None:
    """R15: after a retry it goes before younger runs, though they were parked while it waited."""
    await driver.register(named("f", "A", limits={"A": 1}))
    first = await driver.start(name="f")
    later = [await driver.send("f") for _ in range(3)]
    await driver.ingest()
    await driver.apply("w1", op.retry(first, 1000, NO_ERROR))
    (second,) = await driver.lease("w1")
    assert second.id == driver.run_of(later[0], "f", "f")
    driver.advance(1000)
    await driver.fire()
    assert await driver.lease("w1") == []
    await driver.complete(second)
    assert [run.id for run in await driver.lease("w1")] == [first.id]


async def test_two_limiters_are_taken_together_or_not_at_all(driver: Driver) -> None:
    """R34: a run that waits for one limiter holds none of the others."""
    await driver.register(named("a", "A", limits={"A": 1}), named("b", "B", limits={"B": 1}), named("ab", "A B"))
    on_b = await driver.start(name="b")
    await driver.send("ab")
    await driver.ingest()
    assert await driver.raw.exists(driver.keys("lc:A")) == 0
    on_a = await driver.start(name="a")
    await driver.complete(on_b)
    assert await driver.lease("w1") == []
    assert (await driver.raw.hgetall(driver.keys("bh"))) == {b"A B": b"A"}
    await driver.complete(on_a)
    assert await order(driver) == ["ab"]


async def test_runs_with_two_limiters_do_not_starve_those_with_one(driver: Driver) -> None:
    """R15: however many `A B` are parked at A, an older `B` that is parked at B goes first."""
    await driver.register(named("ab", "A B", limits={"A": 1, "B": 1}), named("b", "B"))
    holder = await driver.start(name="ab")
    await driver.send("b")
    for _ in range(5):
        await driver.send("ab")
    await driver.ingest()
    await driver.complete(holder)
    assert (await order(driver))[0] == "b"


async def test_a_waiting_run_holds_no_slot(driver: Driver) -> None:
    """R34: leaving gives its slot to the next; it needs a new one to go on."""
    await driver.register(named("f", "A", limits={"A": 1}))
    first = await driver.start(name="f")
    await driver.send("f")
    await driver.ingest()
    await driver.apply("w1", op.pend(first, "s:0", PendKind.SLEEP, delay_ms=10), op.suspend(first, ["s:0"]))
    (second,) = await driver.lease("w1")
    driver.advance(10)
    await driver.fire()
    assert await driver.lease("w1") == []
    await driver.complete(second)
    assert [run.id for run in await driver.lease("w1")] == [first.id]


async def test_a_dead_worker_keeps_the_slot_with_the_run(driver: Driver) -> None:
    """R34: nobody is let in while a run is taken back."""
    await driver.register(named("f", "A", limits={"A": 1}))
    run = await driver.start(name="f")
    await driver.send("f")
    await driver.ingest()
    await driver.kill("w1", "w2")
    assert await driver.raw.smembers(driver.keys("lc:A")) == {run.id.encode()}
    assert [each.id for each in await driver.lease("w2")] == [run.id]


async def test_cancelling_many_at_once_leaves_nothing_behind(driver: Driver) -> None:
    """R34: one call frees a slot for a parked run and cancels that run too: it is in no queue, and the slot is free."""
    await driver.register(named("f", "A", limits={"A": 1}))
    runs = [driver.run_of(await driver.send("f"), "f", "f") for _ in range(4)]
    await driver.ingest()
    assert await driver.broker.do(cancel(runs[:3])) == ["cancelled"] * 3
    assert not await complaints(driver, {"A": 1})
    assert [run.id for run in await driver.lease("w1")] == [runs[3]]


async def test_raising_a_limit_lets_parked_runs_in(driver: Driver) -> None:
    """R40: by a timer, without waiting for a release; lowering takes no slot back."""
    await driver.register(named("f", "A.x", limits={"A": 1}), named("g", "A.y"))
    for name in ("f", "f", "f", "g", "g"):
        await driver.send(name)
    await driver.ingest()
    assert await ready(driver) == 2
    await driver.register(named("f", "A.x", limits={"A": 3}), named("g", "A.y"))
    await driver.fire()
    assert await ready(driver) == 5
    await driver.register(named("f", "A.x", limits={"A": 1}), named("g", "A.y"))
    assert len(await driver.lease("w1")) == 5


async def test_more_than_one_call_admits_goes_on_by_timer(driver: Driver) -> None:
    """R34: a release admits 16 at most; the rest follows with the next pump, and nothing is forgotten."""
    functions = [named(f"f{number}", f"A K{number:02}") for number in range(40)]
    await driver.register(named("all", "A", limits={"A": 1}), *functions)
    holder = await driver.start(name="all")
    for each in functions:
        await driver.send(each.id)
    await driver.ingest()
    await driver.register(named("all", "A", limits={"A": 100}), *functions)
    await driver.raw.zrem(driver.keys("dl"), "l|A")
    await driver.complete(holder)
    assert not await complaints(driver, {"A": 100} | {f"K{number:02}": 100 for number in range(40)})
    started = await ready(driver)
    assert started < 40
    await driver.send("all")
    await driver.ingest()
    assert await ready(driver) == started  # R15: there is room, but others were there before
    await driver.fire()
    assert await ready(driver) == 41


async def commands(driver: Driver, run: LeasedRun) -> int:
    """Commands that the server carries out to complete a run, those inside the script included."""
    await driver.raw.config_resetstat()
    await driver.complete(run)
    stats = await driver.raw.info("commandstats")
    return sum(
        each["calls"] for name, each in stats.items() if name not in ("cmdstat_config|resetstat", "cmdstat_info")
    )


async def test_a_release_costs_by_backlogs_not_by_parked_runs(driver: Driver) -> None:
    """R34: with 10 times as many runs parked a release costs the same."""
    await driver.register(named("f", "A", limits={"A": 1}), named("g", "A B", limits={"B": 1}))
    holder = await driver.start(name="f")
    costs = []
    for parked in (10, 400):
        for number in range(parked):
            await driver.send("g" if number % 2 else "f")
        await driver.ingest()
        costs.append(await commands(driver, holder))
        (holder,) = await driver.lease("w1", 1)
    assert costs[1] <= costs[0] + 8 < 50  # the head of another backlog may need one limiter more
