"""Functions in processes of their own: every verb works there, and nothing that happens there hurts the worker."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from bgjobs import Client, RunState
from bgjobs.broker.errors import RunCancelled, RunFailed
from tests.worker.conftest import StartWorker
from tests.worker.real_worker import RealWorker
from tests.worker.toy_supervisor import alive, until

TARGET = "isolated:app"


@pytest.fixture
def worker(start_worker: StartWorker) -> RealWorker:
    return start_worker(TARGET, lease_ttl="3s", shutdown_timeout="1s").wait_until_ready()


def outcome(client: Client, function: str, data: Any = None) -> Any:
    """What the run of `function` for a new event came to."""
    receipt = client.send(function, data)
    return client.result(receipt.run_id(f"isolated/{function}"), timeout=30)


def error_of(client: Client, function: str, data: Any = None) -> RunFailed:
    with pytest.raises(RunFailed) as raised:
        outcome(client, function, data)
    return raised.value


def test_every_verb_works_and_the_run_leaves_and_comes_back(worker: RealWorker, client: Client) -> None:
    result = outcome(client, "everything", {"n": 5})
    worker_pids = set(worker.children())
    assert result["data"] == {"n": 5}
    assert result["pair"] == [1, 2]
    assert result["child"]["got"] == {"n": 1}
    assert result["child"]["pid"] in worker_pids
    assert result["first"] not in worker_pids
    assert result["late"] is None
    assert result["key"].endswith(":key")
    assert result["attempt"] == 1  # leaving is no failure


def test_a_process_that_ended_an_attempt_well_is_used_again(worker: RealWorker, client: Client) -> None:
    assert len({outcome(client, "pid") for _ in range(3)}) == 1


def test_what_the_function_raises_arrives_with_the_users_traceback(worker: RealWorker, client: Client) -> None:
    error = error_of(client, "raises").error
    assert error.type == "KeyError"
    assert "attempt 2" in error.message
    assert "isolated.py" in error.traceback
    assert "bgjobs/worker" not in error.traceback


def test_a_failed_step_can_be_caught(worker: RealWorker, client: Client) -> None:
    assert outcome(client, "step-fails") == "caught no stock"


def test_a_result_that_cannot_be_stored_names_the_path(worker: RealWorker, client: Client) -> None:
    assert "result.lock" in error_of(client, "unserialisable").error.message


def test_the_time_out_is_hard(worker: RealWorker, client: Client, tmp_path: Path) -> None:
    """A loop without a single step or sleep ends on time, and its process with it."""
    note = tmp_path / "pid"
    assert "longer than 0.5 s" in error_of(client, "hangs", str(note)).error.message
    until(lambda: not alive(int(note.read_text())))


def test_the_memory_limit_kills_with_a_clear_error(worker: RealWorker, client: Client) -> None:
    error = error_of(client, "grows").error
    assert "it may hold 150 MiB" in error.message
    assert error.type.endswith("MemoryExceeded")


@pytest.mark.skipif(not Path("/proc").exists(), reason="the system has no limit on data")
def test_a_burst_beyond_the_limit_is_refused_by_the_system(worker: RealWorker, client: Client) -> None:
    assert error_of(client, "bursts").error.type.endswith(("MemoryError", "MemoryExceeded"))


@pytest.mark.parametrize(("function", "how"), [("crashes", "SIGSEGV"), ("exits", "status 7")])
def test_a_process_that_ends_fails_the_attempt_and_nothing_else(
    worker: RealWorker, client: Client, function: str, how: str
) -> None:
    before = worker.children()
    assert how in error_of(client, function).error.message
    assert outcome(client, "pid")
    assert worker.children() == before


def test_cancelling_kills(worker: RealWorker, client: Client, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    run = client.send("endless", str(note)).run_id("isolated/endless")
    until(lambda: note.exists() and note.read_text())
    assert client.cancel(run)
    with pytest.raises(RunCancelled):
        client.result(run, timeout=30)
    until(lambda: not alive(int(note.read_text())))


def test_nothing_survives_a_killed_worker(worker: RealWorker, client: Client, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    client.send("endless", str(note))
    until(lambda: note.exists() and note.read_text())
    child = worker.children()[0]
    isolated = [each.pid for each in psutil.Process(child).children()]
    assert isolated
    os.kill(child, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in isolated))


def test_a_stop_hands_the_run_back_without_using_up_an_attempt(
    worker: RealWorker, client: Client, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    run = client.send("endless", str(note)).run_id("isolated/endless")
    until(lambda: note.exists() and note.read_text())
    assert worker.stop() == 0
    until(lambda: not alive(int(note.read_text())))
    info = client.run(run)
    assert info.state is RunState.QUEUED
    assert info.attempt == 1
