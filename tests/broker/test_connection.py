"""How connections are made: no hidden re-sends, explicit time-outs, nothing shared, no password in any text."""

import asyncio
import os
import threading
from typing import Any

import pytest
import redis

from bgjobs.broker.connection import Endpoint, PerLoop, PerProcess, redacted
from bgjobs.broker.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:s3cret@host/1", "redis://:***@host/1"),
        ("rediss://user:s3cret@host:6380", "rediss://user:***@host:6380"),
        ("redis://s3cret@host", "redis://***@host"),
        ("redis://u:s3cret%40x@host", "redis://u:***@host"),
        ("unix:///run/redis.sock?db=1&password=s3cret", "unix:///run/redis.sock?db=1&password=***"),
    ],
)
def test_no_password_is_ever_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
    endpoint = Endpoint(url)
    assert str(endpoint) == shown
    assert "s3cret" not in repr(endpoint)


@pytest.mark.parametrize("url", ["localhost:6379", "http://:s3cret@x", "", "redis://:s3cret@host?db=one"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Endpoint(url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://host", "unix:///x.sock", "redis://host?protocol=3&retry_on_timeout=1"]
)
def test_connections_never_resend_and_answer_in_bytes(url: str) -> None:
    endpoint = Endpoint(url)
    pools: list[Any] = [endpoint.sync_pool(), endpoint.async_pool()]
    for pool in pools:
        connection = pool.make_connection()
        assert connection.retry.get_retries() == 0
        assert connection.socket_timeout == 5
        assert connection.socket_connect_timeout == 3
        assert connection.encoder.decode_responses is False
        assert int(connection.protocol) == 2
        assert connection.health_check_interval == 0
        # Maintenance notifications would switch off redis-py's check for half-read replies.
        assert getattr(connection, "maint_notifications_config", None) in (None, False) or (
            connection._maint_notifications_connection_handler is None
        )


def test_a_blocking_read_outlasts_what_the_server_blocks() -> None:
    pool: Any = Endpoint("redis://host").blocking_client(block=5).connection_pool
    assert pool.make_connection().socket_timeout == 15


def test_one_value_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    values = PerProcess(object)
    first = values.get()
    assert values.get() is first
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    assert values.get() is not first
    assert values.take() is not None
    assert values.take() is None


def test_one_value_per_loop() -> None:
    values = PerLoop(object)

    async def twice() -> tuple[object, object]:
        return values.get(), values.get()

    first, again = asyncio.run(twice())
    assert first is again
    second, _ = asyncio.run(twice())
    assert second is not first


def test_loops_in_threads_do_not_share() -> None:
    values = PerLoop(object)
    found: list[object] = []
    meet = threading.Barrier(4)

    async def get() -> None:
        found.append(values.get())
        await asyncio.to_thread(meet.wait)

    threads = [threading.Thread(target=lambda: asyncio.run(get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(value) for value in found}) == 4


async def test_clients_work_against_a_server(redis_url: str) -> None:
    endpoint = Endpoint(redis_url)
    sync_client = endpoint.sync_client()
    assert sync_client.ping() is True
    assert isinstance(sync_client.execute_command("ECHO", "x"), bytes)
    async_client = endpoint.async_client()
    assert await async_client.ping() is True
    await async_client.aclose()
    with pytest.raises(redis.ResponseError):
        sync_client.execute_command("NO-SUCH-COMMAND")
    sync_client.close()
