"""Sending while the server is away, killed or frozen: bounded, clear, and safe to repeat (R2)."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import redis

from bgjobs.broker.async_client import AsyncClient
from bgjobs.broker.client import Client
from bgjobs.broker.errors import CommandRefused, RedisUnavailable, UsageError
from bgjobs.broker.event import NewEvent
from bgjobs.broker.receipt import Receipt
from tests.broker.producing import entries, frozen
from tests.servers import ServerFactory
from tests.waiting import until

AWAY = "redis://:s3cret@127.0.0.1:1/0"
NEVER = 3600.0  # seconds: who waits so long did not notice


async def _async(url: str, verb: str, *arguments: Any, timeout: float, **options: Any) -> Any:
    async with AsyncClient(url, timeout=timeout) as client:
        return await getattr(client, verb)(*arguments, **options)


def _call(face: str, url: str, verb: str, *arguments: Any, timeout: float, **options: Any) -> Any:
    if face == "async":
        return asyncio.run(_async(url, verb, *arguments, timeout=timeout, **options))
    with Client(url, timeout=timeout) as client:
        return getattr(client, verb)(*arguments, **options)


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("send", ("a/b",)), ("send_many", ([NewEvent("a/b")],)), ("run", ("00" + "0" * 24,)), ("ping", ())],
)
def test_away_is_a_clear_error_after_a_bounded_wait(face: str, verb: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(RedisUnavailable) as raised:
        _call(face, AWAY, verb, *arguments, timeout=0.4)
    assert "redis://:***@127.0.0.1:1/0 did not answer within 0.4 s" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert raised.value.ambiguous is False
    assert raised.value.event_ids == ()
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("face", ["sync", "async"])
def test_mistakes_are_told_at_once_while_it_is_away(face: str) -> None:
    with pytest.raises(UsageError):
        _call(face, AWAY, "send", "bad name", timeout=NEVER)


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_frozen_server_is_given_up(face: str, server_factory: ServerFactory) -> None:
    server = server_factory()
    with frozen(server), pytest.raises(RedisUnavailable):
        _call(face, server.url, "send", "a/b", timeout=0.5)


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_send_without_reply_is_repeated_under_the_same_id_and_says_so(
    face: str, server_factory: ServerFactory
) -> None:
    """R2: the entries of one send share the event id; those after the first are marked, so that ingest drops them."""
    server = server_factory(tcp=True)

    async def send_async() -> None:
        async with AsyncClient(server.url, timeout=0.5) as client:
            await client.send("warm/up")
            with frozen(server):
                with pytest.raises(RedisUnavailable) as raised:
                    await client.send("a/b", 1)
                failed.append(raised.value)
            failed.append(await client.send("a/b", 1, id=raised.value.event_ids[0]))

    def send_sync() -> None:
        with Client(server.url, timeout=0.5) as client:
            client.send("warm/up")
            with frozen(server):
                with pytest.raises(RedisUnavailable) as raised:
                    client.send("a/b", 1)
                failed.append(raised.value)
            failed.append(client.send("a/b", 1, id=raised.value.event_ids[0]))

    failed: list[Any] = []
    if face == "async":
        asyncio.run(send_async())
    else:
        send_sync()
    error, receipt = failed
    assert error.ambiguous is True
    assert f"id='{error.event_ids[0]}'" in str(error)
    assert receipt.event_id == error.event_ids[0]
    stored = until(lambda: [event for event in entries(server.url, "default") if event["n"] == "a/b"])
    assert {event["i"] for event in stored} == {receipt.event_id}
    assert len(stored) >= 2  # the frozen server executed the first try when it woke up
    assert "r" not in stored[0]
    assert all(event["r"] == "1" for event in stored[1:])
    assert all(event["g"] == "1" for event in stored)


def test_a_bulk_that_breaks_off_goes_on_where_replies_ended(server_factory: ServerFactory, tmp_path: Path) -> None:
    """Every event is stored at least once, and every further entry of it is marked as a re-send."""
    server = server_factory(tmp_path, appendfsync="always")
    with Client(server.url, timeout=20) as client:
        client.send("warm/up")
        done = threading.Event()

        def restart() -> None:
            for _ in range(2):
                before = len(entries(server.url, "default"))
                until(lambda before=before: len(entries(server.url, "default")) > before)
                server.kill()
                server.start()
            done.set()

        thread = threading.Thread(target=restart)
        thread.start()
        outcomes = []
        while not done.is_set() or not outcomes:
            outcomes += client.send_many([NewEvent("a/b", number) for number in range(2_000)])
        thread.join()
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)
    times: dict[str, int] = {}
    for event in entries(server.url, "default"):
        seen = times.get(event["i"], 0)
        assert seen == 0 or event["r"] == "1"
        times[event["i"]] = seen + 1
    assert all(times[outcome.event_id] for outcome in outcomes if isinstance(outcome, Receipt))


def test_a_restart_costs_no_event_and_no_error(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory(tmp_path, appendfsync="always")

    async def main() -> list[Receipt]:
        async with AsyncClient(server.url, timeout=20) as client:
            await client.send("warm/up")
            server.kill()
            sending = [asyncio.create_task(client.send("a/b", number)) for number in range(50)]
            await asyncio.sleep(0)
            await asyncio.to_thread(server.start)
            return await asyncio.gather(*sending)

    receipts = asyncio.run(main())
    stored = {event["i"] for event in entries(server.url, "default")}
    assert {receipt.event_id for receipt in receipts} <= stored


def test_a_full_server_is_waited_for_and_then_named(server_factory: ServerFactory) -> None:
    server = server_factory(maxmemory="1mb", maxmemory_policy="noeviction")
    with Client(server.url, timeout=0.3) as client, pytest.raises(RedisUnavailable, match="memory") as raised:
        client.send_many([NewEvent("a/b", b"x" * 100_000)] * 100).raise_for_errors()
    assert raised.value.ambiguous is False


@pytest.mark.parametrize("password", ["", ":wr0ng@"])
def test_a_refused_password_is_told_at_once(server_factory: ServerFactory, password: str) -> None:
    server = server_factory(tcp=True)
    admin = redis.Redis.from_url(server.url)
    admin.config_set("requirepass", "right")
    url = server.url.replace("://", f"://{password}")
    with pytest.raises(CommandRefused) as raised:
        _call("sync", url, "send", "a/b", timeout=NEVER)
    with pytest.raises(CommandRefused):
        _call("async", url, "send", "a/b", timeout=NEVER)
    assert "wr0ng" not in str(raised.value)
    assert "BGJOBS_REDIS_PASSWORD" in raised.value.remedy
    with pytest.raises(CommandRefused, match="number of a database"):
        _call("sync", server.url.replace("://", "://:right@") + "/99", "send", "a/b", timeout=NEVER)
    admin.close()


def test_nothing_is_lost_between_a_freeze_and_its_end(server_factory: ServerFactory) -> None:
    """A stop shorter than the wait is not even noticed."""
    server = server_factory(tcp=True)
    with Client(server.url, timeout=10) as client:
        client.send("warm/up")
        os.kill(server.pid, signal.SIGSTOP)
        timer = threading.Timer(0.3, os.kill, (server.pid, signal.SIGCONT))
        timer.start()
        receipt = client.send("a/b")
        timer.join()
    assert [event["i"] for event in entries(server.url, "default") if event["n"] == "a/b"] == [receipt.event_id]
