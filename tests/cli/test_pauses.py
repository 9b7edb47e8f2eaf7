"""`bgjobs functions pause|resume|pauses`, `bgjobs queues` and `bgjobs audit-log`, beside a real worker."""

from bgjobs import RunState
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.worker.live import live


async def test_pause_a_function_and_a_queue(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        done = await bgjobs.go("functions", "pause", "echo", "--reason", "too loud", "--actor", "ada")
        assert done.out == "shop/echo is paused.\n"
        assert (await bgjobs.go("functions", "pause", "shop/echo")).out == "shop/echo was paused already.\n"
        held = await here.client.invoke("shop/echo", 1)
        await here.state(held.id, RunState.QUEUED)
        assert "shop/echo  paused" in (await bgjobs.go("functions", "list")).out
        (row,) = [
            each for each in (await bgjobs.go("functions", "list", "--json")).json["functions"] if each["id"] == "echo"
        ]
        assert row["paused"]
        assert "1 parked, by ada" in (await bgjobs.go("functions", "show", "echo")).out
        (pause,) = (await bgjobs.go("functions", "pauses", "--json")).json["pauses"]
        assert (pause["what"], pause["parked"], pause["reason"]) == ("function shop/echo", 1, "too loud")
        assert "too loud" in (await bgjobs.go("functions", "pauses")).out
        assert (await bgjobs.go("functions", "resume", "echo", "--json")).json["resumed"]
        assert await held.result(10) == 1
        assert (await bgjobs.go("functions", "pauses")).err == "Nothing is paused.\n"

        await bgjobs.go("queues", "pause", "shop:default")
        held = await here.client.invoke("shop/echo", 2)
        await here.state(held.id, RunState.QUEUED)
        assert "paused, 1 parked" in (await bgjobs.go("queues", "list")).out
        (queue,) = (await bgjobs.go("queues", "list", "--json")).json["queues"]
        assert (queue["name"], queue["paused"], queue["parked"]) == ("shop:default", True, 1)
        await bgjobs.go("queues", "resume", "shop:default")
        assert await held.result(10) == 2
        refused = await bgjobs.go("queues", "pause", "shop:nothing", status=1)
        assert "bgjobs functions list" in refused.err

        changes = (await bgjobs.go("audit-log", "--json")).json["changes"]
        assert [each["verb"] for each in changes] == ["resume", "pause", "resume", "pause"]
        assert changes[-1]["actor"] == "ada"
        page = await bgjobs.go("audit-log", "--limit", "1", "--before", changes[2]["id"])
        assert "too loud" in page.lines[1]


async def test_a_key_is_named_by_its_path(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace):
        refused = await bgjobs.go("functions", "pause", "echo", "--value", "42", status=2)
        assert "Concurrency(100, key=" in refused.err
