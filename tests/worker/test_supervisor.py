"""The supervisor with real child processes: restarts, stops, recycling, orphans, refusals."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.worker.toy_supervisor import ToySupervisor, alive, until


class Start(Protocol):
    def __call__(self, behaviour: dict[str, Any] | None = None, **options: Any) -> ToySupervisor: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ToySupervisor] = []

    def begin(behaviour: dict[str, Any] | None = None, **options: Any) -> ToySupervisor:
        started.append(ToySupervisor(tmp_path, behaviour or {}, **options))
        return started[-1]

    yield begin
    for supervisor in started:
        supervisor.close()


def test_a_killed_child_is_replaced_and_registers_nothing_new(start: Start) -> None:
    """R9: all children, also restarted ones, carry the stamp of the supervisor's one start."""
    supervisor = start(processes=2)
    first = supervisor.wait_for_children(2)
    os.kill(first[0], signal.SIGKILL)
    supervisor.wait_for_children(3)
    notes = supervisor.notes("started")
    assert len({note.started_us for note in notes}) == 1
    assert len({note.pid for note in notes}) == 3
    assert supervisor.said("SIGKILL")


def test_sigterm_lets_children_end_and_returns_zero(start: Start) -> None:
    supervisor = start(processes=2)
    pids = supervisor.wait_for_children(2)
    supervisor.signal(signal.SIGTERM)
    assert supervisor.end() == 0
    assert {note.pid for note in supervisor.notes("ended")} == set(pids)
    assert not any(alive(pid) for pid in pids)


def test_second_sigterm_stops_at_once(start: Start) -> None:
    supervisor = start({"lingers": True}, shutdown_timeout=60.0)
    supervisor.wait_for_children(1)
    supervisor.signal(signal.SIGTERM)
    until(lambda: supervisor.notes("stopping"))
    assert not supervisor.notes("aborted")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.end() == 0
    assert supervisor.notes("aborted")


def test_a_signal_to_the_whole_group_counts_once(start: Start) -> None:
    """systemd and terminals signal every process of a group: the children must not take it for the second signal."""
    supervisor = start({"lingers": True}, processes=2, shutdown_timeout=60.0)
    pids = supervisor.wait_for_children(2)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    supervisor.signal(signal.SIGTERM)
    until(lambda: len(supervisor.notes("stopping")) == 2)
    until(lambda: supervisor.said("stopping (SIGTERM)"))
    assert not supervisor.notes("aborted")
    assert all(alive(pid) for pid in pids)


def test_a_child_that_hangs_is_killed(start: Start) -> None:
    supervisor = start({"lingers": True, "hangs": True}, shutdown_timeout=60.0)
    pids = supervisor.wait_for_children(1)
    supervisor.signal(signal.SIGTERM)
    until(lambda: supervisor.notes("stopping"))
    supervisor.signal(signal.SIGTERM)
    assert supervisor.end() == 0
    assert not alive(pids[0])


def test_children_stop_gracefully_when_the_supervisor_is_killed(start: Start) -> None:
    supervisor = start(processes=2)
    pids = supervisor.wait_for_children(2)
    supervisor.process.kill()
    supervisor.process.wait()
    until(lambda: {note.pid for note in supervisor.notes("ended")} == set(pids))
    until(lambda: not any(alive(pid) for pid in pids))


def test_a_child_that_did_its_share_is_replaced_without_a_gap(start: Start) -> None:
    supervisor = start({"runs": 10, "lingers": True}, max_runs_per_process=10)
    supervisor.wait_for_children(2)
    # The first still lets its runs end while its replacement works.
    assert not supervisor.notes("ended")
    assert supervisor.said("--max-runs-per-process")


def test_a_child_that_grew_too_large_is_replaced(start: Start) -> None:
    supervisor = start(max_memory=1)
    supervisor.wait_for_children(2)
    assert supervisor.said("MiB resident")


def test_hangup_replaces_every_child(start: Start) -> None:
    supervisor = start(processes=2)
    first = supervisor.wait_for_children(2)
    supervisor.signal(signal.SIGHUP)
    pids = supervisor.wait_for_children(4)
    until(lambda: {note.pid for note in supervisor.notes("ended")} == set(first))
    assert all(alive(pid) for pid in pids[2:])


def test_a_worker_that_may_not_start_ends_the_supervisor_with_its_status(start: Start) -> None:
    supervisor = start({"refuse": True}, processes=3)
    assert supervisor.end() == 2
    assert supervisor.log.read_text().count("This toy refuses to work.") == 1


def test_redis_that_is_never_reached_ends_with_status_three(start: Start) -> None:
    supervisor = start({"unreachable": 10**9}, connect_timeout=0.5)
    assert supervisor.end() == 3
    assert supervisor.said("waiting for Redis")


def test_redis_that_comes_late_is_waited_for(start: Start) -> None:
    supervisor = start({"unreachable": 2})
    supervisor.wait_for_children(1)
    until(lambda: supervisor.get("/ready")[0] == 200)


def test_a_child_that_dies_again_and_again_is_restarted_ever_later(start: Start) -> None:
    supervisor = start({"die": True})
    supervisor.wait_for_children(3)
    until(lambda: supervisor.said("starting another in 0."))
    assert supervisor.process.poll() is None


def test_the_watchdog_ends_a_blocked_child_and_another_takes_its_place(start: Start) -> None:
    supervisor = start({"block": 600}, max_stall=1.5)
    supervisor.wait_for_children(2)
    assert supervisor.said("block(self.behaviour")
    assert supervisor.said("exited with status 70")


def test_metrics_are_the_sum_and_never_fall_when_a_child_dies(start: Start) -> None:
    supervisor = start({"runs": 7, "running": 3}, processes=2)
    first = supervisor.wait_for_children(2)
    finished = 'bgjobs_runs_finished_total{app="toy",function="play",outcome="completed"}'
    until(lambda: supervisor.metric(finished) == 14)
    until(lambda: supervisor.metric("bgjobs_runs_running") == 6)
    assert supervisor.metric('bgjobs_run_duration_seconds_bucket{app="toy",function="play",le="0.01"}') == 14
    os.kill(first[1], signal.SIGKILL)
    supervisor.wait_for_children(3)
    until(lambda: supervisor.metric(finished) == 21)
    until(lambda: supervisor.metric("bgjobs_runs_running") == 6)
    assert supervisor.metric('bgjobs_run_duration_seconds_count{app="toy",function="play"}') == 21


def test_health_is_progress_and_not_existence(start: Start) -> None:
    """A worker that is there and deaf is not ready; it is alive, for restarting it would cure nothing."""
    supervisor = start(processes=2)
    supervisor.wait_for_children(2)
    until(lambda: supervisor.get("/ready")[0] == 200)
    assert supervisor.get("/live")[0] == 200
    assert supervisor.get("/nothing")[0] == 404
    body = supervisor.get("/ready")[1]
    assert [child["ok"] for child in json.loads(body)["children"]] == [True, True]


def test_what_others_may_read_names_no_password(start: Start) -> None:
    supervisor = start()
    pid = supervisor.wait_for_children(1)[0]
    assert "secret" not in Path(f"/proc/{pid}/cmdline").read_text() if Path("/proc").exists() else True
    assert not supervisor.said("secret")
