"""Unbounded `unpack` in Lua fails at about 8,000 values: nothing that may become large goes through a single one."""

from dataclasses import replace

import msgpack

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState
from bgjobs.broker.transitions import cancel, discard, signal, trim
from tests.broker.driver import NO_ERROR, Driver, Function

MANY = 9_000


async def pended(driver: Driver, kind: PendKind, spec: list[str]) -> LeasedRun:
    """A run with very many pending steps, registered in one call."""
    run = await driver.start()
    answers, _ = await driver.pump(
        "w1", *(op.pend(run, f"s:{number}", kind, delay_ms=60_000, spec=spec) for number in range(MANY))
    )
    assert {answer.status for answer in answers} == {"OK"}
    assert (await driver.record(run.id))["np"] == str(MANY)
    return run


async def leave(driver: Driver, run: LeasedRun) -> None:
    await driver.apply("w1", op.suspend(run, [f"s:{number}" for number in range(MANY)]))
    assert await driver.state(run.id) is RunState.WAITING


async def indexes(driver: Driver) -> list[str]:
    return [name for name in await driver.stored() if name.startswith(("w:", "wn", "dl", "mb", "bad"))]


async def test_a_run_that_waits_for_very_many_sleeps(driver: Driver) -> None:
    """All come due at once; the first takes the run back to its queue, and each is an outcome in the end."""
    run = await pended(driver, PendKind.SLEEP, [])
    await leave(driver, run)
    driver.advance(60_000)
    await driver.enlist("w1")
    await driver.fire()
    (again,) = await driver.lease("w1")
    assert len(again.checkpoints) == MANY
    assert (await driver.record(run.id))["np"] == "0"
    assert await indexes(driver) == []


async def test_a_run_that_ends_with_very_many_waits(driver: Driver) -> None:
    """R30: its timers and waits go, a bounded number at a time."""
    run = await pended(driver, PendKind.EVENT, op.wait_spec("paid", "", ""))
    await driver.complete(run)
    await driver.fire()
    assert (await driver.record(run.id))["np"] == "0"
    assert await indexes(driver) == []


async def test_an_event_that_ends_very_many_waits(driver: Driver) -> None:
    """R7: a hundred per call; the run that waits on its worker is told by mail, a hundred at a time."""
    run = await pended(driver, PendKind.EVENT, op.wait_spec("paid", "", ""))
    await driver.send("paid")
    replies = await driver.ingest()
    assert len(replies) >= MANY / 100
    told = 0
    while mail := (await driver.pump("w1"))[1].resolutions:
        told += len(mail)
    assert told == MANY
    assert len(await driver.steps(run.id)) == MANY
    assert await indexes(driver) == []


async def test_very_many_runs_wait_for_one_signal(driver: Driver) -> None:
    """And each of very many steps in the queue of one signal."""
    run = await pended(driver, PendKind.SIGNAL, op.signal_spec("go"))
    await leave(driver, run)
    resolved = 0
    while (count := await driver.broker.do(signal("go", op.NOTHING))) > 0:
        resolved += count
    assert resolved == MANY
    assert await indexes(driver) == []


async def ingested(driver: Driver) -> list[str]:
    async with driver.raw.pipeline(transaction=False) as pipe:
        for number in range(MANY):
            pipe.xadd(driver.keys.events, {"n": "go", "i": f"n{number}", "d": b"\xc0"})
        await pipe.execute()
    await driver.ingest()
    return [driver.run_of(f"n{number}") for number in range(MANY)]


async def test_very_many_runs_in_one_call(driver: Driver) -> None:
    """Leased, reconciled, failed, discarded and trimmed at once, and cancelled at once."""
    runs = await ingested(driver)
    _, reply = await driver.pump("w1", capacity=MANY)
    leased = reply.leased
    assert len(leased) == MANY
    stranger = [replace(run, g=b"1") for run in leased]
    assert await driver.reconcile("w1", leased) == (0, (), ())
    half = MANY // 2
    answers, _ = await driver.pump("w1", *(op.fail(run, NO_ERROR, type="E", message="m") for run in leased[:half]))
    assert {answer.status for answer in answers} == {"OK"}
    assert len((await driver.reconcile("w1", [*leased[half:], *stranger[:half]]))[1]) == half
    letters = [entry.decode() for entry, _ in await driver.raw.xrange(driver.keys("dq"))]
    assert await driver.broker.do(discard(letters)) == half
    assert (await driver.broker.do(cancel(runs))).count("requested") == MANY - half
    driver.advance(10_000)
    await driver.beat("w1")
    await driver.fire()
    driver.advance(1)
    trimmed = trim(
        ["shop/f"],
        history_ms=0,
        history_max=0,
        keep={RunState.FAILED: (0, 0), RunState.CANCELLED: (0, 0)},
        letters_ms=0,
        budget=MANY,
    )
    removed, *_ = await driver.broker.do(trimmed)
    assert removed == MANY
    assert await driver.raw.exists(driver.keys("in:w1"), driver.keys("dl"), driver.keys("bad")) == 0


async def test_a_function_with_very_many_names(driver: Driver) -> None:
    """The registry, its versions, and its retirement."""
    names = [f"n/{number}" for number in range(MANY)]
    limits = {f"L{number}": 1 for number in range(MANY)}
    await driver.register(Function(id="f", names=names, limits=limits))
    await driver.register(Function(id="g"))
    assert await driver.raw.hlen(driver.keys("fv:shop")) > MANY


async def test_a_delayed_entry_with_very_many_fields(driver: Driver) -> None:
    """R51: what others append may have fields that mean nothing here; when it is due it comes back."""
    extra = {f"x{number}": b"y" for number in range(MANY)}
    due = await driver.now() + 60_000
    fields = {"n": "go", "i": "wide", "d": msgpack.packb(7), "t": str(due), **extra}
    await driver.raw.xadd(driver.keys.events, fields)
    await driver.ingest()
    driver.advance(60_000)
    await driver.enlist("w1")
    await driver.fire()
    assert await indexes(driver) == []
    await driver.ingest()
    (run,) = await driver.lease("w1")
    assert (run.event_id, msgpack.unpackb(run.data)) == ("wide", 7)
