"""The functions of one app spread over deployments, and functions that come and go with versions."""

from collections import Counter
from typing import Any

import pytest

from bgjobs import App, Context, NewEvent, RunState
from bgjobs.broker.keys import Keys
from bgjobs.broker.stream import wait_for_bell
from bgjobs.worker import bell, committer
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.command_count import CommandCount
from tests.worker.live import live


def deployment(name: str, ran: list[tuple[str, str]], *ids: str, version: str = "", **options: Any) -> App:
    """A deployment of the app "shop" with some functions; it notes which of them ran, and where."""
    app = App("shop", deployment=name, version=version)

    def register(id: str) -> None:
        @app.function(id, on="go", **options)
        async def body(ctx: Context[Any]) -> str:
            ran.append((name, id))
            if ctx.event.data == "sleep":
                await ctx.step.sleep("long", "1 day")
            return name

    for each in ids:
        register(each)
    return app


async def test_runs_go_to_the_workers_that_have_the_function(redis_url: str, namespace: str, raw: Any) -> None:
    """R16: whichever worker ingests the event; nothing fails, and nothing is left in any queue."""
    ran: list[tuple[str, str]] = []
    keys = Keys(namespace)
    async with (
        live(deployment("web", ran, "mail", "log"), redis_url, namespace) as web,
        live(deployment("gpu", ran, "resize"), redis_url, namespace) as gpu,
    ):
        receipts = await web.client.send_many([NewEvent("go", n) for n in range(100)])
        for receipt in receipts:
            assert await web.client.result(receipt.run_id("mail"), timeout=20) == "web"
            assert await web.client.result(receipt.run_id("log"), timeout=20) == "web"
            assert await gpu.client.result(receipt.run_id("resize"), timeout=20) == "gpu"
        infos = [await web.client.run(receipt.run_id("resize")) for receipt in receipts]
        assert {(info.attempt, info.crashes) for info in infos} == {(1, 0)}
        assert await raw.smembers(keys("qm:shop")) <= {b"resize", b"mail", b"log"}
    assert Counter(ran) == {("web", "mail"): 100, ("web", "log"): 100, ("gpu", "resize"): 100}
    assert [key async for key in raw.scan_iter(keys("q:*"))] == []


async def test_workers_hear_at_once_of_a_function_that_gets_a_queue_of_its_own(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R24: they look only when a bell rings here, and listen to the same bells until one of these has rung."""

    async def patient(*arguments: Any) -> str:
        while (rung := await wait_for_bell(*arguments)) is None:
            pass
        return rung

    monkeypatch.setattr(committer, "IDLE_PUMP", 3600.0)
    monkeypatch.setattr(bell, "wait_for_bell", patient)
    ran: list[tuple[str, str]] = []
    async with (
        live(deployment("web", ran, "mail"), redis_url, namespace) as web,
        live(deployment("gpu", ran, "resize"), redis_url, namespace) as gpu,
    ):
        for _ in range(3):
            sent = await web.client.send("go")
            assert await gpu.client.result(sent.run_id("resize"), timeout=30) == "gpu"
            assert await web.client.result(sent.run_id("mail"), timeout=30) == "web"


async def test_a_run_whose_worker_is_away_waits_for_it_and_nobody_spins(
    server_factory: ServerFactory, namespace: str
) -> None:
    """R16: a run whose function no worker has moves once to the function's own queue, and nobody spins."""
    server = server_factory()
    ran: list[tuple[str, str]] = []
    async with live(deployment("gpu", ran, "resize"), server.url, namespace) as gpu:
        sleeping = [(await gpu.client.send("go", "sleep")).run_id("resize") for _ in range(5)]
        for run in sleeping:
            await gpu.state(run, RunState.WAITING)
    ran.clear()
    async with live(deployment("web", ran, "mail"), server.url, namespace) as web:
        fresh = await web.client.send("go")
        assert await web.client.result(fresh.run_id("mail"), timeout=30) == "web"
        web.advance(90_000)  # those that slept are due, in the queue that both deployments read
        for run in [*sleeping, fresh.run_id("resize")]:
            await web.state(run, RunState.QUEUED)

        async def moved() -> bool:
            return await web.worker.broker.client.zcard(web.worker.broker.keys("q:shop:default:resize")) == 6

        await until_async(moved)
        with CommandCount(server.url) as count:
            for _ in range(3):
                await web.client.result((await web.client.send("go")).run_id("mail"), timeout=30)
        assert count.sent < 60, count.by_name
        offset = web.worker.offset_ms
    async with live(deployment("gpu", ran, "resize"), server.url, namespace) as gpu:
        gpu.worker.offset_ms = offset
        for run in [*sleeping, fresh.run_id("resize")]:
            await gpu.state(run, RunState.COMPLETED)


async def test_a_function_removed_by_a_newer_version_is_retired(redis_url: str, namespace: str, raw: Any) -> None:
    """R9: no matching and no cron; its live runs stay and say that there is no worker; it may come back."""
    ran: list[tuple[str, str]] = []
    keys = Keys(namespace)
    old = deployment("web", ran, "keep", "drop", version="1.9")

    @old.function("nightly", cron="0 3 * * *")
    async def nightly(ctx: Context[Any]) -> None: ...

    async with live(old, redis_url, namespace) as here:
        sleeping = (await here.client.send("go", "sleep")).run_id("drop")
        await here.state(sleeping, RunState.WAITING)
        assert len(await raw.zrange(keys("cr"), 0, -1)) == 1

    async with live(deployment("web", ran, "keep", version="1.10"), redis_url, namespace) as here:
        assert await raw.zrange(keys("cr"), 0, -1) == []
        ran.clear()
        sent = await here.client.send("go")
        assert await here.client.result(sent.run_id("keep"), timeout=30) == "web"
        assert [run.function for run in await here.client.runs(sent)] == ["shop/keep"]
        here.advance(90_000)
        await here.state(sleeping, RunState.QUEUED)
        assert ("web", "drop") not in ran
        offset = here.worker.offset_ms

        # An older worker that starts late changes nothing (R9).
        async with live(old, redis_url, namespace) as late:
            late.worker.offset_ms = offset
            again = await here.client.send("go")
            assert await here.client.result(again.run_id("keep"), timeout=30) == "web"
            assert [run.function for run in await here.client.runs(again)] == ["shop/keep"]
            assert await raw.zrange(keys("cr"), 0, -1) == []

    async with live(deployment("web", ran, "keep", "drop", version="1.11"), redis_url, namespace) as here:
        here.worker.offset_ms = offset
        assert await here.client.result(sleeping, timeout=30) == "web"
        sent = await here.client.send("go")
        assert await here.client.result(sent.run_id("drop"), timeout=30) == "web"


async def test_a_function_that_another_deployment_has_is_not_retired(redis_url: str, namespace: str) -> None:
    """R9: it is gone when it is retired in every deployment; moving it from one to another loses nothing."""
    ran: list[tuple[str, str]] = []
    async with live(deployment("web", ran, "mail", "resize", version="1"), redis_url, namespace):
        pass
    async with live(deployment("gpu", ran, "resize", version="1"), redis_url, namespace):
        pass
    async with live(deployment("web", ran, "mail", version="2"), redis_url, namespace) as web:
        sent = await web.client.send("go")
        assert await web.client.result(sent.run_id("mail"), timeout=30) == "web"
        await web.state(sent.run_id("resize"), RunState.QUEUED)
        async with live(deployment("gpu", ran, "resize", version="1"), redis_url, namespace):
            assert await web.client.result(sent.run_id("resize"), timeout=30) == "gpu"
        async with live(deployment("gpu", ran, "other", version="2"), redis_url, namespace):
            sent = await web.client.send("go")
            assert await web.client.result(sent.run_id("other"), timeout=30) == "gpu"
            assert sorted(run.function for run in await web.client.runs(sent)) == ["shop/mail", "shop/other"]


async def test_equal_content_bumps_nothing(server_factory: ServerFactory, namespace: str) -> None:
    """R9, R8: a restart of the same version makes no running worker match again."""
    server = server_factory()
    ran: list[tuple[str, str]] = []
    async with live(deployment("web", ran, "mail", concurrency=5), server.url, namespace) as here:
        keys, raw = here.worker.broker.keys, here.worker.broker.client
        await here.client.result((await here.client.send("go")).run_id("mail"), timeout=30)
        before = await raw.hgetall(keys("fv:shop")), await raw.hgetall(keys("lm"))
        async with live(deployment("web", ran, "mail", concurrency=5), server.url, namespace):
            pass
        assert (await raw.hgetall(keys("fv:shop")), await raw.hgetall(keys("lm"))) == before
        with CommandCount(server.url) as count:
            await here.client.result((await here.client.send("go")).run_id("mail"), timeout=30)
            assert count.by_name["HGETALL"] == 0, count.by_name
        async with live(deployment("web", ran, "mail", "new"), server.url, namespace):
            sent = await here.client.send("go")
            assert await here.client.result(sent.run_id("new"), timeout=30) == "web"
            assert await raw.hgetall(keys("fv:shop")) != before[0]
