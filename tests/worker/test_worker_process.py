"""`bgjobs worker` as a whole: signals, kills, blocked loops, servers that come and go, logs and numbers."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bgjobs import Client, RunState
from tests.servers import ServerFactory
from tests.worker.conftest import StartWorker
from tests.worker.toy_supervisor import alive, until

TARGET = "plain:app"


def send(client: Client, function: str, **data: object) -> str:
    """Send the function's event; the id of its run."""
    return client.send(function, data).run_id(f"plain/{function}")


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_stop_hands_back_at_a_step_boundary_and_another_goes_on(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    """No attempt is used up, and no step runs twice."""
    file = tmp_path / "notes"
    first = start_worker(TARGET, shutdown_timeout="4s").wait_until_ready()
    run = send(client, "stepwise", file=str(file), steps=120)
    until(lambda: len(lines(file)) >= 3)
    assert first.stop() == 0
    assert 3 <= len(lines(file)) < 120  # each takes at least 50 ms
    second = start_worker(TARGET).wait_until_ready()
    assert client.result(run, timeout=60) in second.children()
    bodies = [line.split()[1] for line in lines(file)]
    assert bodies == [str(number) for number in range(120)]
    info = client.run(run)
    assert (info.attempt, info.crashes) == (1, 0)


def test_the_runs_of_a_killed_process_go_on_within_the_lease(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    """R17, R21: from the last checkpoint, in the process that the supervisor starts at once."""
    file = tmp_path / "notes"
    worker = start_worker(TARGET, lease_ttl="2s").wait_until_ready()
    run = send(client, "stepwise", file=str(file), steps=30)
    until(lambda: len(lines(file)) >= 3)
    killed = worker.children()[0]
    os.kill(killed, signal.SIGKILL)
    assert client.result(run, timeout=30) != killed
    bodies = [int(line.split()[1]) for line in lines(file)]
    assert sorted(set(bodies)) == list(range(30))
    assert len(bodies) <= 31  # only the step that was under way may have run again
    assert client.run(run).crashes <= 1


def test_a_blocked_loop_keeps_its_runs_beyond_the_lease(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    """R19: the heartbeat has a thread and a connection of its own; the log names the guilty line."""
    file = tmp_path / "notes"
    worker = start_worker(TARGET, processes=2, lease_ttl="1s").wait_until_ready()
    run = send(client, "blocks", file=str(file), seconds=4)
    assert client.result(run, timeout=30) in worker.children()
    assert lines(file) == ["began"]
    assert client.run(run).crashes == 0
    assert worker.said("hold_the_loop(ctx.event.data")


def test_a_loop_that_stays_blocked_ends_its_process_and_the_run_goes_elsewhere(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    worker = start_worker(TARGET, lease_ttl="1s", max_stall="2s").wait_until_ready()
    run = send(client, "blocks", file=str(file), seconds=600)
    until(lambda: worker.said("status 70"))
    until(lambda: len(lines(file)) >= 2)
    assert client.run(run).crashes >= 1


def test_a_worker_that_slept_through_its_lease_changes_nothing(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    """R17, R19: what a paused process does afterwards is refused; then it begins again as a new incarnation."""
    file = tmp_path / "notes"
    first = start_worker(TARGET, lease_ttl="1s").wait_until_ready()
    run = send(client, "stepwise", file=str(file), steps=30)
    until(lambda: len(lines(file)) >= 3)
    paused = first.children()[0]
    os.kill(paused, signal.SIGSTOP)
    second = start_worker(TARGET, lease_ttl="1s").wait_until_ready()
    assert client.result(run, timeout=30) in second.children()
    os.kill(paused, signal.SIGCONT)
    until(lambda: first.said("the lease of this worker expired") or first.said("giving up the runs"))
    assert second.stop() == 0
    assert client.result(send(client, "quick"), timeout=20) == paused
    bodies = [int(line.split()[1]) for line in lines(file)]
    assert sorted(set(bodies)) == list(range(30))
    assert len(bodies) <= 31


def test_a_thread_that_never_ends_does_not_keep_the_process(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    worker = start_worker(TARGET, shutdown_timeout="1s").wait_until_ready()
    run = send(client, "stuck", file=str(file))
    until(lambda: lines(file))
    assert worker.stop() == 0
    info = client.run(run)
    assert (info.state, info.attempt) == (RunState.QUEUED, 1)


def test_children_of_a_killed_supervisor_hand_their_runs_back(
    start_worker: StartWorker, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    worker = start_worker(TARGET, processes=2, shutdown_timeout="4s").wait_until_ready()
    run = send(client, "stepwise", file=str(file), steps=1000)
    until(lambda: lines(file))
    children = worker.children()
    worker.process.kill()
    until(lambda: not any(alive(pid) for pid in children))
    info = client.run(run)
    assert (info.state, info.crashes) == (RunState.QUEUED, 0)


def test_a_server_that_goes_and_comes_back_is_waited_for(
    start_worker: StartWorker, server_factory: ServerFactory, tmp_path: Path, namespace: str
) -> None:
    """Never exit, never deaf: ready says no while it is away, live says yes, and work goes on afterwards."""
    server = server_factory(tmp_path / "data", appendfsync="always")
    worker = start_worker(TARGET, url=server.url, lease_ttl="3s").wait_until_ready()
    with Client(server.url, namespace=namespace) as client:
        first = send(client, "quick")
        assert client.result(first, timeout=20) in worker.children()
        children = worker.children()
        server.kill()
        until(lambda: worker.said("no heartbeat"))
        assert worker.status("/live") == 200
        server.start()
        assert client.result(send(client, "quick"), timeout=40) in children
        assert worker.children() == children
        until(lambda: worker.status("/ready") == 200)


def test_a_server_that_is_never_there_ends_with_status_three(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker(TARGET, url=f"unix://{tmp_path}/none.sock", connect_timeout="1s")
    assert worker.process.wait(30) == 3
    assert worker.said("bgjobs doctor")  # what to do


def test_a_server_that_may_drop_what_it_accepted_is_refused(
    start_worker: StartWorker, server_factory: ServerFactory
) -> None:
    server = server_factory(maxmemory="64mb", maxmemory_policy="allkeys-lru")
    worker = start_worker(TARGET, url=server.url)
    assert worker.process.wait(30) == 1
    assert worker.said("allkeys-lru")


@pytest.mark.parametrize(("target", "says"), [("nowhere:app", "no module"), ("plain:nothing", "no attribute")])
def test_a_wrong_target_ends_with_status_two(start_worker: StartWorker, target: str, says: str) -> None:
    worker = start_worker(target, processes=3)
    assert worker.process.wait(30) == 2
    assert worker.text().count(says) == 1


def test_each_line_of_user_code_names_its_run(start_worker: StartWorker, client: Client) -> None:
    worker = start_worker(TARGET, log_format="json").wait_until_ready()
    run = send(client, "logs")
    client.result(run, timeout=20)
    records = [json.loads(line) for line in worker.text().splitlines()]
    mine = [record for record in records if record.get("run") == run]
    assert {"from the user's own logger", "from a step", "from ctx.logger"} <= {record["message"] for record in mine}
    assert all(record["function"] == "plain/logs" for record in mine)
    assert next(record["step"] for record in mine if record["message"] == "from a step") == "inside"
    assert {record["attempt"] for record in mine if record["message"] == "from ctx.logger"} == {1, 2}
    retried = next(record for record in mine if "next attempt" in record["message"])
    assert "ValueError: once" in retried["exception"]
    assert "executor.py" not in retried["exception"]


def test_the_numbers_of_all_processes_are_one_sum(start_worker: StartWorker, client: Client) -> None:
    worker = start_worker(TARGET, processes=2, concurrency=2).wait_until_ready()
    runs = [send(client, "quick") for _ in range(20)]
    for run in runs:
        client.result(run, timeout=20)

    def settled(check: Callable[[], float], value: float) -> None:
        until(lambda: check() == value, what=f"{check()} becomes {value}")

    labels = {"app": "plain", "function": "quick"}
    settled(lambda: worker.metric("bgjobs_runs_finished_total", **labels, outcome="completed"), 20)
    settled(lambda: worker.metric("bgjobs_runs_started_total", **labels), 20)
    settled(lambda: worker.metric("bgjobs_run_duration_seconds_count", **labels), 20)
    settled(lambda: worker.metric("bgjobs_run_queue_seconds_count", **labels), 20)
    settled(lambda: worker.metric("bgjobs_events_ingested_total", app="plain"), 40)
    settled(lambda: worker.metric("bgjobs_events_sent_total"), 20)  # each run sent one, to nobody
    os.kill(worker.children()[0], signal.SIGKILL)
    until(lambda: worker.text().count(" is ready") >= 3)
    settled(lambda: worker.metric("bgjobs_runs_finished_total", **labels, outcome="completed"), 20)
