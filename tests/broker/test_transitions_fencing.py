"""Who lost the right to a run changes nothing; whoever repeats a call changes nothing twice."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState, Status
from bgjobs.broker.operations import NOTHING, Operation
from bgjobs.broker.transitions import cancel, discard, signal
from tests.broker.driver import NO_ERROR, Driver, Function

OPERATIONS: dict[str, Callable[[LeasedRun], Operation]] = {
    "complete": lambda run: op.complete(run, b"\xc0"),
    "fail": lambda run: op.fail(run, NO_ERROR, type="ValueError", message="no"),
    "retry": lambda run: op.retry(run, 1000, NO_ERROR),
    "give_back": op.give_back,
    "move": op.move,
    "cancelled": op.cancelled,
    "checkpoint": lambda run: op.checkpoint(run, "a:0", NOTHING, [["n", "x", "i", "1", "d", b"\xc0"]]),
    "pend": lambda run: op.pend(run, "b:0", PendKind.SLEEP, delay_ms=60_000),
    "back off": lambda run: op.pend(run, "b:0", PendKind.RETRY, delay_ms=60_000, spec=[NO_ERROR, 1]),
    "wait": lambda run: op.pend(run, "b:0", PendKind.EVENT, delay_ms=60_000, spec=op.wait_spec("paid", "", "")),
    "suspend": lambda run: op.suspend(run, ["b:0"]),
    "progress": lambda run: op.progress(run, 50, "half"),
}


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_a_stale_fence_changes_nothing(driver: Driver, verb: str) -> None:
    """R17: a zombie, the same worker with an older lease, and a stranger with the right number are all refused."""
    first = await driver.start(worker="w1")
    await driver.apply("w1", op.give_back(first))
    (second,) = await driver.lease("w1")
    before = await driver.snapshot()
    for worker, run in (("w1", first), ("w2", first), ("w2", second), ("w1", replace(second, g=b"1"))):
        answer = await driver.apply(worker, OPERATIONS[verb](run))
        assert answer.status is Status.FENCED
        assert await driver.snapshot() == before
    assert await driver.state(second.id) is RunState.RUNNING


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_a_reaped_run_is_fenced_before_anyone_leases_it(driver: Driver, verb: str) -> None:
    """R17: reaping raises the number, so what the dead worker still sends changes nothing."""
    run = await driver.start(worker="w1")
    assert await driver.kill("w1", "w2") == 1
    assert int((await driver.record(run.id))["g"]) > run.fence
    before = await driver.snapshot()
    assert (await driver.apply("w1", OPERATIONS[verb](run))).status is Status.FENCED
    assert await driver.snapshot() == before


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_an_operation_sent_twice_counts_once(driver: Driver, verb: str) -> None:
    """R17: the reply to the first was lost, so the committer sends it again."""
    run = await driver.start()
    await driver.apply("w1", OPERATIONS[verb](run))
    before = await driver.snapshot()
    again = await driver.apply("w1", OPERATIONS[verb](run))
    after = await driver.snapshot()
    if verb == "progress":
        after[f"s:{run.id}"].pop(b"@p")
        before[f"s:{run.id}"].pop(b"@p")
    assert after == before
    expected = {
        "checkpoint": Status.DUP,
        "retry": Status.FENCED,
        "give_back": Status.FENCED,
        "move": Status.FENCED,
        "suspend": Status.FENCED,
    }
    assert again.status is expected.get(verb, Status.OK)


async def test_both_in_one_batch_count_once(driver: Driver) -> None:
    """R23: each operation is answered on its own."""
    run = await driver.start()
    complete = op.complete(run, b"\xc0")
    answers, _ = await driver.pump("w1", complete, complete, op.give_back(run))
    assert [answer.status for answer in answers] == [Status.OK, Status.OK, Status.FENCED]
    assert await driver.state(run.id) is RunState.COMPLETED


async def test_a_back_off_sent_again_after_its_timer_fired_counts_once(driver: Driver) -> None:
    """R17, R29: the try's number tells that it was counted; the worker tries again at once."""
    run = await driver.start()
    back_off = op.pend(run, "a:0", PendKind.RETRY, delay_ms=0, spec=[NO_ERROR, 1])
    await driver.apply("w1", back_off)
    answers, _ = await driver.pump("w1", back_off)
    assert (answers[0].status, answers[0].envelope) == (Status.DUP, b"")
    assert (await driver.steps(run.id))["f:a:0"] == b"1"
    assert (await driver.record(run.id))["np"] == "0"


async def test_an_operation_that_cannot_be_carried_out_harms_no_other(driver: Driver) -> None:
    """R23: one status per operation; runs made ready before the error are in their queue."""
    first = await driver.start()
    second = await driver.start()
    third = await driver.start()
    bad_event = op.checkpoint(second, "a:0", NOTHING, [["odd"]])
    unknown: Operation = ("?", second.id, second.g)
    nowhere: Operation = ("s", second.id, second.g, [])
    answers, reply = await driver.pump(
        "w1", op.give_back(first), bad_event, unknown, nowhere, op.complete(third, b"\xc0"), capacity=5
    )
    assert [answer.status for answer in answers] == [
        Status.OK,
        Status.INVALID,
        Status.INVALID,
        Status.INVALID,
        Status.OK,
    ]
    assert b"wrong number" in answers[1].envelope.lower()
    assert [run.id for run in reply.leased] == [first.id]
    assert "c:a:0" not in await driver.steps(second.id)  # the outcome is not there without its event
    assert await driver.state(third.id) is RunState.COMPLETED
    assert (await driver.complete(second)).status is Status.OK


async def test_checkpoint_and_events_are_one(driver: Driver) -> None:
    """A step's events are appended once, with its outcome; whoever comes second gets the first outcome."""
    run = await driver.start()
    length = await driver.raw.xlen(driver.keys.events)
    events = [["n", "sent", "i", str(number), "d", b"\xc0"] for number in range(3)]
    assert (await driver.apply("w1", op.checkpoint(run, "send:0", b"\x92\x00\x01", events))).status is Status.OK
    answer = await driver.apply("w1", op.checkpoint(run, "send:0", b"\x92\x00\x02", events))
    assert (answer.status, answer.envelope) == (Status.DUP, b"\x92\x00\x01")
    assert await driver.raw.xlen(driver.keys.events) == length + 3


async def test_later_checkpoints_of_a_run_that_was_asked_to_stop_are_kept(driver: Driver) -> None:
    """R43: what was done is recorded, and the answer says that the run should end; nothing new is begun."""
    run = await driver.start()
    await driver.broker.do(cancel([run.id]))
    assert (await driver.apply("w1", op.checkpoint(run, "a:0", NOTHING))).status is Status.CANCEL
    pend = op.pend(run, "b:0", PendKind.SLEEP, delay_ms=60_000)
    assert (await driver.apply("w1", pend)).status is Status.CANCEL
    steps = await driver.steps(run.id)
    assert "c:a:0" in steps
    assert "p:b:0" not in steps


REPEATED: dict[str, Callable[[Driver, LeasedRun], Awaitable[Any]]] = {
    "cancel": lambda driver, run: driver.broker.do(cancel([run.id])),
    "discard": lambda driver, run: driver.broker.do(discard(["1-1"])),
    "signal": lambda driver, run: driver.broker.do(signal("s", NOTHING)),
    "enlist": lambda driver, run: driver.enlist("w1"),
    "beat": lambda driver, run: driver.beat("w1"),
    "delist": lambda driver, run: driver.delist("w1"),
    "reconcile": lambda driver, run: driver.reconcile("w1", [run]),
    "register": lambda driver, run: driver.register(Function(id="f")),
}


@pytest.mark.parametrize("script", REPEATED)
async def test_a_call_sent_twice_changes_nothing_the_second_time(driver: Driver, script: str) -> None:
    """Every script may be repeated when a reply was lost."""
    await driver.start()
    run = await driver.start(worker="w2")
    await REPEATED[script](driver, run)
    before = await driver.snapshot()
    await REPEATED[script](driver, run)
    after = await driver.snapshot()
    for name in before.keys() | after.keys():
        if name not in ("wk", "fn:shop") and not name.startswith("mb:"):
            assert after.get(name) == before.get(name), name
