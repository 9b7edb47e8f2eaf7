"""Events about runs, for those who name them exactly (R12)."""

from typing import Any

import msgpack

from bgjobs import App, Context, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import live


def shop() -> App:
    app = App("shop", retries=0)

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> str:
        if ctx.event.data == "fail":
            raise ValueError("no")
        if ctx.event.data == "sleep":
            await ctx.step.sleep("long", "1 day")
        return "done"

    return app


async def test_nobody_listens_and_none_is_written(redis_url: str, namespace: str, raw: Any) -> None:
    """A wildcard is no wish for them."""
    app = shop()
    seen: list[str] = []

    @app.function("all", on="*")
    async def everything(ctx: Context[Any]) -> None:
        seen.append(ctx.event.name)

    async with live(app, redis_url, namespace) as here:
        for data in ("ok", "fail"):
            sent = await here.client.send("go", data)
            await until_async(lambda sent=sent: _ended(here, sent.run_id("work")))
        assert await raw.xlen(Keys(namespace).events) == 2
        await until_async(lambda: len(seen) == 2)


async def test_each_end_of_a_run_is_told_once(redis_url: str, namespace: str, raw: Any) -> None:
    """Completed, failed and cancelled, also those of other apps; what such an event starts emits none itself."""
    told: list[tuple[str, dict[str, Any]]] = []
    watcher = App("watcher", retries=0)

    @watcher.function("watch", on=["bgjobs/run.completed", "bgjobs/run.failed", "bgjobs/run.cancelled"])
    async def watch(ctx: Context[Any]) -> None:
        told.append((ctx.event.name, ctx.event.data))
        raise ValueError("a watcher that fails is watched by nobody")

    async with live(shop(), redis_url, namespace) as here, live(watcher, redis_url, namespace) as there:
        runs = [(await here.client.send("go", data)).run_id("work") for data in ("ok", "fail", "sleep")]
        await here.state(runs[2], RunState.WAITING)
        await here.client.cancel(runs[2], reason="enough")
        await until_async(lambda: len(told) == 3)
        by_name = dict(told)
        assert {name.rpartition(".")[2] for name in by_name} == {"completed", "failed", "cancelled"}
        completed, failed, ended = (by_name[f"bgjobs/run.{end}"] for end in ("completed", "failed", "cancelled"))
        assert [each["run"] for each in (completed, failed, ended)] == runs
        assert completed["function"] == "shop/work"
        assert completed["event"]["name"] == "go"
        assert completed["event"]["data"] == "ok"
        assert completed["result"] == "done"
        assert (failed["error"]["type"], failed["error"]["message"]) == ("ValueError", "no")
        assert ended["error"]["message"] == "enough"

        # A replay that fails again is another end of the same run.
        await here.client.replay(runs[1])
        await until_async(lambda: len(told) == 4)

        # Whoever may append events can't make one up.
        forged = {"run": runs[0], "function": "shop/work"}
        for event_id in (f"{runs[0]}:0x", f"{runs[0]}:7", f"{runs[1]}:0", "nothing"):
            fields = {"n": "bgjobs/run.completed", "i": event_id, "d": msgpack.packb(forged)}
            await raw.xadd(Keys(namespace).events, fields)
        last = (await here.client.send("go", "ok")).run_id("work")
        await here.state(last, RunState.COMPLETED)
        await until_async(lambda: len(told) == 5)
        assert told[-1][1]["run"] == last

        async def buried() -> bool:
            return len(await there.client.dead_letters.list(function="watcher/watch")) == 5

        await until_async(buried)


async def _ended(here: Any, run: str) -> bool:
    return bool((await here.client.run(run)).done)
