"""Invocations that lead nowhere: refused where that is known, else a dead letter; and those without an end."""

from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, FunctionNotFound, RunFailed, RunState
from bgjobs.broker.defaults import MAX_INVOKE_DEPTH
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import live


def shop(*ids: str, deployment: str = "default", version: str = "") -> App:
    """An app with functions that give their own id."""
    app = App("shop", deployment=deployment, version=version)

    def register(id: str) -> None:
        @app.function(id)
        async def body(ctx: Context[Any]) -> str:
            return id

    for each in ids:
        register(each)
    return app


async def test_an_invocation_that_nobody_would_carry_out_is_refused(redis_url: str, namespace: str) -> None:
    """Before anything is written; also of apps that are not there, and of functions that are gone."""
    async with live(shop("mail", "old"), redis_url, namespace) as here:
        for unknown in ("nosuch", "other/mail"):
            with pytest.raises(FunctionNotFound, match=f"No function '.*{unknown}' is registered"):
                await here.client.invoke(unknown)
        assert await here.client.events() == []
        assert await (await here.client.invoke("old")).result(timeout=30) == "old"
    async with live(shop("mail"), redis_url, namespace), AsyncClient(redis_url, namespace=namespace) as client:
        with pytest.raises(FunctionNotFound):
            await client.invoke("shop/old")


async def test_invocations_may_come_before_the_first_worker(redis_url: str, namespace: str) -> None:
    """What its app lacks is a dead letter, which runs when the function has come."""
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as early:
        known, unknown = await early.invoke("mail", {"n": 1}), await early.invoke("later", {"n": 2})
    async with live(shop("mail"), redis_url, namespace) as here:
        assert await here.client.result(known.id, timeout=30) == "mail"
        (letter,) = await until_async(here.client.dead_letters.list)
        assert (letter.kind, letter.error.message) == ("event", "no function 'shop/later' is registered")
        with pytest.raises(RunFailed, match="no function 'shop/later' is registered"):
            await unknown.result(timeout=30)
        info = await unknown.status()
        assert (info.state, info.function, info.dead_letter) == (RunState.FAILED, "shop/later", letter.id)
        assert not await unknown.cancel()
    async with live(shop("mail", "later", version="2"), redis_url, namespace) as here:
        await here.client.dead_letters.retry(letter.id)
        assert await here.client.result(unknown.id, timeout=30) == "later"
        assert await here.client.dead_letters.list() == []


async def test_who_waits_for_an_invocation_is_told_that_its_event_is_bad(
    redis_url: str, namespace: str, raw: Any
) -> None:
    """Also after the dead letter was discarded."""
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as client:
        handle = await client.invoke("mail")
        [(stream_id, fields)] = await raw.xrange(Keys(namespace).events)
        await raw.xdel(Keys(namespace).events, stream_id)
        await raw.xadd(Keys(namespace).events, {**fields, b"d": b"\xc1"})
        async with live(shop("mail"), redis_url, namespace):
            with pytest.raises(RunFailed, match="neither MessagePack nor JSON"):
                await handle.result(timeout=30)
        assert (await handle.status()).state is RunState.FAILED
        [letter] = await client.dead_letters.list()
        await client.dead_letters.discard(letter.id)
        with pytest.raises(RunFailed):
            await handle.result(timeout=30)


async def test_workers_learn_of_new_functions_before_they_judge_invocations(redis_url: str, namespace: str) -> None:
    """R8: a function without triggers changes no trigger's version; its invocations must not pass by old workers."""
    async with live(shop("mail", deployment="web"), redis_url, namespace) as web:
        await (await web.client.invoke("mail")).result(timeout=30)
        async with live(shop("late", deployment="batch"), redis_url, namespace):
            handles = [await web.client.invoke("late", {"n": n}) for n in range(40)]
            assert {await handle.result(timeout=30) for handle in handles} == {"late"}
        assert await web.client.dead_letters.list() == []


async def test_a_function_that_invokes_itself_without_end_is_stopped(redis_url: str, namespace: str) -> None:
    """The chain fails from its end to its beginning, and says why; nothing is left that grows."""
    app = App("shop", retries=0)

    @app.function("again")
    async def again(ctx: Context[Any]) -> None:
        await ctx.step.invoke("deeper", "again", {"level": ctx.event.data["level"] + 1})

    async with live(app, redis_url, namespace) as here:
        handle = await here.client.invoke("again", {"level": 1})
        with pytest.raises(RunFailed, match=f"InvokedTooDeep: The run is {MAX_INVOKE_DEPTH} invocations deep"):
            await handle.result(timeout=30)
        failed = await here.client.list_runs(state=RunState.FAILED, limit=500)
        assert len(failed) == MAX_INVOKE_DEPTH + 1
