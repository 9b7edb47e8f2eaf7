"""Sending without waiting: never blocks, never raises, counts what it drops, flushes at exit."""

import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from bgjobs.broker.async_client import AsyncClient
from bgjobs.broker.client import Client
from bgjobs.broker.errors import CommandRefused, RedisUnavailable
from bgjobs.broker.outgoing import Checks, Outgoing
from bgjobs.broker.receipt import BulkReceipt
from bgjobs.broker.send_soon import SendSoon
from tests.broker.producing import entries
from tests.servers import ServerFactory
from tests.waiting import until


def _events(count: int) -> list[Outgoing]:
    checks = Checks()
    return [checks.event("a/b", number) for number in range(count)]


class Server:
    """Stands where the wire is: takes batches, or fails as told."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.failure: Exception | None = None
        self.doubtful = False
        self.tries = 0
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, events: list[Outgoing]) -> BulkReceipt:
        self.tries += 1
        assert self.answers.wait(30)
        if self.failure is not None:
            for event in events:
                event.resent = event.resent or self.doubtful
            raise self.failure
        self.written += [event.event_id for event in events]
        return BulkReceipt(
            names=["a/b"] * len(events),
            event_ids=[event.event_id for event in events],
            stream_ids=[b"1-1"] * len(events),
            errors={},
            durability="memory",
            app=None,
        )


def test_events_arrive_in_order(redis_url: str, namespace: str) -> None:
    with Client(redis_url, namespace=namespace) as client:
        sent = [client.send_soon("a/b", number) for number in range(2_000)]
        assert client.flush() == 0
        assert client.dropped == 0
    assert [event["i"] for event in entries(redis_url, namespace)] == sent


async def test_it_is_a_plain_call_on_an_event_loop(redis_url: str, namespace: str) -> None:
    async with AsyncClient(redis_url, namespace=namespace) as client:
        sent = [client.send_soon("a/b", number) for number in range(10)]
        assert await client.flush() == 0
    assert [event["i"] for event in entries(redis_url, namespace)] == sent


def test_nothing_is_raised_whatever_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        event_name = "a/b"

        def event_data(self) -> Any:
            raise RuntimeError("a defect of the caller's own")

    with Client("redis://127.0.0.1:1", timeout=0.1) as client:
        with caplog.at_level(logging.ERROR, "bgjobs"):
            for event in ("bad name", Odd(), None):
                client.send_soon(event)  # type: ignore[arg-type]
            client.send_soon("a/b", object(), id="mine")
        assert client.dropped == 4
        assert len(caplog.records) == 1  # one line per 10 s, not one per event
        client.send_soon("a/b")
        assert client.flush(0.2) == 1


def test_nobody_waits_for_a_server_that_hangs() -> None:
    """The caller goes on while the thread's write has no answer."""
    server = Server()
    server.answers.clear()
    soon = SendSoon(server)
    events = _events(20)
    soon.add(events[0])
    until(lambda: server.tries == 1)
    for event in events[1:]:
        soon.add(event)
    assert server.written == []
    server.answers.set()
    assert soon.close() == 0
    assert server.written == [event.event_id for event in events]


def test_the_buffer_is_bounded() -> None:
    server = Server()
    server.failure = RedisUnavailable("away")
    soon = SendSoon(server, limit=10)
    for event in _events(25):
        soon.add(event)
    assert soon.dropped >= 10
    server.failure = None
    assert soon.close() == 0
    assert len(server.written) + soon.dropped == 25


def test_an_outage_is_waited_out() -> None:
    server = Server()
    server.failure = RedisUnavailable("away")
    soon = SendSoon(server)
    events = _events(20)
    for event in events:
        soon.add(event)
    until(lambda: server.tries >= 2)
    server.failure = None
    until(lambda: len(server.written) == 20)
    assert server.written == [event.event_id for event in events]
    assert (soon.close(), soon.dropped) == (0, 0)


def test_what_may_have_been_written_is_given_up_before_its_duplicate_is_past_finding() -> None:
    """R2: after that time another entry would be another event."""
    server = Server()
    server.failure, server.doubtful = RedisUnavailable("no reply"), True
    soon = SendSoon(server)
    (event,) = _events(1)
    event.doubtful_since = time.monotonic() - 61
    soon.add(event)
    until(lambda: soon.dropped == 1)
    assert soon.flush(0.1) == 0
    soon.close()


def test_what_the_server_refuses_for_good_is_dropped_and_counted() -> None:
    server = Server()
    server.failure = CommandRefused("no permission")
    soon = SendSoon(server)
    for event in _events(3):
        soon.add(event)
    until(lambda: soon.dropped == 3)
    soon.close()


_PROGRAM = """
import sys
from bgjobs.broker.client import Client
client = Client(sys.argv[1], namespace=sys.argv[2])
for number in range(500):
    client.send_soon("a/b", number)
"""


def test_it_flushes_when_the_process_ends(redis_url: str, namespace: str) -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM, redis_url, namespace], check=True, timeout=30)
    assert [event["d"] for event in entries(redis_url, namespace)] == list(range(500))


def test_a_process_ends_although_the_server_is_away() -> None:
    program = _PROGRAM.replace("namespace=sys.argv[2]", "namespace=sys.argv[2], timeout=0.5")
    done = subprocess.run(
        [sys.executable, "-c", program, "redis://127.0.0.1:1", "x"],
        timeout=60,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "500 events of send_soon were dropped" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_does_not_send_what_its_parent_sends(redis_url: str, namespace: str) -> None:
    program = """
import os, sys
from bgjobs.broker.client import Client
client = Client(sys.argv[1], namespace=sys.argv[2])
for number in range(100):
    client.send_soon("from/parent", number)
child = os.fork()
if child == 0:
    client.send_soon("from/child", 1)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, redis_url, namespace], check=True, timeout=30)
    names = [event["n"] for event in entries(redis_url, namespace)]
    assert (names.count("from/parent"), names.count("from/child")) == (100, 1)


def test_a_server_that_comes_back_gets_everything(server_factory: ServerFactory) -> None:
    server = server_factory()
    with Client(server.url, timeout=0.3) as client:
        client.send_soon("a/b", "first")
        assert client.flush() == 0
        server.kill()
        sent = [client.send_soon("a/b", number) for number in range(50)]
        server.start()
        until(lambda: client.flush(1) == 0, timeout=20)
    assert {event["i"] for event in entries(server.url, "default")} >= set(sent)


def test_asyncio_run_and_exit(redis_url: str, namespace: str) -> None:
    """A program that only ever calls send_soon on a loop needs no goodbye."""
    program = """
import asyncio, sys
from bgjobs.broker.async_client import AsyncClient
async def main():
    client = AsyncClient(sys.argv[1], namespace=sys.argv[2])
    client.send_soon("a/b", 1)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program, redis_url, namespace], check=True, timeout=30)
    assert len(entries(redis_url, namespace)) == 1
