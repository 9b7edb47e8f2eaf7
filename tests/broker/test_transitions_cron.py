"""Cron entries and schedules: one compare-and-set wins each tick; nobody is kept busy by what is not theirs."""

from typing import Any

import msgpack

from bgjobs.broker.transitions import cron_fire, schedule
from bgjobs.broker.transitions.registering import cron_run
from tests.broker.driver import Driver, Function

ENTRY = "shop/f|0 8 * * *"


async def registered(driver: Driver, entry: str = ENTRY, *, in_ms: int = 60_000) -> int:
    """The function `f` with one cron entry; answers its first tick."""
    tick = await driver.now() + in_ms
    await driver.register(Function(id="f", crons={entry: tick}))
    return tick


async def fire(
    driver: Driver, tick: int, *, entry: str = ENTRY, run: str = "00tick", next_ms: int = 0, **options: Any
) -> Any:
    spec = cron_run(
        run=run,
        function="shop/f",
        queue="shop:default",
        limiters="",
        priority_ms=0,
        event_id=str(tick),
        event_key=f"key{tick}",
        data=b"\xc0",
        at_ms=tick,
    )
    runs = options.pop("runs", [spec])
    call = cron_fire(entry, tick_ms=tick, next_ms=next_ms or tick + 60_000, runs=runs, **options)
    return (await driver.broker.do(call))[0]


async def test_one_of_many_fires_a_tick(driver: Driver) -> None:
    """R57: the others are late; the next tick is the one that the winner set."""
    tick = await registered(driver)
    assert (await driver.pump("w1", sweep=True))[1].cron == ()
    driver.advance(60_000)
    _, reply = await driver.pump("w1", sweep=True)
    assert [(due.entry, due.tick_ms) for due in reply.cron] == [(ENTRY, tick)]
    assert [await fire(driver, tick) for _ in range(3)] == ["OK", "late", "late"]
    (run,) = await driver.lease("w1")
    assert (run.id, run.kind, run.created_ms) == ("00tick", "cron", tick)
    _, reply = await driver.pump("w1", sweep=True)
    assert reply.cron == ()
    assert 0 < (reply.next_due_ms or 0) <= 60_000


async def test_an_entry_that_nobody_registers_is_removed(driver: Driver) -> None:
    """R57: by its function's retirement, by a new expression, and if it is left all the same by its firing."""
    tick = await registered(driver)
    await registered(driver, "shop/f|0 9 * * *")
    assert await driver.raw.zrange(driver.keys("cr"), 0, -1) == [b"shop/f|0 9 * * *"]
    await driver.register(Function(id="g"))
    assert await driver.raw.exists(driver.keys("cr")) == 0
    await driver.raw.zadd(driver.keys("cr"), {ENTRY: tick})
    assert await fire(driver, tick) == "removed"
    assert await driver.raw.exists(driver.keys("cr")) == 0


async def test_a_restart_keeps_the_tick_that_is_due(driver: Driver) -> None:
    """R57: what was missed while nothing ran is still there for the policy of missed ticks."""
    tick = await registered(driver)
    driver.advance(10 * 60_000)
    await registered(driver)
    _, reply = await driver.pump("w1", sweep=True)
    assert [due.tick_ms for due in reply.cron] == [tick]


async def test_entries_of_other_apps_hide_nothing_and_keep_nobody_busy(driver: Driver) -> None:
    """R57: an app without workers has 300 overdue entries; this one's is found behind them, and idle workers sleep."""
    now = await driver.now()
    await driver.raw.zadd(
        driver.keys("cr"), {f"gone/f{number}|* * * * *": now - 1000 + number for number in range(300)}
    )
    _, reply = await driver.pump("w1", sweep=True)
    assert reply.cron == ()
    assert (reply.next_due_ms or 0) > 5000
    await registered(driver, in_ms=500)
    _, reply = await driver.pump("w1", sweep=True)
    assert reply.next_due_ms is not None
    driver.advance(500)
    _, reply = await driver.pump("w1", sweep=True)
    assert [due.entry for due in reply.cron] == [ENTRY]
    assert (reply.next_due_ms or 0) >= 900  # it was handed out: if nobody fires it, it comes again in a second


async def test_a_due_entry_that_nobody_fired_comes_again(driver: Driver) -> None:
    """R57: whoever was to fire it died."""
    tick = await registered(driver)
    driver.advance(60_000)
    for _ in range(2):
        _, reply = await driver.pump("w1", sweep=True)
        assert [due.tick_ms for due in reply.cron] == [tick]


async def test_a_tick_makes_one_run_even_if_the_registry_was_lost(driver: Driver) -> None:
    """R1, R57: the run's id is made from the tick."""
    tick = await registered(driver)
    driver.advance(60_000)
    assert await fire(driver, tick) == "OK"
    await driver.raw.zadd(driver.keys("cr"), {ENTRY: tick})
    assert await fire(driver, tick) == "OK"
    assert len(await driver.lease("w1")) == 1


async def test_schedules(driver: Driver) -> None:
    """Created once, replaced, paused, deleted; their ticks send events to whatever listens."""
    body = msgpack.packb({"event": "go"})
    tick = await driver.now() + 1000
    assert await driver.broker.do(schedule("s1", body, next_ms=tick)) == "missing"
    assert await driver.broker.do(schedule("s1", body, next_ms=tick, create=True)) == "OK"
    assert await driver.broker.do(schedule("s1", body, next_ms=tick, create=True)) == "exists"
    driver.advance(1000)
    _, reply = await driver.pump("w1", sweep=True)
    assert [due.entry for due in reply.cron] == ["$|s1"]
    events = [["n", "go", "i", f"s1:{tick}", "d", b"\xc0"]]
    assert await fire(driver, tick, entry="$|s1", runs=[], events=events) == "OK"
    assert await fire(driver, tick, entry="$|s1", runs=[], events=events) == "late"
    assert [reply.created for reply in await driver.ingest()] == [1]
    assert await driver.broker.do(schedule("s1", body)) == "OK"  # paused
    assert await driver.raw.exists(driver.keys("cr")) == 0
    assert await driver.broker.do(schedule("s1", b"")) == "OK"
    assert await driver.raw.exists(driver.keys("sc")) == 0
