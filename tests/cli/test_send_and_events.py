"""`bgjobs send`, `bgjobs events` and `bgjobs signal`."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from bgjobs import Client, RunState
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.waiting import until_async
from tests.worker.live import live


def test_send_answers_what_was_accepted(bgjobs: Shell, client: Client) -> None:
    told = bgjobs("send", "order/created", '{"amount": 5}', "--id", "o1", "--key", "c1", "--json").json
    assert told["name"] == "order/created"
    assert told["event_id"] == "o1"
    assert told["durability"] == "memory"
    event = client.event("o1")
    assert (event.data, event.key, event.stream_id) == ({"amount": 5}, "c1", told["stream_id"])


def test_data_may_come_from_standard_input(bgjobs: Shell, client: Client) -> None:
    bgjobs("send", "order/created", "-", "--id", "o1", stdin='{"note": "für dich"}')
    assert client.event("o1").data == {"note": "für dich"}
    bgjobs("send", "order/created", "--id", "o2")
    assert client.event("o2").data is None


def test_what_the_library_refuses_is_a_wrong_call(bgjobs: Shell, client: Client) -> None:
    answer = bgjobs("send", "bgjobs/run.failed", status=2)
    assert "reserved" in answer.err
    bgjobs("send", "order/created", "--delay", "1h", "--at", "2030-01-01T00:00", status=2)
    bgjobs("send", "order/created", "--durability", "stone", status=2)
    assert client.events() == []


def test_list_newest_first_and_in_pages(bgjobs: Shell) -> None:
    for number in range(5):
        bgjobs("send", "a/b" if number % 2 else "c/d", str(number), "--id", f"e{number}")
    listed = bgjobs("events", "list", "--json").json
    assert [event["id"] for event in listed["events"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert [e["data"] for e in bgjobs("events", "list", "--name", "a/b", "--json").json["events"]] == [3, 1]
    first = bgjobs("events", "list", "--limit", "3", "--json").json
    rest = bgjobs("events", "list", "--limit", "3", "--before", first["next"], "--json").json
    assert [event["id"] for event in rest["events"]] == ["e1", "e0"]
    assert rest["next"] is None
    assert f"More: --before {first['next']}" in bgjobs("events", "list", "--limit", "3").err
    assert bgjobs("events", "list").lines[1].startswith("e4  c/d")


async def test_show_names_the_runs_that_an_event_started(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        receipt = await here.client.send("order/created", {"amount": 5}, id="o1")
        run = receipt.run_id("process-order")
        await here.state(run, RunState.COMPLETED)
        told = (await bgjobs.go("events", "show", "o1", "--json")).json
        assert told["event"]["data"] == {"amount": 5}
        assert [each["id"] for each in told["runs"]] == [run]
        assert run in (await bgjobs.go("events", "show", "o1")).out


def test_an_event_that_does_not_exist(bgjobs: Shell) -> None:
    assert bgjobs("events", "show", "nope", status=1).err.startswith("Error: There is no event 'nope'")


def test_tail_begins_with_the_last_and_goes_on(bgjobs: Shell) -> None:
    for number in range(3):
        bgjobs("send", "a/b", str(number))
    told = bgjobs("events", "tail", "--last", "2", "--count", "2", "--json")
    assert [json.loads(line)["data"] for line in told.lines] == [1, 2]
    assert [line.split("  ")[3] for line in bgjobs("events", "tail", "--count", "3").lines] == ["0", "1", "2"]


async def test_tail_waits_for_what_comes(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        await here.client.send("a/b", "before")
        tailing = asyncio.create_task(bgjobs.go("events", "tail", "-n", "0", "--name", "a/*", "--count", "2", "--json"))
        names = iter(["other/name", "a/b"] * 500)

        async def ended() -> bool:
            await here.client.send(next(names), "after")
            return tailing.done()

        await until_async(ended)
        told = [json.loads(line) for line in (await tailing).lines]
    assert [(event["name"], event["data"]) for event in told] == [("a/b", "after"), ("a/b", "after")]


async def test_a_delayed_event_can_be_rescheduled_and_cancelled(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        await bgjobs.go("send", "order/created", '{"amount": 1}', "--id", "later", "--delay", "1h")

        async def taken() -> bool:
            answer = await bgjobs.go("events", "show", "later", "--name", "order/created", "--json")
            return answer.json["event"]["stream_id"] is None

        await until_async(taken)
        at = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
        assert (await bgjobs.go("events", "reschedule", "later", "--at", at)).out == "Rescheduled.\n"
        assert "due " in (await bgjobs.go("events", "show", "later")).out
        assert (await bgjobs.go("events", "cancel", "later", "--json")).json == {"id": "later", "cancelled": True}
        assert (await bgjobs.go("events", "cancel", "later", "--name", "order/created", status=1)).out.startswith("Too")
        assert await here.client.list_runs() == []


async def test_signal_reaches_who_waits(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        run = (await here.client.send("approval/wanted", id="a1")).run_id("approval")
        await here.state(run, RunState.WAITING)
        nobody = await bgjobs.go("signal", "decide-other", '"no"')
        assert nobody.out == "No run waits for it.\n"
        answer = await bgjobs.go("signal", "decide-a1", '{"by": "ann"}', "--json")
        assert answer.json == {"name": "decide-a1", "resolved": 1, "kept": False}
        assert await here.client.result(run, timeout=30) == {"by": "ann"}
        kept = await bgjobs.go("signal", "decide-a2", '"early"', "--keep", "1h", "--json")
        assert kept.json == {"name": "decide-a2", "resolved": 0, "kept": True}
        late = (await here.client.send("approval/wanted", id="a2")).run_id("approval")
        assert await here.client.result(late, timeout=30) == "early"


def test_an_empty_namespace_has_no_events(bgjobs: Shell) -> None:
    assert bgjobs("events", "list", "--json").json == {"events": [], "next": None}
    assert bgjobs("events", "list").err == "There are no such events.\n"
