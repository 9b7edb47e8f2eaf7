"""Why a run does not go on: each situation has its reason, who is ahead, and when it goes on if that can be told."""

import asyncio
import time
from typing import Any

from bgjobs import App, Client, Context, Explanation, HoldReason, RunState
from tests.waiting import until_async
from tests.worker.live import Live, live


def app(gate: asyncio.Event, *functions: str, version: str = "1", **options: Any) -> App:
    made = App("shop", version=version)
    for name in functions:

        @made.function(name, on=name, **options)
        async def body(ctx: Context[Any]) -> None:
            await ctx.step.sleep("nap", "1h")
            await gate.wait()

    return made


async def why(here: Live, run: str) -> tuple[HoldReason, str, Explanation]:
    told = await here.client.why(run)
    assert told.run_id == run
    return told.holds[0].reason, told.summary, told


async def test_its_event_is_not_ingested(redis_url: str, namespace: str) -> None:
    """No worker was ever there, or none reads; it tells how many events go first."""
    gate = asyncio.Event()
    with Client(redis_url, namespace=namespace, app="shop") as client:
        run = client.send("work").run_id("work")
        told = client.why(run)
        assert (told.state, told.holds[0].reason) == ("pending", HoldReason.NOT_INGESTED)
        assert told.holds[1].reason == HoldReason.NO_WORKER
        async with live(app(gate, "work"), redis_url, namespace) as here:
            await here.state(run, RunState.WAITING)
        runs = [client.send("work", n).run_id("work") for n in range(3)]
        for place, each in enumerate(runs):
            told = client.why(each)
            assert told.function == "shop/work"
            assert told.summary == (
                f"its event is not ingested yet; {place} events are read before it; no worker of shop is alive"
            )


async def test_its_event_is_delayed(redis_url: str, namespace: str) -> None:
    gate = asyncio.Event()
    async with live(app(gate, "work"), redis_url, namespace) as here:
        begun = time.time()
        run = (await here.client.send("work", delay="1h")).run_id("work")

        async def moved() -> bool:
            return (await here.client.why(run)).holds[0].reason == HoldReason.DELAYED

        await until_async(moved)
        told = await here.client.why(run)
        assert told.state == "pending"
        assert told.expected is not None
        assert not told.estimated
        assert begun - 0.01 <= told.expected.timestamp() - 3600 <= time.time() + 0.01


async def test_no_worker_has_the_function(redis_url: str, namespace: str) -> None:
    """R9: a newer version lacks it: its live run stays, and says so."""
    gate = asyncio.Event()
    async with live(app(gate, "keep", "drop"), redis_url, namespace) as here:
        run = (await here.client.send("drop")).run_id("drop")
        await here.state(run, RunState.WAITING)
        assert (await why(here, run))[0] == HoldReason.SLEEP
    async with live(app(gate, "keep", version="2"), redis_url, namespace, offset_ms=3_700_000) as here:
        await here.state(run, RunState.QUEUED)
        text = "no worker has shop/drop: the newest version of the app lacks it"
        assert (await why(here, run))[:2] == (HoldReason.NO_FUNCTION, text)
    assert (await why(here, run))[:2] == (HoldReason.NO_WORKER, "no worker of shop is alive")
    back = app(gate, "drop", version="3")

    @back.function("other", queue="other")
    async def other(ctx: Context[Any]) -> None: ...

    async with live(back, redis_url, namespace, queues=("other",)) as here:
        text = "no worker that has shop/drop serves the queue default"
        assert (await why(here, run))[:2] == (HoldReason.NOT_SERVED, text)


async def test_others_are_ahead(redis_url: str, namespace: str) -> None:
    """In the queue of a full worker; no run has shown yet how long they take."""
    gate = asyncio.Event()
    async with live(app(gate, "work"), redis_url, namespace, concurrency=2) as here:
        runs = [(await here.client.send("work", n)).run_id("work") for n in range(5)]
        for run in runs:
            await here.state(run, RunState.WAITING)
        here.advance(3700)
        await until_async(lambda: here.worker.running == 2)
        told = [await here.client.why(run) for run in runs]
        queued = [each for each in told if each.state == RunState.QUEUED]
        assert sorted(each.summary for each in queued) == [
            f"{n} runs are ahead of it in its queue; the workers have room for 2 and run 2" for n in range(3)
        ]
        assert {each.holds[0].reason for each in queued} == {HoldReason.READY}
        assert sorted(each.holds[0].ahead or 0 for each in queued) == [0, 1, 2]
        assert all(each.expected is None for each in queued)
        gate.set()
        for run in runs:
            await here.state(run, RunState.COMPLETED)


async def test_it_sleeps_and_waits(redis_url: str, namespace: str) -> None:
    """Each pending step with its name and due time; the next to be due comes first."""
    made = App("shop")

    @made.function("nap", on="go")
    async def nap(ctx: Context[Any]) -> None:
        await ctx.step.sleep("rest", "2h")

    @made.function("listen", on="go")
    async def listen(ctx: Context[Any]) -> None:
        await ctx.step.wait_for_event("paid", "order/paid", match="event.data.order", timeout="3h")

    @made.function("approve", on="go")
    async def approve(ctx: Context[Any]) -> None:
        await ctx.step.wait_for_signal("decision", "decide-1", timeout="4h")

    @made.function("ask", on="go")
    async def ask(ctx: Context[Any]) -> None:
        await ctx.step.invoke("child", "nap", timeout="5h")

    @made.function("many", on="go")
    async def many(ctx: Context[Any]) -> None:
        await asyncio.gather(ctx.step.sleep("long", "2h"), ctx.step.wait_for_signal("soon", "s", timeout="1h"))

    async with live(made, redis_url, namespace) as here:
        receipt = await here.client.send("go", {"order": 7})
        runs = {name: receipt.run_id(name) for name in made.functions}
        for run in runs.values():
            await here.state(run, RunState.WAITING)
        expected = {
            "nap": (HoldReason.SLEEP, "it sleeps (step rest)", 2),
            "listen": (
                HoldReason.EVENT,
                "it waits for an event order/paid with its own value at event.data.order (step paid)",
                3,
            ),
            "approve": (HoldReason.SIGNAL, 'it waits for the signal "decide-1" (step decision)', 4),
            "many": (
                HoldReason.SIGNAL,
                'it waits for the signal "s" (step soon); it sleeps (step long)',
                1,
            ),
        }
        for name, (reason, text, hours) in expected.items():
            told = await here.client.why(runs[name])
            assert (told.holds[0].reason, told.summary) == (reason, text)
            assert told.expected == told.holds[0].due
            assert told.since is not None
            assert told.expected is not None
            assert round((told.expected - told.since).total_seconds() / 3600) == hours
        told = await here.client.why(runs["ask"])
        (child,) = told.holds[0].holders
        assert (told.holds[0].reason, child.function, child.state) == (HoldReason.CHILD, "shop/nap", "waiting")
        assert child.run_id in told.summary


async def test_it_backs_off(redis_url: str, namespace: str) -> None:
    """After a failed attempt and after a failed step; the story has each of them with its error."""
    made = App("shop")

    async def pay() -> None:
        raise ConnectionError("the bank is closed")

    @made.function("pays", on="go", backoff="1h")
    async def pays(ctx: Context[Any]) -> None:
        await ctx.step.run("pay", pay)

    @made.function("breaks", on="go", backoff="1h")
    async def breaks(ctx: Context[Any]) -> None:
        raise ValueError("not yet")

    async with live(made, redis_url, namespace) as here:
        receipt = await here.client.send("go")
        step, run = receipt.run_id("pays"), receipt.run_id("breaks")
        await here.state(step, RunState.WAITING)
        await here.state(run, RunState.WAITING)
        told = await here.client.why(step)
        text = "the step pay failed; the next try comes after a back-off"
        assert (told.holds[0].reason, told.summary) == (HoldReason.BACKOFF, text)
        assert [each.what for each in told.history] == ["created", "started", "step failed"]
        failed = told.history[-1]
        assert (failed.step, failed.attempt, failed.text) == ("pay", 1, "ConnectionError: the bank is closed")
        told = await here.client.why(run)
        text = "its attempt 1 failed; the next one comes after a back-off"
        assert (told.holds[0].reason, told.summary) == (HoldReason.BACKOFF, text)
        here.advance(3700)

        async def twice() -> bool:
            return len((await here.client.why(run)).history) == 5

        await until_async(twice)
        told = await here.client.why(run)
        assert [(each.what, each.attempt) for each in told.history] == [
            ("created", None),
            ("started", 1),
            ("attempt failed", 1),
            ("started", 2),
            ("attempt failed", 2),
        ]
        times = [each.time.timestamp() for each in told.history if each.time]
        assert times == sorted(times)
        assert times[-1] - times[2] > 3_600
