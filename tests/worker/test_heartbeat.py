"""The heartbeat against a real server: keeps the lease beside a blocked loop, and gives up in time when it can't."""

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from bgjobs.broker.broker import SyncBroker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.transitions.lease import beat, delist, enlist
from bgjobs.worker.heartbeat import Heartbeat, LeaseLoss
from bgjobs.worker.metrics import WorkerMetrics
from tests.servers import ServerFactory
from tests.waiting import until

TTL = 0.9


class Worker:
    """An enlisted incarnation and its heartbeat."""

    def __init__(self, url: str, namespace: str, ttl: float = TTL, interval: float | None = None) -> None:
        self.endpoint = Endpoint(url)
        self.namespace = namespace
        self.broker = SyncBroker(self.endpoint, namespace)
        self.losses: queue.SimpleQueue[LeaseLoss] = queue.SimpleQueue()
        self.metrics = WorkerMetrics()
        self.beats = SyncBroker(self.endpoint, namespace, timeout=ttl / 4)
        self.call = beat("w1", ttl_ms=int(ttl * 1000), interval_ms=int(ttl * 1000 / 3))
        before = time.monotonic()
        self.broker.do(enlist("w1", ttl_ms=int(ttl * 1000), info={"pid": "1"}))
        self.heartbeat = Heartbeat(
            self.beat,
            lease_ttl=ttl,
            interval=interval,
            on_lost=self.losses.put,
            leased_at=before,
            metrics=self.metrics,
        )
        self.heartbeat.start()

    def beat(self) -> bool:
        return self.beats.do(self.call)[0]

    def expiry(self) -> float | None:
        score = self.broker.client.zscore(f"bgjobs:{{{self.namespace}:00}}:wk", "w1")
        return None if score is None else float(score) / 1000  # type: ignore[arg-type]


@pytest.fixture
def worker(redis_url: str, namespace: str) -> Iterator[Worker]:
    made = Worker(redis_url, namespace)
    yield made
    made.heartbeat.stop()
    made.broker.close()


def test_beats_go_on_while_the_main_thread_is_blocked(redis_url: str, namespace: str) -> None:
    worker = Worker(redis_url, namespace, ttl=30.0, interval=0.1)
    first = worker.expiry()
    assert first is not None
    for _ in range(5):
        since = worker.heartbeat.leased_at
        while worker.heartbeat.leased_at == since:  # Python code that never gives way to a loop
            pass
    assert worker.heartbeat.lost is None
    assert (worker.expiry() or 0) > first
    assert worker.heartbeat.lease_left > 0
    worker.heartbeat.stop()
    worker.broker.close()


def test_gone_is_told_once_and_ends_the_beats(worker: Worker) -> None:
    """R19: nothing revives an incarnation whose lease is gone."""
    worker.broker.do(delist("w1"))
    assert worker.losses.get(timeout=30) is LeaseLoss.GONE
    until(lambda: not worker.heartbeat._beats.is_alive() and not worker.heartbeat._guard.is_alive())
    assert worker.expiry() is None
    assert worker.losses.empty()


def test_an_expired_lease_is_not_revived_while_others_live(redis_url: str, namespace: str) -> None:
    """R19: a worker that slept through its lease is told that it is gone."""
    worker = Worker(redis_url, namespace)
    try:
        worker.broker.do(enlist("w2", ttl_ms=60_000, info={"pid": "2"}))
        # As if this machine had slept: the lease runs out on the server while no beat is sent.
        worker.broker.client.zadd(f"bgjobs:{{{namespace}:00}}:wk", {"w1": 1})
        assert worker.losses.get(timeout=30) is LeaseLoss.GONE
    finally:
        worker.heartbeat.stop()
        worker.broker.close()


def test_gives_up_before_the_lease_ends() -> None:
    """R19: measured from before the last beat that got through, less a margin; a beat that hangs does not delay it."""
    now = [100.0]
    sent, answer = threading.Event(), threading.Event()

    def hanging() -> bool:
        sent.set()
        return answer.wait(60)

    losses: queue.SimpleQueue[LeaseLoss] = queue.SimpleQueue()
    heartbeat = Heartbeat(hanging, lease_ttl=15.0, interval=0.01, on_lost=losses.put, clock=lambda: now[0])
    heartbeat.start()
    assert sent.wait(30)
    now[0] += 11.9
    assert heartbeat.lease_left > 0
    assert heartbeat.lost is None
    now[0] += 0.2  # a fifth of the lease is left
    assert losses.get(timeout=30) is LeaseLoss.UNREACHABLE
    answer.set()
    heartbeat.stop()


def test_gives_up_when_the_server_hangs(server_factory: ServerFactory, namespace: str) -> None:
    server = server_factory()
    worker = Worker(server.url, namespace, ttl=1.5)
    until(lambda: worker.heartbeat.lease_left > 0.8)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert worker.losses.get(timeout=30) is LeaseLoss.UNREACHABLE
    finally:
        os.kill(server.pid, signal.SIGCONT)
        worker.heartbeat.stop()


def test_survives_a_short_absence_of_the_server(server_factory: ServerFactory, namespace: str) -> None:
    server = server_factory()
    worker = Worker(server.url, namespace, ttl=6.0)
    beats = worker.heartbeat
    worker.broker.client.config_set("maxclients", 1)
    worker.broker.client.client_kill_filter(_type="normal", skipme=True)
    until(lambda: worker.metrics.registry.get_sample_value("bgjobs_redis_errors_total", {"kind": "beat"}))
    worker.broker.client.config_set("maxclients", 1000)
    failed_at = time.monotonic()
    until(lambda: beats.leased_at > failed_at)
    assert beats.lost is None
    beats.stop()


def test_the_lease_counts_from_before_the_beat_was_sent() -> None:
    """R19: the time that a beat travelled is not added to the lease."""
    sent = threading.Event()
    answer = threading.Event()

    def slow() -> bool:
        sent.set()
        return answer.wait(5)

    heartbeat = Heartbeat(slow, lease_ttl=30.0, interval=0.01, on_lost=lambda why: None)
    heartbeat.start()
    assert sent.wait(5)
    sent_at = time.monotonic()
    until(lambda: time.monotonic() > sent_at + 0.3)
    answer.set()
    began = heartbeat.leased_at
    until(lambda: heartbeat.leased_at != began or heartbeat.leased_at <= sent_at)
    assert heartbeat.leased_at <= sent_at
    heartbeat.stop()


def test_stop_is_idempotent_and_quiet(worker: Worker) -> None:
    worker.heartbeat.stop()
    worker.heartbeat.stop()
    assert worker.losses.empty()


def test_connection_errors_are_not_taken_for_gone() -> None:
    calls: queue.SimpleQueue[int] = queue.SimpleQueue()

    def broken() -> bool:
        calls.put(1)
        raise redis.ConnectionError("no route")

    losses: queue.SimpleQueue[LeaseLoss] = queue.SimpleQueue()
    heartbeat = Heartbeat(broken, lease_ttl=1.0, on_lost=losses.put)
    heartbeat.start()
    assert losses.get(timeout=30) is LeaseLoss.UNREACHABLE
    assert calls.qsize() >= 2
    heartbeat.stop()
