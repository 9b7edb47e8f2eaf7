"""Rate limits and idempotency keys on real workers: what is dropped is counted, and says why."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bgjobs import App, Context, Idempotency, NewEvent, RateLimit, RunDropped, RunState, StepFailed
from tests.waiting import until_async
from tests.worker.live import Live, live


def dropped(registry: CollectorRegistry, function: str, reason: str) -> float:
    labels = {"app": "shop", "function": function, "reason": reason}
    return registry.get_sample_value("bgjobs_events_dropped_total", labels) or 0.0


async def ingested(here: Live, events: int) -> None:
    """Wait until the worker has taken so many events from the stream."""

    def done() -> bool:
        return (here.metrics.registry.get_sample_value("bgjobs_events_ingested_total", {"app": "shop"}) or 0) >= events

    await until_async(done)


async def test_rate_limit_counts_are_exact(redis_url: str, namespace: str) -> None:
    """Two workers take 400 events of 4 customers: ten of each run, the other 360 are counted."""
    app, bodies = App("shop"), list[str]()

    @app.function("mail", on="seen", rate_limit=RateLimit(10, "1 hour", key="event.data.customer"))
    async def mail(ctx: Context[Any]) -> None:
        bodies.append(ctx.event.data["customer"])

    async with live(app, redis_url, namespace) as one, live(app, redis_url, namespace) as two:
        await one.client.send_many([NewEvent("seen", {"customer": f"c{n % 4}"}) for n in range(400)])
        registries = [each.metrics.registry for each in (one, two)]
        await until_async(lambda: sum(dropped(each, "mail", "rate_limit") for each in registries) == 360)
        await until_async(lambda: len(bodies) == 40)
        assert {customer: bodies.count(customer) for customer in set(bodies)} == {f"c{n}": 10 for n in range(4)}


async def test_a_dropped_run_says_why(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("mail", on="seen", rate_limit=RateLimit(1, "1 hour"))
    async def mail(ctx: Context[Any]) -> None: ...

    async with live(app, redis_url, namespace) as here:
        first, second = await here.client.send("seen"), await here.client.send("seen")
        await here.state(first.run_id("mail"), RunState.COMPLETED)
        await ingested(here, 2)
        info = await here.client.run(second.run_id("mail"))
        assert (info.state, info.dropped_by, info.function, info.event_id, info.done) == (
            "dropped",
            "rate_limit",
            "shop/mail",
            second.event_id,
            True,
        )
        with pytest.raises(RunDropped, match="the rate limit of shop/mail had no room"):
            await here.client.result(second.run_id("mail"))
        assert "had no room" in (await here.client.why(second.run_id("mail"))).summary
        assert [run.state for run in await here.client.runs(second)] == ["dropped"]
        assert await here.client.cancel(second.run_id("mail")) is False
        handle = await here.client.invoke("shop/mail")
        with pytest.raises(RunDropped):
            await handle.result("30s")
        assert (await handle.status()).state == "dropped"
        here.advance(3601)
        third = await here.client.send("seen")
        await here.state(third.run_id("mail"), RunState.COMPLETED)


async def test_a_duplicate_names_the_first_run_even_if_that_failed(redis_url: str, namespace: str) -> None:
    """R41, with a key in CEL: not released by a failure."""
    app = App("shop")

    @app.function(
        "charge", on="placed", retries=0, idempotency=Idempotency("event.data.shop + '/' + event.data.order", "1 hour")
    )
    async def charge(ctx: Context[Any]) -> None:
        raise ValueError("no")

    async with live(app, redis_url, namespace) as here:
        first = await here.client.send("placed", {"shop": "a", "order": "1"})
        await here.state(first.run_id("charge"), RunState.FAILED)
        again = await here.client.send("placed", {"shop": "a", "order": "1"})
        other = await here.client.send("placed", {"shop": "a", "order": "2"})
        keyless = await here.client.send_many([NewEvent("placed", {"shop": "a"}), NewEvent("placed", {"shop": "a"})])
        for receipt in (other, *keyless):
            await here.state(receipt.run_id("charge"), RunState.FAILED)
        info = await here.client.run(again.run_id("charge"))
        assert (info.state, info.dropped_by, info.instead) == ("dropped", "idempotency", first.run_id("charge"))


async def test_an_invoked_function_that_drops_fails_the_step(redis_url: str, namespace: str) -> None:
    """R32: at once, with the reason."""
    app = App("shop")

    @app.function("child", rate_limit=RateLimit(1, "1 hour"))
    async def child(ctx: Context[Any]) -> str:
        return "ran"

    @app.function("parent", on="go")
    async def parent(ctx: Context[Any]) -> list[str]:
        said = [await ctx.step.invoke("a", "shop/child")]
        try:
            await ctx.step.invoke("b", "shop/child")
        except StepFailed as failed:
            said += [failed.type, failed.message]
        return said

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("go")
        result = await here.client.result(sent.run_id("parent"), timeout="30s")
        assert result == ["ran", "RunDropped", "shop/child did not run: rate_limit"]
        assert dropped(here.metrics.registry, "child", "rate_limit") == 1


async def test_dropped_ticks_are_counted(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("mail", cron="* * * * *", on="seen", rate_limit=RateLimit(1, "1 day"))
    async def mail(ctx: Context[Any]) -> None: ...

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("seen")
        await here.state(sent.run_id("mail"), RunState.COMPLETED)
        here.advance(61)
        await until_async(lambda: dropped(here.metrics.registry, "mail", "rate_limit") >= 1)


async def test_delayed_events_count_when_they_are_due(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("mail", on="seen", rate_limit=RateLimit(1, "10 minutes"))
    async def mail(ctx: Context[Any]) -> None: ...

    async with live(app, redis_url, namespace) as here:
        late = await here.client.send("seen", delay="1 hour")
        early = await here.client.send("seen")
        await here.state(early.run_id("mail"), RunState.COMPLETED)
        here.advance(3601)
        await asyncio.wait_for(here.state(late.run_id("mail"), RunState.COMPLETED), 20)
