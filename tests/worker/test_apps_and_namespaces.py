"""Several apps on one namespace, and several namespaces on one server."""

from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, NewEvent, RunNotFound, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import Live, live

Seen = list[tuple[str, str]]


def listener(app_id: str, seen: Seen, *, id: str = "listen", on: str = "order/*") -> App:
    """An app with one function that notes what it got."""
    app = App(app_id)

    @app.function(id, on=on)
    async def listen(ctx: Context[Any]) -> str:
        seen.append((app_id, ctx.event.id))
        return app_id

    return app


async def caught_up(here: Live, raw: Any, app: str) -> None:
    """Wait until the app has ingested all there is."""

    async def done() -> bool:
        groups = await raw.xinfo_groups(here.worker.broker.keys.events)
        return any(each["name"] == app.encode() and each["lag"] == each["pending"] == 0 for each in groups)

    await until_async(done)


async def test_every_app_receives_every_event(redis_url: str, namespace: str) -> None:
    """R1: equal function ids in two apps make two runs, which know nothing of each other."""
    seen: Seen = []
    async with (
        live(listener("shop", seen), redis_url, namespace) as shop,
        live(listener("mail", seen), redis_url, namespace) as mail,
    ):
        receipts = await shop.client.send_many([NewEvent("order/created", {"n": n}) for n in range(50)])
        for receipt in receipts:
            assert await shop.client.result(receipt.run_id("shop/listen"), timeout=30) == "shop"
            assert await mail.client.result(receipt.run_id("mail/listen"), timeout=30) == "mail"
        ids = [receipt.event_id for receipt in receipts]
    assert sorted(seen) == sorted([("mail", each) for each in ids] + [("shop", each) for each in ids])


async def test_an_app_that_comes_later_begins_at_the_end_or_as_asked(
    redis_url: str, namespace: str, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """R3: the first app begins at the oldest event there is, a later one at what comes, or with `--start-at begin`.

    The log says which.
    """
    caplog.set_level("INFO", "bgjobs.worker")
    seen: Seen = []
    async with AsyncClient(redis_url, namespace=namespace) as client:
        early = await client.send("order/created")
    async with live(listener("first", seen), redis_url, namespace) as first:
        await until_async(lambda: ("first", early.event_id) in seen)
        async with (
            live(listener("later", seen), redis_url, namespace) as later,
            live(listener("asked", seen), redis_url, namespace, start_at="begin") as asked,
        ):
            late = await first.client.send("order/changed")
            for here, app in ((first, "first"), (later, "later"), (asked, "asked")):
                await caught_up(here, raw, app)
                await until_async(lambda app=app: (app, late.event_id) in seen)
    assert ("asked", early.event_id) in seen
    assert ("later", early.event_id) not in seen
    assert len(seen) == len(set(seen)) == 5
    assert "app first reads events from the beginning: the first app here begins at the oldest event" in caplog.text
    assert "app later reads events from now on: a new app begins at the end" in caplog.text
    assert "app asked reads events from the beginning: as asked" in caplog.text


async def test_events_sent_while_an_app_has_no_worker_wait_for_it(redis_url: str, namespace: str) -> None:
    """R3: its place in the stream stays; another app does not wait for it."""
    seen: Seen = []
    async with live(listener("shop", seen), redis_url, namespace):
        pass
    async with live(listener("mail", seen), redis_url, namespace, start_at="begin") as mail:
        sent = await mail.client.send("order/created")
        await until_async(lambda: seen)
        assert (await mail.client.run(sent.run_id("shop/listen"))).state == "pending"
    async with live(listener("shop", seen), redis_url, namespace):
        await until_async(lambda: len(seen) == 2)
    assert seen == [("mail", sent.event_id), ("shop", sent.event_id)]


async def test_an_app_that_lags_ends_no_wait_of_another(redis_url: str, namespace: str, raw: Any) -> None:
    """R26: a wait sees what its own app ingests after it; an older event, ingested late elsewhere, is not meant."""
    shop = App("shop")

    @shop.function("next", on="order/updated")
    async def wait_for_next(ctx: Context[Any]) -> Any:
        following = await ctx.step.wait_for_event("next", "order/updated", match="data.order", timeout="1h")
        return following.data["n"] if following else None

    async with live(listener("slow", []), redis_url, namespace):
        pass  # it is registered, and lags from now on
    async with live(shop, redis_url, namespace, start_at="begin") as here:
        run = (await here.client.send("order/updated", {"order": 7, "n": 1})).run_id("next")
        await here.state(run, RunState.WAITING)
        async with live(listener("slow", []), redis_url, namespace) as slow:
            await caught_up(slow, raw, "slow")
        assert (await here.client.run(run)).state is RunState.WAITING
        await here.client.send("order/updated", {"order": 7, "n": 2})
        assert await here.client.result(run, timeout=30) == 2


async def test_namespaces_see_nothing_of_each_other(redis_url: str, namespace: str, raw: Any) -> None:
    """The same app twice on one server: events, runs, signals, invocations, schedules and dead letters stay apart."""
    one, two = namespace, f"{namespace}x"

    def app(seen: Seen) -> App:
        app = listener("shop", seen)

        @app.function("approve", on="approval/asked")
        async def approve(ctx: Context[Any]) -> Any:
            return await ctx.step.wait_for_signal("yes", "approved")

        @app.function("fail", on="fail", retries=0)
        async def fail(ctx: Context[Any]) -> None:
            raise ValueError("no")

        return app

    left: Seen = []
    right: Seen = []
    async with live(app(left), redis_url, one) as here, live(app(right), redis_url, two) as there:
        asked = await here.client.send("approval/asked", id="same")
        also = await there.client.send("approval/asked", id="same")
        assert asked.run_id("approve") == also.run_id("approve"), "ids are made from the same things"
        await here.state(asked.run_id("approve"), RunState.WAITING)
        await there.state(also.run_id("approve"), RunState.WAITING)
        assert await until_async(lambda: here.client.signal("approved", "here")) == 1
        assert await here.client.result(asked.run_id("approve"), timeout=30) == "here"
        assert (await there.client.run(also.run_id("approve"))).state is RunState.WAITING

        failed = await here.client.send("fail")
        await here.state(failed.run_id("fail"), RunState.FAILED)
        await here.client.schedules.create("hourly", every="1h", event="order/hourly")
        handle = await here.client.invoke("listen", {"n": 1})
        await handle.result(timeout=30)
        await here.client.send("order/created")
        await until_async(lambda: len(left) == 2)

        assert await there.client.dead_letters.list() == []
        assert await there.client.schedules.list() == []
        assert [event.name for event in await there.client.events()] == ["approval/asked"]
        assert [run.function for run in await there.client.list_runs()] == ["shop/approve"]
        with pytest.raises(RunNotFound):
            await there.client.run(failed.run_id("fail"))
        assert await there.client.cancel(also.run_id("approve"))
        assert (await here.client.run(asked.run_id("approve"))).state is RunState.COMPLETED
    assert right == []
    known = tuple(begin for each in (Keys(one), Keys(two)) for begin in (each.prefix, each.conf))
    assert [key async for key in raw.scan_iter(f"*{one}*") if not key.decode().startswith(known)] == []
