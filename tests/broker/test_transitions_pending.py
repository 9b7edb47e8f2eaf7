"""Pending steps: registered while the run runs, one outcome each, in whatever order things happen."""

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState, Status
from bgjobs.broker.operations import NOTHING, SUCCESS
from bgjobs.broker.transitions import cancel, signal
from tests.broker.driver import NO_ERROR, Driver

State = RunState
PAID = SUCCESS + b"\x01"


def sleep(run: LeasedRun, step: str = "s:0", delay_ms: int = 1000) -> op.Operation:
    return op.pend(run, step, PendKind.SLEEP, delay_ms=delay_ms)


def signalled(run: LeasedRun, name: str = "paid", step: str = "g:0") -> op.Operation:
    return op.pend(run, step, PendKind.SIGNAL, delay_ms=60_000, spec=op.signal_spec(name))


async def test_a_sleep_ends_by_its_timer(driver: Driver) -> None:
    """R26, R27: the timer writes the outcome; the run goes on with it on whatever worker."""
    run = await driver.start()
    await driver.apply("w1", sleep(run, delay_ms=60_000), op.suspend(run, ["s:0"]))
    driver.advance(50_000)
    await driver.fire()
    assert await driver.state(run.id) is State.WAITING
    driver.advance(10_000)
    await driver.fire()
    (again,) = await driver.lease("w2")
    assert again.checkpoints == {"s:0": NOTHING}
    assert again.pending == {}
    assert again.fence > run.fence
    assert again.created_ms == run.created_ms


async def test_the_first_due_time_is_kept(driver: Driver) -> None:
    """R26: coming to the same step again moves nothing."""
    run = await driver.start()
    await driver.apply("w1", sleep(run))
    driver.advance(600)
    await driver.apply("w1", sleep(run), op.suspend(run, ["s:0"]))
    driver.advance(400)
    await driver.fire()
    assert await driver.state(run.id) is State.QUEUED


@pytest.mark.parametrize("early", [True, False], ids=["outcome before suspend", "outcome after suspend"])
async def test_no_outcome_is_missed(driver: Driver, early: bool) -> None:
    """R26: the registration stands while the run still runs; if an outcome is there the run is ready at once."""
    run = await driver.start()
    await driver.apply("w1", signalled(run), sleep(run))
    if early:
        assert await driver.broker.do(signal("paid", PAID)) == 1
        await driver.apply("w1", op.suspend(run, ["s:0", "g:0"]))
    else:
        await driver.apply("w1", op.suspend(run, ["s:0", "g:0"]))
        assert await driver.broker.do(signal("paid", PAID)) == 1
    (again,) = await driver.lease("w2")
    assert again.checkpoints == {"g:0": PAID}
    assert list(again.pending) == ["s:0"]


async def test_a_run_on_a_worker_is_told_by_mail(driver: Driver) -> None:
    """R24: outcomes carry the fence they are for; the bell of that worker rings."""
    run = await driver.start()
    await driver.apply("w1", signalled(run))
    await driver.broker.do(signal("paid", PAID))
    assert await driver.raw.llen(driver.keys.personal_bell("w1")) == 1
    _, reply = await driver.pump("w1")
    (mail,) = reply.resolutions
    assert (mail.run, mail.g, mail.step, mail.envelope) == (run.id, run.g, "g:0", PAID)
    _, reply = await driver.pump("w1")
    assert reply.resolutions == ()


async def test_the_first_outcome_wins(driver: Driver) -> None:
    """R26, R30: a signal and a time-out that are both there give one outcome; the later finds nothing."""
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "g:0", PendKind.SIGNAL, delay_ms=10, spec=op.signal_spec("paid")))
    driver.advance(10)
    assert await driver.broker.do(signal("paid", PAID)) == 1
    await driver.fire()
    assert (await driver.steps(run.id))["c:g:0"] == PAID
    assert (await driver.record(run.id))["np"] == "0"
    assert await driver.broker.do(signal("paid", NOTHING)) == 0


async def test_a_time_out_is_an_outcome(driver: Driver) -> None:
    """R31: a wait that nobody ends comes to nothing."""
    run = await driver.start()
    await driver.apply("w1", signalled(run), op.suspend(run, ["g:0"]))
    driver.advance(60_000)
    await driver.fire()
    (again,) = await driver.lease("w2")
    assert again.checkpoints == {"g:0": NOTHING}
    assert await driver.broker.do(signal("paid", PAID)) == 0


async def test_suspending_on_what_has_an_outcome_already_is_ready_at_once(driver: Driver) -> None:
    """R26: also if the other named steps are still pending."""
    run = await driver.start()
    await driver.apply("w1", sleep(run, "a:0", 10_000), sleep(run, "b:0", 0))
    _, reply = await driver.pump("w1", op.suspend(run, ["a:0", "b:0"]), capacity=1)
    assert [each.id for each in reply.leased] == [run.id]


async def test_a_pend_whose_step_has_an_outcome_answers_it(driver: Driver) -> None:
    run = await driver.start()
    await driver.apply("w1", op.checkpoint(run, "s:0", PAID))
    answer = await driver.apply("w1", sleep(run))
    assert (answer.status, answer.envelope) == (Status.DUP, PAID)
    assert (await driver.record(run.id)).get("np", "0") == "0"


async def test_a_checkpoint_ends_its_pending_step(driver: Driver) -> None:
    """R30: a body that was tried again before its back-off was over leaves no timer behind."""
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "a:0", PendKind.RETRY, delay_ms=5000, spec=[NO_ERROR, 1]))
    await driver.apply("w1", op.checkpoint(run, "a:0", PAID))
    assert (await driver.record(run.id))["np"] == "0"
    assert await driver.raw.exists(driver.keys("dl")) == 0


async def test_step_retries_count_apart_from_run_attempts(driver: Driver) -> None:
    """R29: the back-off of a step leaves the run's attempts alone, and the next lease knows both."""
    run = await driver.start()
    await driver.apply(
        "w1", op.pend(run, "a:0", PendKind.RETRY, delay_ms=500, spec=[NO_ERROR, 1]), op.suspend(run, ["a:0"])
    )
    driver.advance(500)
    await driver.fire()
    (again,) = await driver.lease("w1")
    assert (again.attempt, again.step_failures, again.checkpoints) == (1, {"a:0": 1}, {})
    await driver.apply("w1", op.retry(again, 700, NO_ERROR))
    driver.advance(700)
    await driver.fire()
    (third,) = await driver.lease("w1")
    assert (third.attempt, third.step_failures) == (2, {"a:0": 1})
    await driver.apply("w1", op.give_back(third))
    (fourth,) = await driver.lease("w1")
    assert fourth.attempt == 2


async def test_a_kept_signal_waits_for_a_late_waiter(driver: Driver) -> None:
    """R31: kept only if nobody waited; taken by the first who comes, and by nobody after the time."""
    assert await driver.broker.do(signal("paid", PAID, keep_ms=5000)) == 0
    run, other = await driver.start(), await driver.start()
    answer = await driver.apply("w1", signalled(run))
    assert (answer.status, answer.envelope) == (Status.DUP, PAID)
    assert (await driver.apply("w1", signalled(run))).envelope == PAID
    assert (await driver.apply("w1", signalled(other))).status is Status.OK
    assert await driver.broker.do(signal("paid", PAID, keep_ms=5000)) == 1
    assert await driver.raw.exists(driver.keys("ks:paid")) == 0


async def test_a_signal_reaches_all_who_wait_a_hundred_at_a_time(driver: Driver) -> None:
    """R31: it says how many; a run that ended meanwhile neither counts nor hides the others."""
    for _ in range(230):
        await driver.send()
    await driver.ingest()
    runs = await driver.lease("w1", 230)
    for run in runs:
        await driver.pump("w1", signalled(run), op.suspend(run, ["g:0"]))
    await driver.broker.do(cancel([run.id for run in runs[:5]]))
    counts = [await driver.broker.do(signal("paid", PAID)) for _ in range(4)]
    assert counts == [100, 100, 25, 0]


async def test_ending_removes_timers_and_waits(driver: Driver) -> None:
    """R30: of a run with more pending steps than one clean-up removes; late firings find nothing."""
    run = await driver.start()
    for number in range(120):
        await driver.pump("w1", sleep(run, f"s:{number}"))
    await driver.pump(
        "w1", signalled(run), op.pend(run, "e:0", PendKind.EVENT, delay_ms=9, spec=op.wait_spec("x", "", ""))
    )
    await driver.complete(run)
    await driver.fire()
    stored = await driver.stored()
    assert not [name for name in stored if name.startswith(("dl", "w:", "wn", "bad"))]
    assert (await driver.record(run.id))["np"] == "0"


# Children.


def invoke(run: LeasedRun, *, step: str = "child:0", child: str = "00child", leave: bool = False) -> op.Operation:
    spec = op.invoke_spec(
        child=child,
        function="shop/f",
        queue="shop:default",
        limiters="",
        priority_ms=0,
        event_id="i1",
        data=b"\xc0",
        leave=leave,
    )
    return op.pend(run, step, PendKind.INVOKE, delay_ms=3_600_000, spec=spec)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
async def test_a_childs_end_is_the_outcome_of_the_step(driver: Driver, end: str) -> None:
    """R32: whatever it came to; a cancelled child fails the step with its reason."""
    parent = await driver.start()
    await driver.apply("w1", invoke(parent), op.suspend(parent, ["child:0"]))
    if end == "cancel":
        assert await driver.broker.do(cancel(["00child"], reason="not needed")) == ["cancelled"]
    else:
        (child,) = await driver.lease("w2")
        assert (child.id, child.parent, child.kind) == ("00child", parent.id, "invoke")
        await (driver.complete(child, "w2") if end == "complete" else driver.fail(child, "w2"))
    (again,) = await driver.lease("w1")
    assert again.id == parent.id
    envelope = again.checkpoints["child:0"]
    assert envelope[:2] == (SUCCESS if end == "complete" else op.FAILURE)
    assert end != "cancel" or b"not needed" in envelope


async def test_invoking_twice_starts_one_child(driver: Driver) -> None:
    """R32: the repeated operation finds the pending step, and after its end the outcome."""
    parent = await driver.start()
    await driver.apply("w1", invoke(parent))
    assert (await driver.apply("w1", invoke(parent))).status is Status.OK
    (child,) = await driver.lease("w2")
    await driver.complete(child, "w2")
    answer = await driver.apply("w1", invoke(parent))
    assert (answer.status, answer.envelope) == (Status.DUP, NOTHING)
    assert await driver.lease("w2") == []


@pytest.mark.parametrize("leave", [False, True])
async def test_children_end_with_their_parent_unless_they_may_stay(driver: Driver, leave: bool) -> None:
    """R32: the queued child is cancelled, a running one asked to stop."""
    parent = await driver.start()
    await driver.apply(
        "w1", invoke(parent, leave=leave), invoke(parent, step="child:1", child="00running", leave=leave)
    )
    await driver.lease("w2", 1)
    await driver.complete(parent)
    await driver.fire()
    states = {await driver.state(child) for child in ("00child", "00running")}
    assert states == ({State.QUEUED, State.RUNNING} if leave else {State.CANCELLED, State.RUNNING})
    asked = [child for child in ("00child", "00running") if "x" in await driver.record(child)]
    assert len(asked) == (0 if leave else 1)


async def test_a_child_that_outlives_its_parent_tells_nobody(driver: Driver) -> None:
    """R30: the outcome finds a run that ended, and is dropped."""
    parent = await driver.start()
    await driver.apply("w1", invoke(parent, leave=True))
    (child,) = await driver.lease("w2")
    await driver.complete(parent)
    before = await driver.steps(parent.id)
    await driver.complete(child, "w2")
    await driver.fire()
    assert {name: value for name, value in (await driver.steps(parent.id)).items() if name[0] == "c"} == {
        name: value for name, value in before.items() if name[0] == "c"
    }
    assert await driver.state(parent.id) is State.COMPLETED


async def test_a_child_that_takes_too_long_fails_the_step(driver: Driver) -> None:
    parent = await driver.start()
    await driver.apply("w1", invoke(parent), op.suspend(parent, ["child:0"]))
    driver.advance(3_600_000)
    await driver.fire()
    assert b"InvokeTimeout" in (await driver.steps(parent.id))["c:child:0"]
