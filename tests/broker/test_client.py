"""The synchronous client against a real server."""

import asyncio
import multiprocessing
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from bgjobs.broker import ids
from bgjobs.broker.client import Client
from bgjobs.broker.errors import (
    DeadLetterNotFound,
    DurabilityUnavailable,
    EventNotFound,
    InvalidEvent,
    NamespaceMismatch,
    NotSerialisable,
    ResultTimeout,
    RunNotFound,
    ScheduleNotFound,
    UsageError,
)
from bgjobs.broker.event import NewEvent
from bgjobs.broker.receipt import Receipt
from tests.broker.producing import entries


@pytest.fixture
def client(redis_url: str, namespace: str) -> Any:
    with Client(redis_url, namespace=namespace, app="shop") as made:
        yield made


def test_an_event_is_stored_as_documented(client: Client, redis_url: str, namespace: str) -> None:
    receipt = client.send("order/created", {"amount": 5}, key="c1")
    (event,) = entries(redis_url, namespace)
    assert event == {
        "at": receipt.stream_id,
        "n": "order/created",
        "i": receipt.event_id,
        "g": "1",
        "d": {"amount": 5},
        "k": "c1",
    }
    assert receipt.durability == "memory"


def test_a_receipt_names_its_runs(client: Client) -> None:
    class Function:
        key = "shop/f"

    receipt = client.send("order/created", id="o-1")
    expected = ids.run_id("shop/f", ids.event_key("order/created", "o-1"))
    assert receipt.run_id("shop/f") == receipt.run_id("f") == receipt.run_id(Function()) == expected


def test_a_bare_function_id_needs_an_app(redis_url: str, namespace: str) -> None:
    with Client(redis_url, namespace=namespace) as client, pytest.raises(UsageError, match="without its app"):
        client.send("a/b").run_id("f")


def test_delays_count_from_the_servers_clock(client: Client, redis_url: str, namespace: str) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    with redis.Redis.from_url(redis_url) as raw:
        seconds, micros = raw.time()  # type: ignore[misc]
    client.send("a/b", delay="1 minute")
    client.send("a/b", at=moment)
    client.send("a/b", at=1.0)
    first, second, third = entries(redis_url, namespace)
    accepted = int(first["at"].partition("-")[0])
    assert seconds * 1000 + micros // 1000 + 60_000 <= int(first["t"]) <= accepted + 60_001
    assert abs(int(second["t"]) - moment.timestamp() * 1000) <= 1
    assert "t" not in third


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("bad name",), {}),
        (("a/b", {"x": object()}), {}),
        (("a/b", "x" * 600_000), {}),
        (("a/b",), {"delay": "2 years"}),
        (("a/b",), {"id": ""}),
        (("a/b",), {"durability": "perhaps"}),
    ],
)
def test_nothing_is_written_of_what_is_refused(
    client: Client, redis_url: str, namespace: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        client.send(*arguments, **options)
    assert entries(redis_url, namespace) == []


def test_a_bad_item_of_a_bulk_fails_alone(client: Client, redis_url: str, namespace: str) -> None:
    outcome = client.send_many(
        [
            NewEvent("a/b", {"n": 1}, id="one"),
            NewEvent("a/b", {"n": object()}),
            NewEvent("", 1),
            NewEvent("a/b", {"n": 2}),
            "no event",  # type: ignore[list-item]
        ]
    )
    assert [type(each) for each in outcome] == [Receipt, NotSerialisable, InvalidEvent, Receipt, InvalidEvent]
    assert (len(outcome), outcome.accepted) == (5, 2)
    first = outcome[0]
    assert isinstance(first, Receipt)
    assert (first.event_id, first.run_id("f")) == ("one", first.run_id("shop/f"))
    assert isinstance(outcome[-2], Receipt)
    assert len(outcome[1:3]) == 2
    with pytest.raises(NotSerialisable, match=r"data\.n") as raised:
        outcome.raise_for_errors()
    assert "3 of 5 events" in raised.value.__notes__[0]
    assert [event["d"] for event in entries(redis_url, namespace)] == [{"n": 1}, {"n": 2}]


def test_bulks_keep_their_order_and_have_a_limit(client: Client, redis_url: str, namespace: str) -> None:
    outcome = client.send_many(NewEvent("a/b", number) for number in range(1_203))
    assert outcome.accepted == 1_203
    outcome.raise_for_errors()
    stored = entries(redis_url, namespace)
    assert [event["d"] for event in stored] == list(range(1_203))
    assert [receipt.stream_id for receipt in outcome if isinstance(receipt, Receipt)] == [e["at"] for e in stored]
    with pytest.raises(UsageError, match="5,001 events"):
        client.send_many([NewEvent("a/b")] * 5_001)
    assert client.send_many([]).accepted == 0


def test_a_namespace_is_agreed_on_once(client: Client, redis_url: str, namespace: str) -> None:
    """R5: whoever disagrees refuses to work."""
    client.send("a/b")
    raw = redis.Redis.from_url(redis_url)
    conf = f"bgjobs:{{{namespace}}}:conf"
    assert raw.hgetall(conf) == {b"shards": b"1", b"schema": b"1"}
    raw.hset(conf, "shards", 16)
    raw.close()
    client.send("a/b")  # looked at when a client connects
    with Client(redis_url, namespace=namespace) as newcomer, pytest.raises(NamespaceMismatch, match="shard count 16"):
        newcomer.send("a/b")


def test_namespaces_see_nothing_of_each_other(client: Client, redis_url: str, namespace: str) -> None:
    with Client(redis_url, namespace=f"{namespace}-b") as other:
        other.send("a/b")
    assert entries(redis_url, namespace) == []


def test_invoke_and_its_handle(client: Client, redis_url: str, namespace: str) -> None:
    handle = client.invoke("f", {"x": 1}, id="req-1")
    again = client.invoke("shop/f", {"x": 1}, id="req-1")
    other = client.invoke("shop/g", {"x": 1}, id="req-1")
    assert handle.id == again.id != other.id
    first, *_ = entries(redis_url, namespace)
    assert (first["n"], first["f"], first["d"]) == ("bgjobs/invoke", "shop/f", {"x": 1})
    assert handle.id == ids.run_id("shop/f", ids.event_key(first["n"], first["i"]))
    status = handle.status()
    assert (status.state, status.function, status.id) == ("pending", "shop/f", handle.id)
    with pytest.raises(ResultTimeout, match="is pending after"):
        handle.result(timeout=0.02)


def test_what_is_not_there(client: Client) -> None:
    unknown = ids.run_id("shop/f", ids.event_key("a/b", "never"))
    for run in (unknown, "", "nonsense"):
        for ask in (client.run, client.result, client.cancel, client.steps, client.replay):
            with pytest.raises(RunNotFound):
                ask(run)
    with pytest.raises(EventNotFound):
        client.event("nothing")
    with pytest.raises(DeadLetterNotFound):
        client.dead_letters.get("1-1")
    with pytest.raises(ScheduleNotFound):
        client.schedules.pause("nothing")
    assert client.schedules.delete("nothing") is False
    assert client.dead_letters.discard("1-1") is False
    assert (client.list_runs(), client.events(), client.dead_letters.list(), client.functions()) == ([], [], [], [])


def test_an_accepted_event_that_nobody_ingested_is_pending(client: Client) -> None:
    receipt = client.send("a/b")
    assert client.run(receipt.run_id("shop/f")).state == "pending"


def test_events_are_found_again(client: Client) -> None:
    sent = [client.send("a/b", number, id=f"id-{number}") for number in range(5)] + [client.send("c/d", key="k")]
    assert [event.id for event in client.events()] == [receipt.event_id for receipt in reversed(sent)]
    assert [event.data for event in client.events(name="a/*", limit=2)] == [4, 3]
    page = client.events(limit=2)
    assert [event.id for event in client.events(before=page[-1].stream_id, limit=1)] == ["id-3"]
    for receipt in sent:
        assert client.event(receipt.event_id).stream_id == receipt.stream_id
        assert client.event(receipt.event_id, name=receipt.name).name == receipt.name
    assert client.event(sent[-1].event_id).key == "k"


@pytest.mark.parametrize("durability", ["fsync", "replicas=1"])
def test_what_the_server_cannot_promise_is_refused_before_the_append(
    client: Client, redis_url: str, namespace: str, durability: str
) -> None:
    with pytest.raises(DurabilityUnavailable):
        client.send("a/b", durability=durability)
    with pytest.raises(DurabilityUnavailable):
        client.send_many([NewEvent("a/b")], durability=durability)
    assert entries(redis_url, namespace) == []


def test_schedules_are_made_changed_and_deleted(client: Client) -> None:
    made = client.schedules.create("daily", cron="0 8 * * *", event="report/due", data={"a": 1}, tz="Europe/Berlin")
    assert (made.cron, made.every, made.tz, made.paused) == ("0 8 * * *", None, "Europe/Berlin", False)
    client.schedules.create("often", every="5m", event="tick/due", missed="skip")
    assert [each.id for each in client.schedules.list()] == ["daily", "often"]
    assert client.schedules.get("often").every == 300
    assert client.schedules.pause("daily") is True
    assert client.schedules.pause("daily") is False
    assert client.schedules.get("daily").paused is True
    assert client.schedules.resume("daily") is True
    client.schedules.create("daily", cron="0 9 * * *", event="report/due")
    assert client.schedules.get("daily").cron == "0 9 * * *"
    assert client.schedules.run_now("often").name == "tick/due"
    assert client.schedules.delete("daily") is True
    assert [each.id for each in client.schedules.list()] == ["often"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cron": "0 8 * * *", "every": 5},
        {},
        {"cron": "0 25 * * *"},
        {"cron": "* * * * * *"},
        {"every": 0.5},
        {"cron": "@daily", "tz": "Mars/Olympus"},
        {"cron": "@daily", "missed": "some"},
        {"cron": "@daily", "event": "bad name"},
    ],
)
def test_wrong_schedules_are_refused(client: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        client.schedules.create("x", **{"event": "a/b", **wrong})
    assert client.schedules.list() == []


@pytest.mark.parametrize("limit", [-1, 0, True, 2.5, "all"])
def test_lists_of_no_length_are_refused(client: Client, limit: Any) -> None:
    for ask in (client.list_runs, client.events, client.dead_letters.list, client.controls.audit_log):
        with pytest.raises(UsageError, match="limit="):
            ask(limit=limit)


def test_threads_share_a_client(client: Client, redis_url: str, namespace: str) -> None:
    def work(number: int) -> None:
        for turn in range(25):
            client.send("a/b", [number, turn])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [tuple(event["d"]) for event in entries(redis_url, namespace)]
    assert sorted(stored) == [(number, turn) for number in range(16) for turn in range(25)]


def test_it_works_inside_a_running_loop(client: Client, redis_url: str, namespace: str) -> None:
    async def handler() -> None:
        client.send("a/b")

    asyncio.run(handler())
    assert len(entries(redis_url, namespace)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_gets_connections_of_its_own(client: Client, redis_url: str, namespace: str) -> None:
    """No reply meant for the parent may reach the child, nor the other way round."""
    client.send("parent/before")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_send_many, args=(client, number)) for number in range(3)]
    for child in children:
        child.start()
    mine = [client.send("parent/during", number).event_id for number in range(100)]
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    stored = entries(redis_url, namespace)
    assert [event["i"] for event in stored if event["n"] == "parent/during"] == mine
    assert len({event["i"] for event in stored}) == len(stored) == 1 + 100 + 3 * 100


def _send_many(client: Client, number: int) -> None:
    for turn in range(100):
        event_id = f"{number}-{turn}"
        assert client.send("child/during", id=event_id).event_id == event_id
