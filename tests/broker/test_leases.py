"""Leases of incarnations: who may lease, who is gone, and what an outage of the store does not do."""

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.transitions import cancel, signal
from tests.broker.driver import INTERVAL, TTL, Driver


async def test_a_late_leasing_call_leases_nothing(driver: Driver) -> None:
    """R18: its number is not larger than the last one; its operations are applied all the same."""
    run = await driver.start()
    await driver.send()
    await driver.ingest()
    _, reply = await driver.pump("w1", capacity=1, seq=1000)
    assert len(reply.leased) == 1
    await driver.send()
    await driver.ingest()
    for seq in (999, 1000):
        _, reply = await driver.pump("w1", op.give_back(run), capacity=5, seq=seq)
        assert reply.refused
        assert reply.leased == ()
    assert await driver.state(run.id) is RunState.QUEUED
    assert len(await driver.lease("w1", seq=1001)) == 2


async def test_ingest_leases_under_the_same_numbers(driver: Driver) -> None:
    """R18, R16: at once to an idle worker, up to its capacity, and only of queues that it reads."""
    for _ in range(3):
        await driver.send()
    events = await driver.read()
    versions = await driver.matched(events)
    late = await driver.ingest_once(events[:1], versions, capacity=1, seq=0)
    assert late.refused
    assert late.created == 1
    assert len(await driver.lease("w1")) == 1
    reply = await driver.ingest_once(events[1:], versions, capacity=1)
    assert len(reply.leased) == 1
    assert reply.more
    _, match, g = reply.leased[0]
    record = await driver.record(events[1].matches[match].run)
    assert (record["s"], record["w"], record["g"]) == ("r", "w1", g.decode())


async def test_ingest_leases_nothing_past_ready_runs_or_of_other_queues(driver: Driver) -> None:
    """R15, R16: a queue that is not empty comes first; a function that this worker lacks is not its business."""
    await driver.send()
    await driver.ingest()
    await driver.send()
    assert (await driver.ingest_once(await driver.read(), capacity=5)).leased == ()
    assert len(await driver.lease("w1")) == 2
    await driver.send()
    reply = await driver.ingest_once(await driver.read(), capacity=5, own_queue=["shop/f"])
    assert reply.leased == ()
    await driver.send()
    assert (await driver.ingest_once(await driver.read(), capacity=5, queues=["shop:other"])).leased == ()
    assert await driver.raw.smembers(driver.keys("qm:shop")) == {b"f"}
    assert len(await driver.lease("w1", queues=["shop:default:f"])) == 1


async def test_reconcile_gives_back_what_no_reply_brought(driver: Driver) -> None:
    """R18: and keeps what the worker knows of."""
    known = await driver.start()
    await driver.send()
    await driver.ingest()
    (unknown,) = await driver.lease("w1")  # this reply was lost
    assert await driver.reconcile("w1", [known]) == (1, (), ())
    assert await driver.state(unknown.id) is RunState.QUEUED
    assert (await driver.complete(unknown)).status == "FENCED"
    assert await driver.state(known.id) is RunState.RUNNING


async def test_reconcile_names_what_is_held_without_the_right(driver: Driver) -> None:
    """R18: also a run that this very worker leased again, under a number it never heard of: that lease goes back."""
    run = await driver.start()
    await driver.apply("w1", op.give_back(run))
    await driver.lease("w1")  # this reply was lost
    released, lost, _ = await driver.reconcile("w1", [run])
    assert (released, lost) == (1, (run.id,))
    assert len(await driver.lease("w2")) == 1


async def test_a_reconcile_that_was_stuck_gives_nothing_back(driver: Driver) -> None:
    """R18: runs leased after it was sent would look as if no reply had brought them."""
    run = await driver.start()
    assert await driver.reconcile("w1", [], seq=0) == (0, (), ())
    assert await driver.state(run.id) is RunState.RUNNING


async def test_reconcile_raises_the_number(driver: Driver) -> None:
    """R18: a leasing call that was stuck before it leases nothing after it."""
    await driver.reconcile("w1", seq=700)
    await driver.send()
    await driver.ingest()
    assert await driver.lease("w1", seq=699) == []


async def test_reconcile_tells_again_what_lost_mail_said(driver: Driver) -> None:
    """R18: requests to stop, outcomes, and back-offs that are over."""
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "g:0", PendKind.SIGNAL, delay_ms=60_000, spec=op.signal_spec("paid")))
    await driver.apply("w1", op.pend(run, "r:0", PendKind.RETRY, delay_ms=0, spec=[b"\x80", 1]))
    await driver.apply("w1", op.pend(run, "s:0", PendKind.SLEEP, delay_ms=60_000))
    await driver.broker.do(signal("paid", op.NOTHING))
    await driver.broker.do(cancel([run.id], reason="why"))
    await driver.fire()  # its mail is lost
    _, _, mail = await driver.reconcile("w1", [run], waiting={run.id: ["g:0", "r:0", "s:0"]})
    assert [(each.step, each.envelope) for each in mail] == [("", b"why"), ("g:0", op.NOTHING), ("r:0", b"")]
    assert {each.g for each in mail} == {run.g}


async def test_an_expired_lease_is_not_revived(driver: Driver) -> None:
    """R19: while others beat, a worker that did not is gone for good."""
    for _ in range(4):
        driver.advance(INTERVAL)
        assert await driver.beat("w2")
    assert not await driver.beat("w1")
    assert not await driver.beat("never")


async def test_an_outage_of_the_store_kills_nobody(driver: Driver) -> None:
    """R19: all leases are over; nobody is reaped before the first beat, which extends all of them."""
    run = await driver.start(worker="w1")
    driver.advance(10 * TTL)
    assert (await driver.pump("w2", sweep=True))[1].reaped == 0
    assert await driver.beat("w2")
    assert (await driver.pump("w2", sweep=True))[1].reaped == 0
    assert await driver.beat("w1")
    assert (await driver.complete(run)).status == "OK"


async def test_a_worker_that_starts_after_an_outage_does_not_kill_the_others(driver: Driver) -> None:
    """R19: its lease is the only valid one; the others have one interval to beat before they are reaped."""
    run = await driver.start(worker="w1")
    driver.advance(10 * TTL)
    await driver.enlist("w3")
    assert (await driver.pump("w3", sweep=True))[1].reaped == 0
    assert await driver.beat("w1")
    driver.advance(INTERVAL + 1)
    await driver.beat("w1")
    await driver.pump("w3", sweep=True)
    assert not await driver.beat("w2")  # it had its time
    assert (await driver.complete(run)).status == "OK"


async def test_who_is_half_reaped_is_not_revived_and_leases_nothing(driver: Driver) -> None:
    """R19: neither by its own beat nor by somebody else's; what it would lease would count as having died with it."""
    for _ in range(130):
        await driver.send()
    await driver.ingest()
    await driver.lease("w1", 125)
    for _ in range(4):
        driver.advance(INTERVAL)
        await driver.beat("w2")
    assert (await driver.pump("w2", sweep=True))[1].reaped == 100
    assert not await driver.beat("w1")
    assert (await driver.pump("w1", capacity=5))[1].refused
    driver.advance(10 * TTL)
    assert not await driver.beat("w1")
    assert await driver.beat("w2")
    driver.advance(INTERVAL + 1)
    assert await driver.beat("w2")
    assert (await driver.pump("w2", sweep=True))[1].reaped == 25
    assert await driver.raw.exists(driver.keys("in:w1"), driver.keys("wi:w1")) == 0


async def test_leases_are_clipped_after_the_clock_was_set_back(driver: Driver) -> None:
    """R19: a worker that died before a failover to a slower clock is found within TTL all the same."""
    await driver.start(worker="w1")
    driver.advance(-3_600_000)
    assert await driver.beat("w2")
    assert await driver.kill("w1", "w2") == 1


async def test_a_goodbye_gives_all_back_without_a_charge(driver: Driver) -> None:
    """R21: scores and slots are kept; nothing of the incarnation is left."""
    sent = [driver.run_of(await driver.send()) for _ in range(250)]
    await driver.ingest()
    await driver.lease("w1", 250)
    await driver.delist("w1")
    assert not [name for name in await driver.stored() if name.endswith((":w1", "@w1"))]
    leased = await driver.lease("w2", 250)
    assert [run.id for run in leased] == sent
    assert {run.crashes for run in leased} == {0}


async def test_a_run_that_the_worker_lacks_moves_to_the_queue_of_its_function(driver: Driver) -> None:
    """R16: with its score, once; whoever has the function reads that queue."""
    run = await driver.start()
    _, reply = await driver.pump("w1", op.move(run), capacity=5, sweep=True)
    assert (reply.leased, reply.moved) == ((), ("f",))
    (again,) = await driver.lease("w2", queues=["shop:default", "shop:default:f"])
    assert (again.id, again.created_ms) == (run.id, run.created_ms)
    await driver.apply("w2", op.move(again))
    assert (await driver.record(run.id))["q"] == "shop:default:f"


async def test_bells_wake_as_many_as_there_is_work_for(driver: Driver) -> None:
    """R24: at most eight tokens per queue; a call that leaves ready runs rings again; they do not stay for ever."""
    bell = driver.keys.bell("shop:default")
    for _ in range(3):
        await driver.send()
    await driver.ingest()
    assert await driver.raw.llen(bell) == 3
    for _ in range(20):
        await driver.send()
    await driver.ingest()
    assert await driver.raw.llen(bell) == 8
    await driver.raw.delete(bell)
    await driver.lease("w1", 5)
    assert await driver.raw.llen(bell) == 1
    assert 0 < await driver.raw.pttl(bell) <= 60_000


async def test_what_a_queue_holds_by_mistake_is_not_leased(driver: Driver) -> None:
    """R17: the record decides; a run that ended, runs or is gone leaves the queue."""
    ended, running = await driver.start(), await driver.start()
    await driver.complete(ended)
    await driver.raw.zadd(driver.keys("q:shop:default"), {ended.id: 1, running.id: 2, "00gone": 3})
    await driver.send()
    await driver.ingest()
    assert len(await driver.lease("w2")) == 1
    assert await driver.raw.exists(driver.keys("q:shop:default")) == 0
    assert (await driver.complete(running)).status == "OK"


async def test_the_oldest_run_of_all_queues_goes_first(driver: Driver) -> None:
    """R15: whatever the order in which the worker names its queues."""
    first = await driver.start()
    await driver.apply("w1", op.move(first))
    await driver.send()
    await driver.ingest()
    leased = await driver.lease("w1", 1, queues=["shop:default", "shop:default:f"])
    assert [run.id for run in leased] == [first.id]


async def test_a_leasing_call_brings_no_more_data_than_a_reply_may_carry(driver: Driver) -> None:
    """R50: 40 runs with 500 KiB each come in several calls, and the bell rings for the rest."""
    for number in range(40):
        await driver.send("go", f"{number}" + "x" * 500_000)
    await driver.ingest()
    _, reply = await driver.pump("w1", capacity=40)
    assert len(reply.leased) == 10
    assert reply.more
    assert len(await driver.lease("w1", 40)) == 10


async def test_a_run_with_many_checkpoints_is_read_apart(driver: Driver) -> None:
    """R50: what would make the reply too large is left to the worker to fetch."""
    runs = []
    for _ in range(4):
        runs.append(run := await driver.start())
        await driver.apply("w1", op.checkpoint(run, "a:0", b"\x92\x00\xc5\xff\xff" + b"x" * 400_000), op.give_back(run))
        await driver.raw.zrem(driver.keys("q:shop:default"), run.id)
    await driver.raw.zadd(driver.keys("q:shop:default"), {run.id: number for number, run in enumerate(runs)})
    leased = await driver.lease("w1", 4)
    assert [run.steps_elsewhere for run in leased] == [False, False, True, True]
    assert [len(run.checkpoints) for run in leased] == [1, 1, 0, 0]
