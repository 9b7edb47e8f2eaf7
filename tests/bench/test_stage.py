"""A measurement has a Redis and workers of its own, and leaves nothing behind."""

import sys

import psutil
import pytest
import redis

from bench.peers import Peer
from bench.server import Monitor, Server
from bench.stage import Stage

pytestmark = pytest.mark.debian_redis

#: Does jobs 20 to 24 of those that a stage measures, then stays.
WORKS = "import signal; from bench.stamps import mark; [mark(job) for job in range(20, 25)]; signal.pause()"


def worker(*command: str) -> Peer:
    return Peer(name="a peer", worker=command)


def test_jobs_are_counted_and_workers_end_with_the_stage() -> None:
    with Stage(worker(sys.executable, "-c", WORKS), jobs=5, size=64) as stage:
        stage.start(2)
        stage.until(lambda: stage.marks().all_done() and len(stage.marks().firsts()) == 2, what="both did all")
        assert stage.marks().count() == 5
        running = stage.processes()
        assert len(running) == 2
        assert stage.worker_cpu_seconds() > 0
    assert [each for each in running if psutil.pid_exists(each.pid)] == []


def test_workers_can_be_asked_to_end() -> None:
    with Stage(worker(sys.executable, "-c", WORKS), jobs=5, size=64) as stage:
        stage.start()
        stage.until(stage.marks().all_done, what="it did all")
        stage.stop()
        assert stage.processes() == []


def test_a_worker_that_ends_is_named_with_what_it_said() -> None:
    with Stage(worker("sh", "-c", "echo it broke; exit 1"), jobs=5, size=64) as stage:
        stage.start()
        with pytest.raises(RuntimeError, match=r"(?s)a worker ended: every job ran.*it broke"):
            stage.until(stage.marks().all_done, what="every job ran")


@pytest.mark.parametrize(("appendfsync", "appendonly"), [("no", "no"), ("everysec", "yes"), ("always", "yes")])
def test_a_server_persists_as_it_is_told(appendfsync: str, appendonly: str) -> None:
    with Server(appendfsync) as server:
        client = redis.Redis(port=server.port, decode_responses=True)
        assert client.config_get("appendonly") == {"appendonly": appendonly}
        if appendonly == "yes":
            assert client.config_get("appendfsync") == {"appendfsync": appendfsync}
        client.close()


def test_what_clients_send_is_told_apart_from_what_scripts_call() -> None:
    with Server() as server:
        client = redis.Redis(port=server.port)
        client.ping()
        before = server.commands()
        with Monitor(server.port) as monitor:
            client.eval("redis.call('SET', KEYS[1], 1) redis.call('GET', KEYS[1])", 1, "key")
            client.zadd("scores", {"a": 1, "b": 2})
        assert monitor.sent == 2
        assert server.commands() - before == {"eval": 1, "set": 1, "get": 1, "zadd": 1}
        assert server.count_of_all("sc*") == 2
        client.close()
