"""Waiting for disk or replicas: what was reached is in the receipt."""

import pytest
import redis

from bgjobs.broker import durability
from bgjobs.broker.async_client import AsyncClient
from bgjobs.broker.client import Client
from bgjobs.broker.errors import ConfigurationError, DurabilityUnavailable, UsageError
from bgjobs.broker.event import NewEvent
from bgjobs.broker.receipt import Receipt
from tests.broker.producing import entries
from tests.servers import ServerFactory, binary
from tests.waiting import until


def test_reading() -> None:
    assert durability.parse(None).plain
    assert durability.parse("fsync").disk
    assert durability.parse("replicas=2").replicas == 2
    for wrong in ("", "disk", "replicas=0", "replicas=", "replicas=100", "FSYNC"):
        with pytest.raises(UsageError):
            durability.parse(wrong)


async def test_fsync(server_factory: ServerFactory) -> None:
    server = server_factory(appendonly="yes", appendfsync="everysec")
    with Client(server.url, durability="fsync") as client:
        if " 7.0" in str(binary()):
            with pytest.raises(DurabilityUnavailable, match="has no WAITAOF"):
                client.send("a/b")
            assert entries(server.url, "default") == []
            return
        receipt = client.send("a/b")
        assert receipt.durability == "fsync"
        assert client.send("a/b", durability="memory").durability == "memory"
        (bulk,) = client.send_many([NewEvent("a/b")])
        assert isinstance(bulk, Receipt)
        assert bulk.durability == "fsync"
    async with AsyncClient(server.url) as async_client:
        assert (await async_client.send("a/b", durability="fsync")).durability == "fsync"
    assert len(entries(server.url, "default")) == 4


def test_replicas(server_factory: ServerFactory) -> None:
    primary = server_factory(tcp=True)
    replica = server_factory(tcp=True)
    host, port = primary.url.removeprefix("redis://").partition("/")[0].split(":")
    follower = redis.Redis.from_url(replica.url)
    follower.replicaof(host, port)
    until(lambda: follower.info("replication")["master_link_status"] == "up", timeout=30)  # type: ignore[index]
    follower.close()
    with Client(primary.url, timeout=2) as client:
        assert client.send("a/b", durability="replicas=1").durability == "replicas=1"
        with pytest.raises(DurabilityUnavailable, match="the server has 1 connected replicas"):
            client.send("a/b", durability="replicas=2")
    assert len(entries(primary.url, "default")) == 1


def test_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGJOBS_DURABILITY", "eternal")
    with pytest.raises((ConfigurationError, UsageError), match="eternal"):
        Client("redis://127.0.0.1:1")
