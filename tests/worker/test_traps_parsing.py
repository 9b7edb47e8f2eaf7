"""Parse errors that use up no attempt: whatever can't be read fails what it belongs to, a bounded number of times."""

from typing import Any

import pytest

from bgjobs import App, Context, NonRetriable, RunState
from bgjobs.broker.errors import BgjobsError
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import live

BROKEN = b"\xc1"  # never used in MessagePack


@pytest.mark.parametrize("broken", ["checkpoint", "payload"])
async def test_a_record_that_cannot_be_read(redis_url: str, namespace: str, raw: Any, broken: str) -> None:
    """The run fails, with an attempt for each try at it; the worker goes on with others."""
    app = App("shop")
    bodies: list[int] = []

    @app.function("work", on="go", retries=1, backoff=1)
    async def work(ctx: Context[Any]) -> Any:
        first = await ctx.step.run("first", lambda: bodies.append(1))
        await ctx.step.sleep("pause", "1 hour")
        return [ctx.event.data, first]

    keys = Keys(namespace)
    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go", {"n": 1})).run_id("work")
        await here.state(run, RunState.WAITING)
        match broken:
            case "checkpoint":
                await raw.hset(keys.steps(run), "c:first", BROKEN)
            case "payload":
                fields = await raw.hgetall(keys.run(run))
                if b"d" in fields:
                    await raw.hset(keys.run(run), "d", BROKEN)
                else:
                    await raw.hset(keys("e:" + fields[b"e"].decode()), "d", BROKEN)
        here.advance(3_601)
        await until_async(lambda: _waits_or_ended(here.client, run))
        here.advance(7_200)
        info = await here.state(run, RunState.FAILED)
        assert info.attempt <= 2
        assert len(await here.client.dead_letters.list()) == 1
        assert bodies == [1], "a finished step never runs again"
        other = (await here.client.send("go")).run_id("work")
        await here.state(other, RunState.WAITING)


async def _waits_or_ended(client: Any, run: str) -> bool:
    info = await client.run(run)
    return info.state in (RunState.FAILED, RunState.WAITING)


async def test_a_pending_step_that_cannot_be_read(redis_url: str, namespace: str, raw: Any) -> None:
    """It makes no reply unreadable, which would stop every worker that leases the run, for ever."""
    app = App("shop")

    @app.function("work", on="go", retries=0)
    async def work(ctx: Context[Any]) -> str:
        await ctx.step.sleep("pause", "1 hour")
        return "done"

    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("go")).run_id("work")
        await here.state(run, RunState.WAITING)
        await raw.hset(Keys(namespace).steps(run), "p:other", BROKEN)
        here.advance(3_601)
        assert await here.client.result(run, timeout=30) == "done"


async def test_a_namespace_that_was_agreed_on_otherwise(redis_url: str, namespace: str, raw: Any) -> None:
    """R5: a worker that disagrees about shards or schema refuses to start, before it writes anything."""
    await raw.hset(Keys(namespace).conf, mapping={"shards": 4, "schema": 1})
    app = App("shop")
    with pytest.raises(BgjobsError, match="shard count 4"):
        async with live(app, redis_url, namespace):
            raise NonRetriable("it started")
    assert [key async for key in raw.scan_iter(Keys(namespace)("*"))] == []
