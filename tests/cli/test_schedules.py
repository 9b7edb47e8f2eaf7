"""`bgjobs schedules`."""

from datetime import UTC, datetime
from typing import Any

from bgjobs import Client
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.waiting import until_async
from tests.worker.live import live


async def test_the_life_of_a_schedule(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace):
        made = await bgjobs.go(
            "schedules", "create", "nightly", "--event", "order/created", "--data", '{"amount": 1}',
            "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--missed", "skip", "--json",
        )  # fmt: skip
        assert made.json["cron"] == "0 3 * * *"
        assert datetime.fromisoformat(made.json["next"]).astimezone(UTC).hour in (1, 2)

        async def computed() -> Any:
            told = (await bgjobs.go("schedules", "show", "nightly", "--json")).json
            return told if told["next"] else None

        told = await until_async(computed)
        assert (told["tz"], told["missed"], told["data"], told["paused"]) == (
            "Europe/Berlin",
            "skip",
            {"amount": 1},
            False,
        )
        assert datetime.fromisoformat(told["next"]).astimezone(UTC).hour in (1, 2)
        listed = await bgjobs.go("schedules", "list")
        assert listed.lines[1].startswith("nightly  0 3 * * * Europe/Berlin  order/created  in ")

        assert (await bgjobs.go("schedules", "pause", "nightly")).out == "nightly  paused\n"
        assert "paused" in (await bgjobs.go("schedules", "show", "nightly")).out
        assert (await bgjobs.go("schedules", "pause", "nightly")).out == "It was paused already.\n"
        assert (await bgjobs.go("schedules", "resume", "nightly", "--json")).json == {"id": "nightly", "resumed": True}

        sent = (await bgjobs.go("schedules", "run", "nightly", "--json")).json
        assert (await bgjobs.go("events", "show", sent["event_id"], "--json")).json["event"]["data"] == {"amount": 1}

        assert (await bgjobs.go("schedules", "delete", "nightly")).out == "nightly  deleted\n"
        await bgjobs.go("schedules", "delete", "nightly", status=1)
        assert (await bgjobs.go("schedules", "list", "--json")).json == {"schedules": []}


def test_an_interval(bgjobs: Shell, client: Client) -> None:
    told = bgjobs("schedules", "create", "often", "--event", "a/b", "--every", "90s", "--json").json
    assert (told["every"], told["cron"], told["last"]) == (90.0, None, None)
    begun = client.schedules.get("often")
    assert begun.next == datetime.fromisoformat(told["next"])  # known before a worker has looked at it
    assert "every 1m 30s" in bgjobs("schedules", "list").out
    assert client.schedules.get("often").event == "a/b"


def test_mistakes_are_named(bgjobs: Shell) -> None:
    answer = bgjobs("schedules", "create", "x", "--event", "a/b", "--cron", "0 25 * * *", status=2)
    assert "hour" in answer.err
    answer = bgjobs("schedules", "create", "x", "--event", "a/b", "--cron", "@daily", "--tz", "Mars/Base", status=2)
    assert "Mars/Base" in answer.err
    assert "There is no schedule 'x'" in bgjobs("schedules", "show", "x", status=1).err
    assert "There is no schedule 'x'" in bgjobs("schedules", "run", "x", status=1).err
