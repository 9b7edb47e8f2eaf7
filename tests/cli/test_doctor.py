"""`bgjobs doctor` against real servers and workers."""

from typing import Any

from bgjobs import RunState
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.servers import ServerFactory
from tests.worker.live import live


def problems(told: dict[str, Any]) -> list[str]:
    return [f"{check['topic']}: {check['what']}" for check in told["checks"] if check["judgement"] == "problem"]


def test_a_new_server_is_fine(bgjobs: Shell, redis_url: str) -> None:
    told = bgjobs("doctor", "--json").json
    assert told["redis"] in (redis_url, redis_url.replace("unix://", "unix:"))
    assert told["problems"] == 0 == len(problems(told))
    assert {check["topic"] for check in told["checks"]} >= {"server", "clock", "memory", "workers", "timers"}
    assert "No problem found." in bgjobs("doctor").out


async def test_a_healthy_app(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace):
        told = (await bgjobs.go("doctor", "--json")).json
        assert problems(told) == []
        assert any(check["what"].startswith("1 alive") for check in told["checks"])


async def test_an_app_without_workers(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        asleep = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(asleep, RunState.WAITING)
    answer = await bgjobs.go("doctor", "--json", status=1)
    assert problems(answer.json) == [
        f"app shop: No worker runs, so its {len(shop().functions)} functions start nothing."
    ]
    drawn = await bgjobs.go("doctor", status=1)
    assert "✗ app shop" in drawn.out
    assert "→ Start one (bgjobs worker MODULE:APP)" in drawn.out


def test_a_server_that_may_lose_work(server_factory: ServerFactory, bgjobs: Shell) -> None:
    server = server_factory(maxmemory="100mb", maxmemory_policy="allkeys-lru", appendonly="no", save="")
    told = bgjobs("doctor", "--redis", server.url, "--json", status=1).json
    (found,) = problems(told)
    assert "allkeys-lru" in found
    hints = [check["what"] for check in told["checks"] if check["judgement"] == "hint"]
    assert any("keeps nothing on disk" in hint for hint in hints)


def test_another_schema(server_factory: ServerFactory, bgjobs: Shell, namespace: str) -> None:
    """R5."""
    import redis

    server = server_factory()
    with redis.Redis.from_url(server.url) as raw:
        raw.hset(f"bgjobs:{{{namespace}}}:conf", mapping={"shards": "1", "schema": "99"})
    told = bgjobs("doctor", "--redis", server.url, "--json", status=1).json
    assert problems(told) == ["namespace: It was written with schema 99; this bgjobs has 1."]
