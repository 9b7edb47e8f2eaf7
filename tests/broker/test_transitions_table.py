"""Drives the scripts against the table of transitions: every verb in every state."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import LEAVING, TRANSITIONS, LeasedRun, PendKind, RunState
from bgjobs.broker.transitions import cancel, replay, signal
from tests.broker.driver import NO_ERROR, Driver

State = RunState
#: What a verb that finds nothing to do may write all the same: leases, and tokens that wake somebody for nothing.
_BESIDE = ("wk", "wi:", "bell:")


async def _cancel(driver: Driver, run: LeasedRun) -> None:
    """Ask, and let the deadline pass on which a run that goes on is ended."""
    await driver.broker.do(cancel([run.id]))
    driver.advance(11_000)
    await driver.fire()


async def _timer(driver: Driver, run: LeasedRun) -> None:
    driver.advance(60_000)
    await driver.fire()


async def _ingest(driver: Driver, run: LeasedRun) -> None:
    events = await driver.read()
    await driver.raw.delete(driver.keys(f"sn:shop:={events[0].key}"))  # as if it had been forgotten: the run id is left
    await driver.ingest_once(events)


VERBS: dict[str, Callable[[Driver, LeasedRun], Awaitable[Any]]] = {
    "lease": lambda driver, run: driver.lease("w2"),
    "complete": lambda driver, run: driver.complete(run),
    "fail": lambda driver, run: driver.fail(run),
    "retry": lambda driver, run: driver.apply("w1", op.retry(run, 1000, NO_ERROR)),
    "suspend": lambda driver, run: driver.apply("w1", op.suspend(run, ["sleep:0"])),
    "give_back": lambda driver, run: driver.apply("w1", op.give_back(run)),
    "move": lambda driver, run: driver.apply("w1", op.move(run)),
    "cancelled": lambda driver, run: driver.apply("w1", op.cancelled(run)),
    "cancel": _cancel,
    "reap": lambda driver, run: driver.kill("w1", "w2"),
    "reconcile": lambda driver, run: driver.reconcile("w1"),
    "delist": lambda driver, run: driver.delist("w1"),
    "resolve": lambda driver, run: driver.broker.do(signal("paid", op.NOTHING)),
    "timer": _timer,
    "replay": lambda driver, run: driver.broker.do(replay(run.id)),
    "ingest": _ingest,
}
UNFENCED = {"lease", "cancel", "reap", "reconcile", "delist", "resolve", "timer", "replay", "ingest"}


async def in_state(driver: Driver, state: RunState) -> LeasedRun:
    """A run in that state, as it was leased last, to `w1`."""
    run = await driver.start(id="one")
    match state:
        case State.QUEUED:
            await driver.apply("w1", op.give_back(run))
        case State.RUNNING:
            await driver.apply("w1", op.pend(run, "sleep:0", PendKind.SLEEP, delay_ms=1000))
        case State.WAITING:
            await driver.apply("w1", op.pend(run, "sleep:0", PendKind.SLEEP, delay_ms=30_000))
            await driver.apply(
                "w1", op.pend(run, "paid:0", PendKind.SIGNAL, delay_ms=40_000, spec=op.signal_spec("paid"))
            )
            await driver.apply("w1", op.suspend(run, ["sleep:0", "paid:0"]))
        case State.COMPLETED:
            await driver.complete(run)
        case State.FAILED:
            await driver.fail(run)
        case State.CANCELLED:
            await driver.apply("w1", op.cancelled(run))
    assert await driver.state(run.id) is state
    return run


def test_the_table_knows_every_verb() -> None:
    """What the table names is driven here, but for the verbs that make another run than the one at hand."""
    named = {verb for verbs in TRANSITIONS.values() for verb in verbs}
    assert named - set(VERBS) == {"invoke", "cron_fire", "on_failure", "collect", "time_out"}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", list(State), ids=str)
async def test_each_verb_in_each_state(driver: Driver, state: RunState, verb: str) -> None:
    """R17: what the table allows happens; anything else is refused without a write."""
    run = await in_state(driver, state)
    if verb == "ingest":
        await driver.send("go", id="one")
    before = await driver.snapshot()
    allowed = {to for (from_, to), verbs in TRANSITIONS.items() if from_ is state and verb in verbs}
    await VERBS[verb](driver, run)
    if allowed:
        assert await driver.state(run.id) in allowed
        return
    assert await driver.state(run.id) is state
    after = await driver.snapshot()
    beside = _BESIDE if verb in UNFENCED else ()
    if verb == "ingest":
        beside = (*beside, "ga:", "sn:")  # it was acknowledged, and is remembered again
    if verb == "timer" and state is State.RUNNING:
        beside = (*beside, "dl", "s:", "r:", "mb:")  # the step got its outcome; the run goes on
    for name in before.keys() | after.keys():
        if not name.startswith(beside or ("\0",)) and not (verb in ("reap", "delist") and name.endswith(":w1")):
            assert after.get(name) == before.get(name), name


@pytest.mark.parametrize("verb", LEAVING)
async def test_a_run_that_was_asked_to_stop_ends_where_it_would_leave(driver: Driver, verb: str) -> None:
    """R43: whatever it did instead of completing, it is cancelled; nobody starts it again."""
    run = await in_state(driver, State.RUNNING)
    await driver.broker.do(cancel([run.id]))
    assert await driver.state(run.id) is State.RUNNING
    await VERBS[verb](driver, run)
    assert await driver.state(run.id) is State.CANCELLED
    await driver.fire("w2")
    assert await driver.lease("w2") == []


async def test_a_complete_that_was_on_its_way_wins(driver: Driver) -> None:
    """R43: the work is done, so the run is completed."""
    run = await in_state(driver, State.RUNNING)
    assert await driver.broker.do(cancel([run.id])) == ["requested"]
    await driver.complete(run)
    assert await driver.state(run.id) is State.COMPLETED


async def test_asking_again_moves_no_deadline(driver: Driver) -> None:
    """R43: the run ends 10 s after the first request, with the first reason."""
    run = await in_state(driver, State.RUNNING)
    await driver.broker.do(cancel([run.id], reason="first"))
    for _ in range(3):
        driver.advance(4000)
        await driver.broker.do(cancel([run.id], reason="later"))
    await driver.fire()
    assert await driver.state(run.id) is State.CANCELLED
    assert b"first" in (await driver.steps(run.id))["@e"]
