"""Pauses of functions, queues and keys: nothing starts, nothing is lost, and the order comes back (R36)."""

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.transitions import cancel, pause, resume
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

FUNCTION, QUEUE = "f|shop/f", "q|shop:default"


async def paused(driver: Driver, field: str = FUNCTION) -> bool:
    return await driver.broker.do(pause(field, actor="ada@desk", what=field, reason="why not"))


async def resumed(driver: Driver, field: str = FUNCTION) -> bool:
    return await driver.broker.do(resume(field, actor="ada@desk", what=field))


async def sent(driver: Driver, count: int) -> list[str]:
    runs = [driver.run_of(await driver.send()) for _ in range(count)]
    await driver.ingest()
    return runs


@pytest.mark.parametrize("field", [FUNCTION, QUEUE])
async def test_ready_runs_are_caught_at_the_lease_and_new_ones_park(driver: Driver, field: str) -> None:
    """R36: nothing starts from the reply on; resuming gives back the order of the scores."""
    before = await sent(driver, 3)
    assert await paused(driver, field)
    assert not await paused(driver, field)
    after = await sent(driver, 3)
    assert await driver.lease("w1") == []
    assert not await complaints(driver, {})
    assert await driver.raw.zcard(driver.keys(f"bk:!{field}")) == 6
    assert await resumed(driver, field)
    assert not await resumed(driver, field)
    await driver.fire()
    assert [run.id for run in await driver.lease("w1")] == before + after
    assert await driver.raw.exists(driver.keys("pz")) == 0
    assert not await complaints(driver, {})


async def test_other_functions_and_queues_go_on(driver: Driver) -> None:
    await driver.register(Function(id="f"), Function(id="g", names=["g"]), Function(id="h", names=["h"], queue="other"))
    await paused(driver)
    await sent(driver, 2)
    await driver.send("g")
    await driver.ingest()
    assert [run.function for run in await driver.lease("w1")] == ["g"]
    await paused(driver, QUEUE)
    await driver.send("g")
    await driver.send("h")
    await driver.ingest()
    both = await driver.lease("w1", queues=("shop:default", "shop:other"))
    assert [run.function for run in both] == ["h"]


async def test_one_key_is_struck(driver: Driver) -> None:
    """R36: customer 42 waits, the others don't; its slots go to nobody else, for they are its own."""
    await driver.register(Function(id="f", limiters=lambda data: f"A.{data}", limits={"A": 1}))
    await paused(driver, "k|shop/f|A.42")
    ids = {customer: driver.run_of(await driver.send("go", customer)) for customer in (42, 7)}
    await driver.ingest()
    assert [run.id for run in await driver.lease("w1")] == [ids[7]]
    assert not await complaints(driver, {"A": 1})
    await resumed(driver, "k|shop/f|A.42")
    await driver.fire()
    assert [run.id for run in await driver.lease("w1")] == [ids[42]]


async def test_a_caught_run_gives_its_slots_to_others(driver: Driver) -> None:
    """R36: what is paused must not hold a shared limit; resumed, it waits for room in its place."""
    await driver.register(
        Function(id="f", limiters="A", limits={"A": 1}), Function(id="g", names=["g"], limiters="A", queue="other")
    )
    (held,) = await sent(driver, 1)
    await driver.send("g")
    await driver.ingest()
    await paused(driver)
    assert await driver.lease("w1", queues=("shop:default",)) == []
    (other,) = await driver.lease("w1", queues=("shop:other",))
    assert other.function == "g"
    await resumed(driver)
    await driver.fire()
    assert await driver.lease("w1", queues=("shop:default", "shop:other")) == []
    assert not await complaints(driver, {"A": 1})
    await driver.complete(other)
    assert [run.id for run in await driver.lease("w1")] == [held]


async def test_what_runs_goes_on_and_parks_when_it_comes_back(driver: Driver) -> None:
    """R36: a run that was started before goes on until it leaves; its next turn waits for the resumption."""
    run = await driver.start()
    await paused(driver)
    await driver.apply("w1", op.pend(run, "s:0", PendKind.SLEEP, delay_ms=1000), op.suspend(run, ["s:0"]))
    driver.advance(1000)
    await driver.fire()
    assert await driver.lease("w1") == []
    assert await driver.raw.zcard(driver.keys("bk:!f|shop/f")) == 1
    await resumed(driver)
    await driver.fire()
    assert [each.id for each in await driver.lease("w1")] == [run.id]


async def test_a_parked_run_can_be_cancelled(driver: Driver) -> None:
    await paused(driver)
    runs = await sent(driver, 2)
    assert await driver.broker.do(cancel(runs[:1])) == ["cancelled"]
    assert not await complaints(driver, {})
    await driver.broker.do(cancel(runs[1:]))
    assert await driver.state(runs[1]) is RunState.CANCELLED
    await resumed(driver)
    await driver.fire()
    assert await driver.raw.exists(driver.keys("pz")) == 0


async def test_function_and_queue_are_paused_at_once(driver: Driver) -> None:
    """R36: what one lets go the other still holds; newcomers go behind those that are still to be let go."""
    await paused(driver)
    first = await sent(driver, 2)
    await paused(driver, QUEUE)
    await resumed(driver)
    last = await sent(driver, 1)
    await driver.fire()
    assert await driver.lease("w1") == []
    assert not await complaints(driver, {})
    await resumed(driver, QUEUE)
    await driver.fire()
    assert [run.id for run in await driver.lease("w1")] == first + last
    assert await driver.raw.exists(driver.keys("pz")) == 0


async def test_many_are_let_go_by_and_by_in_order(driver: Driver) -> None:
    """R36: one call lets 100 go, a timer the next; a newcomer waits behind them."""
    await driver.register(Function(id="f", limiters="A", limits={"A": 10_000}))
    await paused(driver)
    runs = await sent(driver, 250)
    await resumed(driver)
    await driver.pump("w1")
    assert await driver.raw.zcard(driver.keys("bk:!f|shop/f")) == 150
    assert not await complaints(driver, {"A": 10_000})
    runs += await sent(driver, 1)
    await driver.fire()
    assert [run.id for run in await driver.lease("w1", 300)] == runs
    assert await driver.raw.exists(driver.keys("pz")) == 0


async def test_a_call_that_leases_catches_a_bounded_number(driver: Driver) -> None:
    """R23: 200 in one call; the rest with the next one, which the reply asks for."""
    await sent(driver, 230)
    await paused(driver)
    _, reply = await driver.pump("w1", capacity=5)
    assert (reply.leased, reply.more) == ((), True)
    assert await driver.raw.zcard(driver.keys("bk:!f|shop/f")) == 200
    _, reply = await driver.pump("w1", capacity=5)
    assert (reply.leased, reply.more) == ((), False)
    assert not await complaints(driver, {})


async def test_an_ingest_that_leases_at_once_heeds_pauses(driver: Driver) -> None:
    """R36: the way past the queue is no way past the pause."""
    await paused(driver)
    await driver.send()
    reply = await driver.ingest_once(await driver.read(), capacity=5)
    assert reply.leased == ()
    assert not await complaints(driver, {})


async def test_changes_are_written_down(driver: Driver) -> None:
    """R40: who, what, when, why; a repetition that changes nothing is none."""
    await paused(driver)
    await paused(driver)
    await resumed(driver)
    entries = [fields for _, fields in await driver.raw.xrange(driver.keys("au"))]
    assert [(each[b"v"], each[b"a"], each[b"d"]) for each in entries] == [
        (b"pause", b"ada@desk", b"why not"),
        (b"resume", b"ada@desk", b""),
    ]
