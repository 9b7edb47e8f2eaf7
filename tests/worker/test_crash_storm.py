"""Worker processes that die all the time: every run ends once, and no step runs again after it returned."""

import os
import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest

from bgjobs import Client, NewEvent, RunState
from tests.waiting import until
from tests.worker.conftest import StartWorker
from tests.worker.real_worker import RealWorker

TARGET = "storm:app"
MOST_KILLS = 12  # a supervisor waits longer and longer before it restarts a process that keeps dying


def notes(folder: Path) -> list[list[str]]:
    """All lines, of all processes."""
    return [line.split() for file in folder.glob("notes-*") for line in file.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (made := tmp_path / "notes").mkdir()
    monkeypatch.setenv("STORM_NOTES", str(made))
    return made


def storm(start_worker: StartWorker, client: Client, folder: Path, *, runs: int, every: float, lease_ttl: str) -> None:
    """`runs` three-step runs on three workers, of which one is killed every so many seconds."""
    workers = [start_worker(TARGET, lease_ttl=lease_ttl) for _ in range(3)]
    for worker in workers:
        worker.wait_until_ready()
    ids = []
    for first in range(0, runs, 1000):
        events = [NewEvent("three", {"n": number}) for number in range(first, min(first + 1000, runs))]
        ids += [receipt.run_id("storm/three") for receipt in client.send_many(events)]
    kills = _kill_until_done(workers, client, ids, every)
    assert kills > 0
    states = {client.run(run).state for run in ids}
    assert states == {RunState.COMPLETED}
    assert client.dead_letters.list() == []
    _check_steps(notes(folder), runs)


def _kill_until_done(workers: list[RealWorker], client: Client, ids: list[str], every: float) -> int:
    chance = random.Random(1)
    kills, killed_at = 0, time.monotonic() - every
    left = set(ids)

    def turn() -> bool:
        nonlocal kills, killed_at
        if kills < MOST_KILLS and time.monotonic() - killed_at >= every:
            victims = chance.choice(workers).children()
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            kills += len(victims)
            killed_at = time.monotonic()
        for run in [*left][:200]:
            if client.run(run).state == RunState.COMPLETED:
                left.discard(run)
        return not left

    until(turn, timeout=240, what="all runs complete")
    return kills


def _check_steps(lines: list[list[str]], runs: int) -> None:
    """No body of a step ended under a fence later than one under which the step had returned."""
    returned: dict[tuple[str, str], int] = {}
    bodies: dict[tuple[str, str], list[int]] = defaultdict(list)
    for what, run, step, fence in lines:
        if what == "returned":
            returned[run, step] = min(int(fence), returned.get((run, step), int(fence)))
        else:
            bodies[run, step].append(int(fence))
    assert len(bodies) == len(returned) == 3 * runs
    again = {key: fences for key, fences in bodies.items() if max(fences) > returned[key]}
    assert again == {}


def test_a_storm(start_worker: StartWorker, client: Client, folder: Path) -> None:
    """R17, R21: kills among a thousand runs."""
    storm(start_worker, client, folder, runs=1_500, every=1.5, lease_ttl="2s")


@pytest.mark.slow_fault
def test_a_long_storm(start_worker: StartWorker, client: Client, folder: Path) -> None:
    """10,000 runs with the lease as it is by default, a worker killed every 3 s."""
    storm(start_worker, client, folder, runs=10_000, every=3.0, lease_ttl="15s")


@pytest.mark.timeout(300)
def test_a_run_that_kills_its_workers_is_found_among_innocent_ones(
    start_worker: StartWorker, client: Client, folder: Path
) -> None:
    """R21: after three deaths it is a dead letter; whoever was beside it is not."""
    start_worker(TARGET, lease_ttl="1s").wait_until_ready()
    innocent = [
        receipt.run_id("storm/patient") for receipt in client.send_many([NewEvent("patient") for _ in range(10)])
    ]
    poison = client.send("poison").run_id("storm/poison")
    until(lambda: client.run(poison).state == RunState.FAILED, timeout=120)
    until(lambda: all(client.run(run).state == RunState.COMPLETED for run in innocent), timeout=120)
    [letter] = client.dead_letters.list()
    assert (letter.run_id, letter.error.type) == (poison, "WorkerDied")
    assert sum(line[0] == "poison" for line in notes(folder)) == 3


def test_a_frozen_worker_can_change_nothing_when_it_wakes(
    start_worker: StartWorker, client: Client, folder: Path
) -> None:
    """R17, R19: stopped for longer than its lease, then continued: its step is not recorded, the other's is."""
    first = start_worker(TARGET, lease_ttl="1s").wait_until_ready()
    run = client.send("holds", {"seconds": 3}).run_id("storm/holds")
    until(lambda: notes(folder))
    [frozen] = first.children()
    os.kill(frozen, signal.SIGSTOP)
    second = start_worker(TARGET, lease_ttl="1s").wait_until_ready()
    until(lambda: any(line[0] == "begin" and int(line[3]) != frozen for line in notes(folder)), timeout=30)
    os.kill(frozen, signal.SIGCONT)
    winner = int(client.result(run, timeout=30))
    returned = [line for line in notes(folder) if line[0] == "returned"]
    assert [int(line[3]) for line in returned] == [winner]
    assert winner in second.children()


def sleepers(start_worker: StartWorker, client: Client, folder: Path, *, runs: int, megabytes: float) -> None:
    """`runs` runs wait, while their worker's memory stays as it was; they resume on another worker."""
    import psutil

    first = start_worker(TARGET).wait_until_ready()
    [pid] = first.children()
    process = psutil.Process(pid)

    def wait_for(reached: int) -> None:
        until(lambda: first.metric("bgjobs_runs_finished_total", outcome="left") >= reached, timeout=300)

    # What the first thousand allocate (code, pools, buffers) is the worker's own.
    client.send_many([NewEvent("sleeper", {"number": number}) for number in range(1000)])
    wait_for(1000)
    empty = process.memory_info().rss
    for start in range(1000, runs, 1000):
        client.send_many([NewEvent("sleeper", {"number": number}) for number in range(start, start + 1000)])
    wait_for(runs)
    assert process.memory_info().rss - empty < megabytes * 1e6
    assert first.stop() == 0
    second = start_worker(TARGET).wait_until_ready()
    for number in range(10):
        resolved = 0
        while resolved < runs // 10:
            resolved += client.signal(f"go-{number}", None)
    until(lambda: second.metric("bgjobs_runs_finished_total", outcome="completed") >= runs, timeout=300)
    resumed = notes(folder)
    assert len(resumed) == len({line[1] for line in resumed}) == runs
    assert {int(line[2]) for line in resumed} == {pid}


def test_sleeping_runs_leave_no_trace_in_their_worker(start_worker: StartWorker, client: Client, folder: Path) -> None:
    sleepers(start_worker, client, folder, runs=4_000, megabytes=20)


@pytest.mark.slow_fault
def test_a_hundred_thousand_sleeping_runs(start_worker: StartWorker, client: Client, folder: Path) -> None:
    sleepers(start_worker, client, folder, runs=100_000, megabytes=20)
