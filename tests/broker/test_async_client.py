"""The client for event loops against a real server."""

import asyncio
import gc
import threading
from typing import Any

import pytest
import redis
import redis.asyncio

from bgjobs.broker.async_client import AsyncClient
from bgjobs.broker.errors import EventNotFound, NotSerialisable, ResultTimeout, RunNotFound, ScheduleNotFound
from bgjobs.broker.event import NewEvent
from tests.broker.producing import entries


@pytest.fixture
async def client(redis_url: str, namespace: str) -> Any:
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as made:
        yield made


async def test_send_and_look(client: AsyncClient, redis_url: str, namespace: str) -> None:
    receipt = await client.send("order/created", {"amount": 5}, delay="1h", key="k", id="o-1")
    (event,) = entries(redis_url, namespace)
    assert (event["i"], event["k"], event["d"]) == ("o-1", "k", {"amount": 5})
    assert (await client.event("o-1")).stream_id == receipt.stream_id
    assert (await client.run(receipt.run_id("f"))).state == "pending"
    assert [each.id for each in await client.events()] == ["o-1"]
    await client.ping()


async def test_bulk(client: AsyncClient, redis_url: str, namespace: str) -> None:
    outcome = await client.send_many([NewEvent("a/b", number) for number in range(700)] + [NewEvent("a/b", object())])
    assert outcome.accepted == 700
    with pytest.raises(NotSerialisable):
        outcome.raise_for_errors()
    assert [event["d"] for event in entries(redis_url, namespace)] == list(range(700))


async def test_a_thousand_concurrent_sends_need_one_connection(
    client: AsyncClient, redis_url: str, namespace: str
) -> None:
    await client.send("warm/up")
    raw = redis.Redis.from_url(redis_url)
    before = raw.info("stats")["total_connections_received"]  # type: ignore[index]
    receipts = await asyncio.gather(*[client.send("a/b", number) for number in range(1_000)])
    after = raw.info("stats")["total_connections_received"]  # type: ignore[index]
    raw.close()
    assert after == before
    stored = {event["i"]: event["d"] for event in entries(redis_url, namespace) if event["n"] == "a/b"}
    assert [stored[receipt.event_id] for receipt in receipts] == list(range(1_000))


async def test_cancelled_sends_mix_up_no_replies(client: AsyncClient, redis_url: str, namespace: str) -> None:
    """A cancelled task must not leave its reply to the next one (a trap others fell into)."""
    await client.send("warm/up")
    for turn in range(60):
        tasks = [asyncio.create_task(client.send("a/b", id=f"{turn}-{number}")) for number in range(6)]
        for _ in range(turn % 7):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        receipts = await asyncio.gather(*tasks, return_exceptions=True)
        for number, receipt in enumerate(receipts):
            if not isinstance(receipt, BaseException):
                stored = await client.event(f"{turn}-{number}")
                assert receipt.event_id == stored.id
                assert receipt.stream_id == stored.stream_id or not isinstance(receipts[number - 1], BaseException)
    found = [event for event in entries(redis_url, namespace) if event["n"] == "a/b"]
    for turn in range(60):
        for number in (1, 3, 5):
            assert [event["i"] for event in found].count(f"{turn}-{number}") >= 1


def test_one_client_on_one_loop_after_the_other(redis_url: str, namespace: str) -> None:
    client = AsyncClient(redis_url, namespace=namespace)

    async def main(number: int) -> None:
        for _ in range(3):
            await client.send("a/b", number)
        await client.aclose()

    for number in range(3):
        asyncio.run(main(number))
    assert [event["d"] for event in entries(redis_url, namespace)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_loops_that_end_without_goodbye_leave_no_connections(redis_url: str, namespace: str) -> None:
    """A script that calls asyncio.run for every event must not collect sockets."""
    client = AsyncClient(redis_url, namespace=namespace)

    async def main() -> int:
        await client.send("a/b")
        raw = redis.asyncio.Redis.from_url(redis_url)
        connected = (await raw.info("clients"))["connected_clients"]
        await raw.aclose()
        return int(connected)

    before = asyncio.run(main())
    for _ in range(30):
        asyncio.run(main())
    gc.collect()
    assert asyncio.run(main()) <= before + 5


def test_one_client_on_loops_in_several_threads(redis_url: str, namespace: str) -> None:
    client = AsyncClient(redis_url, namespace=namespace)

    async def main(number: int) -> None:
        await asyncio.gather(*[client.send("a/b", [number, turn]) for turn in range(50)])
        await client.aclose()

    threads = [threading.Thread(target=asyncio.run, args=(main(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = sorted(tuple(event["d"]) for event in entries(redis_url, namespace))
    assert stored == [(number, turn) for number in range(4) for turn in range(50)]


async def test_handles(client: AsyncClient) -> None:
    handle = await client.invoke("f", {"x": 1})
    assert (await handle.status()).state == "pending"
    with pytest.raises(ResultTimeout):
        await handle.result(timeout=0.02)


async def test_what_is_not_there(client: AsyncClient) -> None:
    with pytest.raises(RunNotFound):
        await client.result("00" + "0" * 24, timeout=30)
    with pytest.raises(EventNotFound):
        await client.runs("nothing")
    with pytest.raises(ScheduleNotFound):
        await client.schedules.get("nothing")
    assert await client.dead_letters.list() == []
    assert await client.signal("nobody-waits") == 0


async def test_uvloop_too(redis_url: str, namespace: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    client = AsyncClient(redis_url, namespace=namespace)

    async def main() -> None:
        await asyncio.gather(*[client.send("a/b") for _ in range(20)])
        await client.aclose()

    await asyncio.to_thread(lambda: uvloop.run(main()))
    assert len(entries(redis_url, namespace)) == 20
