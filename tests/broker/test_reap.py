"""What a dead worker leaves behind: its runs go on elsewhere, and the one that kills its workers is found."""

from bgjobs.broker import operations as op
from bgjobs.broker.model import RunState
from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver


async def crash(driver: Driver, *workers: str, capacity: int = 10, times: int = 1) -> list[str]:
    """Workers come, lease what they may, and die with it; answers the runs of the last."""
    held: list[str] = []
    for number in range(times):
        victim = f"victim{number}{driver.broker.offset_ms}"
        await driver.enlist(victim)
        held = [run.id for run in await driver.lease(victim, capacity)]
        await driver.kill(victim, *workers)
    return held


async def test_runs_go_on_with_their_checkpoints_and_their_place(driver: Driver) -> None:
    """R15, R17, R21: one charge, same score, a larger fence number."""
    run = await driver.start()
    await driver.apply("w1", op.checkpoint(run, "a:0", op.NOTHING))
    await driver.send()
    await driver.ingest()
    assert await driver.kill("w1", "w2") == 1
    again, other = await driver.lease("w2")
    assert (again.id, again.crashes, again.checkpoints) == (run.id, 1, {"a:0": op.NOTHING})
    assert again.fence > run.fence
    assert other.crashes == 0


async def test_the_third_death_is_the_last(driver: Driver) -> None:
    """R21: one dead letter that says why; the parent process can't be killed for ever."""
    run = driver.run_of(await driver.send())
    await driver.ingest()
    assert await crash(driver, "w2", times=3) == [run]
    assert await driver.state(run) is RunState.FAILED
    ((_, letter),) = await driver.raw.xrange(driver.keys("dq"))
    assert (letter[b"r"], letter[b"y"], letter[b"s"]) == (run.encode(), b"WorkerDied", b"crashed")
    assert await driver.lease("w2") == []


async def test_only_suspects_are_charged_again(driver: Driver) -> None:
    """R21: the guilty run is one of five; the four others are charged once, and never fail for it."""
    runs = [driver.run_of(await driver.send()) for _ in range(5)]
    await driver.ingest()
    await crash(driver, "w2")
    assert [(await driver.record(run))["k"] for run in runs] == ["1"] * 5
    # All five are suspects now and die together once more; from here on a worker holds one of them at a time.
    await crash(driver, "w2")
    assert [(await driver.record(run))["k"] for run in runs] == ["2"] * 5
    assert len(await driver.lease("w2")) == 1
    fresh = driver.run_of(await driver.send())
    await driver.ingest()
    held = await crash(driver, "w2")
    assert len(held) == 2
    assert fresh in held
    assert "k" not in await driver.record(fresh)
    states = [await driver.state(run) for run in runs]
    assert sorted(str(state) for state in states) == ["failed", "queued", "queued", "queued", "running"]


async def test_a_worker_that_holds_a_suspect_gets_no_other(driver: Driver) -> None:
    """R21: unsuspicious runs it may lease."""
    for _ in range(3):
        await driver.send()
    await driver.ingest()
    await crash(driver, "w1", "w2", times=2)
    await driver.send()
    await driver.ingest()
    assert [run.crashes for run in await driver.lease("w1", suspects=False)] == [0]
    assert [run.crashes for run in await driver.lease("w1", suspects=True)] == [2]
    assert await driver.lease("w1", suspects=False) == []


async def test_a_checkpoint_clears_the_charge(driver: Driver) -> None:
    """R21: it got further than where it is suspected to kill."""
    run = driver.run_of(await driver.send())
    await driver.ingest()
    await crash(driver, "w1", "w2", times=2)
    (leased,) = await driver.lease("w1")
    assert leased.crashes == 2
    await driver.apply("w1", op.checkpoint(leased, "a:0", op.NOTHING))
    await driver.kill("w1", "w2")
    (again,) = await driver.lease("w2")
    assert (again.id, again.crashes) == (run, 1)


async def test_a_charge_is_one_for_all_chunks(driver: Driver) -> None:
    """R21: a worker that dies with many runs is taken back in several calls; the charge is fixed at the first."""
    for _ in range(245):
        await driver.send()
    await driver.ingest()
    await crash(driver, "w2", capacity=245)
    leased = await driver.lease("w2", 245)
    assert {run.crashes for run in leased} == {1}


async def test_many_dead_workers_are_reaped_in_one_call(driver: Driver) -> None:
    """R19: their runs do not wait for one sweep per worker."""
    victims = [f"v{number}" for number in range(6)]
    await driver.enlist(*victims)
    for _ in range(30):
        await driver.send()
    await driver.ingest()
    for victim in victims:
        assert len(await driver.lease(victim, 5)) == 5
    for _ in range(4):
        driver.advance(5000)
        await driver.beat("w2")
    assert (await driver.pump("w2", sweep=True))[1].reaped == 30
    assert len(await driver.lease("w2", 30)) == 30


async def test_giving_back_and_stopping_charge_nothing(driver: Driver) -> None:
    """R21, R29: only deaths count."""
    run = await driver.start()
    await driver.apply("w1", op.give_back(run))
    (run,) = await driver.lease("w1")
    await driver.delist("w1")
    (again,) = await driver.lease("w2")
    assert (again.crashes, again.attempt) == (0, 1)


async def test_a_run_that_was_asked_to_stop_ends_with_its_worker(driver: Driver) -> None:
    """R43: also if it was to be buried for its deaths."""
    run = driver.run_of(await driver.send())
    await driver.ingest()
    await crash(driver, "w1", "w2", times=2)
    assert len(await driver.lease("w1")) == 1
    await driver.broker.do(cancel([run]))
    await driver.kill("w1", "w2")
    assert await driver.state(run) is RunState.CANCELLED
    assert await driver.raw.exists(driver.keys("dq")) == 0


async def test_an_error_while_one_run_is_taken_back_harms_no_other(driver: Driver) -> None:
    """R23: it moves aside and is counted; the worker is reaped to the end."""
    runs = [driver.run_of(await driver.send()) for _ in range(3)]
    await driver.ingest()
    await driver.lease("w1")
    await driver.raw.hset(driver.keys.run(runs[1]), "l", "A")
    await driver.raw.set(driver.keys("lc:A"), "not a set")  # nothing of ours writes this
    assert await driver.kill("w1", "w2") == 2
    assert {run.id for run in await driver.lease("w2")} == {runs[0], runs[2]}
    ((member, _),) = await driver.raw.zrange(driver.keys("bad"), 0, -1, withscores=True)
    assert member.startswith(f"r|{runs[1]} ".encode())
    await driver.raw.delete(driver.keys("lc:A"))
