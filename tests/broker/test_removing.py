"""Moving the runs of functions that are gone; forgetting functions and apps."""

from dataclasses import replace

import pytest

from bgjobs.broker import operations
from bgjobs.broker.conversation import talk
from bgjobs.broker.inspect.apps import read_apps
from bgjobs.broker.inspect.live import read_live
from bgjobs.broker.inspect.registry import Registry
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.patience import Patience
from bgjobs.broker.transitions import move_function, remove_app, remove_functions
from bgjobs.broker.wire import SyncWire
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

LIMITS = {"A": 1, "B": 1}
OLD = Function(id="old", names=["old"], limiters="A", limits={"A": 1})
NEW = Function(id="new", names=["new"], limiters="B", limits={"B": 1}, queue="other")


async def move(driver: Driver, *runs: str, limiters: str = "B") -> int:
    call = move_function([(run, limiters) for run in runs], old="shop/old", new="shop/new", queue="shop:other")
    return await driver.broker.do(call)


async def test_ready_and_parked_runs_change_limiters_and_queue(driver: Driver) -> None:
    """R34: slots go back, and those of the new function are asked for."""
    await driver.register(OLD, NEW)
    runs = [driver.run_of(await driver.send("old"), "old", "old") for _ in range(3)]
    await driver.ingest()
    assert await complaints(driver, LIMITS) == []
    assert await move(driver, *runs) == 3
    assert await complaints(driver, LIMITS) == []
    assert await driver.raw.exists(driver.keys("lc:A")) == 0
    order = []
    for _ in runs:
        (run,) = await driver.lease("w1", queues=["shop:other"])
        assert run.function == "new"
        order.append(run.id)
        await driver.complete(run)
    assert order == runs


async def test_a_run_that_waits_goes_on_as_the_other_function(driver: Driver) -> None:
    await driver.register(OLD, NEW)
    run = await driver.start(name="old")
    await driver.apply(
        "w1", operations.pend(run, "nap", PendKind.SLEEP, delay_ms=1_000), operations.suspend(run, ["nap"])
    )
    assert await move(driver, run.id, limiters="") == 1
    assert await complaints(driver, LIMITS) == []
    driver.advance(1_001)
    await driver.fire()
    (again,) = await driver.lease("w1", queues=["shop:other"])
    assert (again.id, again.function, list(again.checkpoints)) == (run.id, "new", ["nap"])


@pytest.mark.parametrize("end", [False, True])
async def test_running_and_finished_runs_stay(driver: Driver, end: bool) -> None:
    await driver.register(OLD, NEW)
    run = await driver.start(name="old")
    if end:
        await driver.complete(run)
    assert await move(driver, run.id) == 0
    assert (await driver.record(run.id))["f"] == "shop/old"
    assert await complaints(driver, LIMITS) == []


async def test_a_repeated_move_moves_nothing_more(driver: Driver) -> None:
    await driver.register(OLD, NEW)
    run = driver.run_of(await driver.send("old"), "old", "old")
    await driver.ingest()
    assert await move(driver, run) == 1
    before = await driver.snapshot()
    assert await move(driver, run) == 0
    assert await driver.snapshot() == before


async def test_a_removed_function_matches_no_more_and_its_runs_stay(driver: Driver) -> None:
    """R8: the versions of its event names rise, so that ingesters match again."""
    await driver.register(Function(id="f"), Function(id="g"))
    run = await driver.start()
    version = await driver.raw.hget(driver.keys("fv:shop"), "go")
    assert await driver.broker.do(remove_functions("shop", ["f"])) == 1
    assert await driver.broker.do(remove_functions("shop", ["f"])) == 0
    assert await driver.raw.hget(driver.keys("fv:shop"), "go") != version
    assert await driver.state(run.id) is RunState.RUNNING
    assert {field.decode() for field in await driver.raw.hkeys(driver.keys("fn:shop"))} == {"f:g", "x:f", "d:d"}


async def test_an_app_that_registered_again_is_not_forgotten(driver: Driver) -> None:
    await driver.broker.do(remove_functions("shop", everything=True))
    assert await driver.raw.xinfo_groups(driver.keys.events) == []
    await driver.register(Function(id="f"))
    assert await driver.broker.do(remove_app("shop")) == "registered"
    await driver.broker.do(remove_functions("shop", everything=True))
    assert await driver.broker.do(remove_app("shop")) == "OK"
    assert await driver.broker.do(remove_app("shop")) == "missing"
    assert not [name for name in await driver.stored() if "shop" in name]


async def test_live_runs_are_found_wherever_they_are(driver: Driver) -> None:
    """Ready, parked, suspect, running, waiting; and not those of other functions of the same queue."""
    await driver.register(OLD, Function(id="f", limiters="C", limits={"C": 2}))
    for _ in range(4):
        await driver.send("go")
    await driver.send("old")
    await driver.ingest()
    running, waiting = await driver.lease("w1", 2)
    await driver.apply(
        "w1", operations.pend(waiting, "nap", PendKind.SLEEP, delay_ms=9_000), operations.suspend(waiting, ["nap"])
    )
    wire = SyncWire(driver.broker.endpoint, timeout=5)
    (app,) = talk(read_apps(driver.keys, Patience("here", 5)), wire)
    app = replace(app, registry=Registry(definitions={"old": {}, "f": {}}, versions={}, deployments={}))
    live = talk(read_live(driver.keys, Patience("here", 5), app, "shop/f"), wire)
    everything = talk(read_live(driver.keys, Patience("here", 5), app), wire)
    wire.close()
    assert live.running == (running.id,)
    assert live.waiting == (waiting.id,)
    assert len(live.queued) == 2
    assert (live.count, everything.count, live.complete) == (4, 5, True)
