"""What clients see of real runs: lists, steps, results, replays, dead letters, delayed events."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, AsyncClient, Context, NonRetriable, RunState
from bgjobs.broker.errors import EventNotFound, RunCancelled, RunFailed, RunNotFound, UsageError
from bgjobs.broker.event import NewEvent
from tests.waiting import until_async
from tests.worker.live import live


async def test_states_from_accepted_to_completed(redis_url: str, namespace: str) -> None:
    app = App("shop")
    go = asyncio.Event()

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> dict[str, Any]:
        first = await ctx.step.run("first", lambda: {"n": 1})
        await ctx.progress(50, "half")
        await go.wait()
        return {"first": first, "data": ctx.event.data}

    async with live(app, redis_url, namespace) as here:
        receipt = await here.client.send("go", {"a": 1}, key="k")
        run = receipt.run_id("work")
        await here.state(run, RunState.RUNNING)
        await until_async(lambda: _progress(here, run))
        running = await here.client.run(run)
        assert (running.function, running.app, running.event_name, running.event_id) == (
            "shop/work", "shop", "go", receipt.event_id,
        )  # fmt: skip
        assert running.worker is not None
        assert running.progress is not None
        assert (running.progress.percent, running.progress.message) == (50, "half")
        assert [each.id for each in await here.client.list_runs(state=RunState.RUNNING)] == [run]
        (step,) = await here.client.steps(run)
        assert (step.state, step.result, step.attempt) == ("completed", {"n": 1}, 1)
        go.set()
        assert await here.client.result(run, timeout=30) == {"first": {"n": 1}, "data": {"a": 1}}
        done = await here.client.run(run)
        assert (done.state, done.attempt, done.worker, done.error) == (RunState.COMPLETED, 1, None, None)
        assert done.created is not None
        assert done.started is not None
        assert done.finished is not None
        assert done.created <= done.started <= done.finished
        assert [each.id for each in await here.client.runs(receipt)] == [run]
        assert [each.id for each in await here.client.runs(receipt.event_id)] == [run]
        assert await here.client.runs(receipt.event_id, name="another") == []
        (function,) = await here.client.functions()
        assert (function.key, function.workers) == ("shop/work", 1)


async def _progress(here: Any, run: str) -> bool:
    return (await here.client.run(run)).progress is not None


async def test_lists_go_from_page_to_page(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("even", on="even")
    async def even(ctx: Context[Any]) -> Any:
        return ctx.event.data

    @app.function("odd", on="odd")
    async def odd(ctx: Context[Any]) -> None:
        raise NonRetriable("odd")

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many(NewEvent("odd" if number % 2 else "even", number) for number in range(60))
        runs = {each.run_id(each.name) for each in sent}  # type: ignore[union-attr]
        await until_async(lambda: _finished(here, 60))
        seen: list[str] = []
        before = None
        while page := await here.client.list_runs(limit=7, before=before):
            seen += [run.id for run in page]
            before = page[-1].id
        assert len(seen) == 60
        assert set(seen) == runs
        assert len(await here.client.list_runs(function="even")) == 30
        failed = await here.client.list_runs(state=RunState.FAILED, function="odd", limit=10)
        assert len(failed) == 10
        assert all(run.state is RunState.FAILED and run.error and run.error.message == "odd" for run in failed)
        assert await here.client.list_runs(state=RunState.FAILED, function="even") == []
        with pytest.raises(RunNotFound):
            await here.client.list_runs(before="00" + "0" * 24)


async def _finished(here: Any, count: int) -> bool:
    runs = await here.client.list_runs(limit=1000)
    return len(runs) == count and all(run.done for run in runs)


async def test_a_failed_run_is_replayed_from_its_failed_step(redis_url: str, namespace: str) -> None:
    """R44: same run, same keys; what was checkpointed stays."""
    app = App("shop")
    broken = True
    calls: list[str] = []

    def charge() -> str:
        calls.append("charge")
        return "c1"

    def fulfil() -> str:
        calls.append("fulfil")
        if broken:
            raise NonRetriable("the database is down")
        return "f1"

    @app.function("order", on="order", retries=0)
    async def order(ctx: Context[Any]) -> list[str]:
        return [await ctx.step.run("charge", charge), await ctx.step.run("fulfil", fulfil)]

    async with live(app, redis_url, namespace) as here:
        receipt = await here.client.send("order", {"a": 1})
        run = receipt.run_id("order")
        with pytest.raises(RunFailed, match="the database is down") as raised:
            await here.client.result(run, timeout=30)
        assert raised.value.error is not None
        assert raised.value.error.step is not None
        (letter,) = await here.client.dead_letters.list()
        assert (letter.kind, letter.run_id, letter.function, letter.event_name) == ("run", run, "shop/order", "order")
        assert "the database is down" in letter.error.message
        assert (await here.client.dead_letters.get(letter.id)).error.traceback
        assert await here.client.dead_letters.list(function="order", error="database") == [letter]
        assert await here.client.dead_letters.list(error="something else") == []
        assert await here.client.dead_letters.list(older_than="1h") == []
        states = {step.key.partition("/")[0].partition("#")[0]: step.state for step in await here.client.steps(run)}
        assert sorted(states.values()) == ["completed", "failed"]

        broken = False
        assert await here.client.dead_letters.retry(letter.id) == run
        assert await here.client.result(run, timeout=30) == ["c1", "f1"]
        assert calls == ["charge", "fulfil", "fulfil"]
        info = await here.client.run(run)
        assert (info.replays, info.error) == (1, None)
        assert await here.client.dead_letters.list() == []
        with pytest.raises(UsageError, match="is completed; only a failed run"):
            await here.client.replay(run)

        again = await here.client.replay(run, from_start=True, token="t1")
        assert again == await here.client.replay(run, from_start=True, token="t1")
        assert again != run
        assert await here.client.result(again, timeout=30) == ["c1", "f1"]
        assert (await here.client.run(again)).replay_of == run
        assert calls.count("charge") == 2


async def test_a_dead_letter_is_sent_to_another_function_with_other_data(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("picky", on="go", retries=0)
    async def picky(ctx: Context[Any]) -> None:
        raise NonRetriable("no")

    @app.function("tolerant")
    async def tolerant(ctx: Context[Any]) -> Any:
        return ctx.event.data

    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send_many(NewEvent("go", {"a": number, "b": 1}) for number in range(3))
        for receipt in sent:
            with pytest.raises(RunFailed):
                await here.client.result(receipt.run_id("picky"), timeout=30)  # type: ignore[union-attr]
        letters = await here.client.dead_letters.list()
        assert len(letters) == 3
        run = await here.client.dead_letters.retry(letters[0].id, to="tolerant", data={"b": 2})
        assert await here.client.result(run, timeout=30) == {"a": 2, "b": 2}
        assert await here.client.dead_letters.discard(letters[1].id) is True
        assert len((await here.client.dead_letters.retry_all(function="picky")).retried) == 1
        await until_async(lambda: _letters(here, 1))
        assert await here.client.dead_letters.purge(error="no") == 1
        assert await here.client.dead_letters.list() == []


async def _letters(here: Any, count: int) -> bool:
    return len(await here.client.dead_letters.list()) == count


async def test_cancel(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("sleeps", on="go")
    async def sleeps(ctx: Context[Any]) -> None:
        await ctx.step.sleep("long", "3 days")

    async with live(app, redis_url, namespace) as here:
        handle = await here.client.invoke("sleeps")
        run = (await here.client.send("go")).run_id("sleeps")
        await here.state(run, RunState.WAITING)
        (step,) = await here.client.steps(run)
        assert (step.kind, step.state) == ("sleep", "waiting")
        assert step.due is not None
        assert await here.client.cancel(run, reason="not wanted") is True
        assert await here.client.cancel(run) is False
        with pytest.raises(RunCancelled, match="not wanted"):
            await here.client.result(run, timeout=30)
        assert await handle.cancel() is True  # waits for the ingest if need be
        assert (await handle.status()).state == RunState.CANCELLED


async def test_one_event_under_one_id_makes_one_run(redis_url: str, namespace: str) -> None:
    """R2: supplied ids for 24 h; generated ones sent again by their sender."""
    app = App("shop")
    ran: list[Any] = []

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> None:
        ran.append(ctx.event.data)

    async with live(app, redis_url, namespace) as here:
        for turn in range(3):
            await here.client.send("go", turn, id="order-1")
        generated = await here.client.send("go", "first")
        await here.client.send("go", "again", id=generated.event_id)
        last = await here.client.send("go", "last")
        await here.client.result(last.run_id("work"), timeout=30)
        await until_async(lambda: len(ran) == 3)
    assert ran == [0, "first", "last"]


async def test_delayed_events(redis_url: str, namespace: str) -> None:
    """R51: until its time comes an event can be found, cancelled and moved."""
    app = App("shop")
    ran: list[Any] = []

    @app.function("work", on="later")
    async def work(ctx: Context[Any]) -> None:
        ran.append(ctx.event.data)

    async with live(app, redis_url, namespace) as here:
        client = here.client
        kept, cancelled, moved = [await client.send("later", number, delay="2 days") for number in range(3)]
        assert await client.cancel_event(cancelled.event_id) is True
        assert await client.cancel_event(cancelled.event_id, name="later") is False
        assert await client.reschedule_event(moved.event_id, delay="10 days", name="later") is True
        event = await client.event(moved.event_id)
        assert event.due is not None
        assert event.data == 2
        assert (await client.run(moved.run_id("work"))).state == "pending"
        assert (await client.run(kept.run_id("work"))).state == "pending"
        with pytest.raises(EventNotFound):
            await client.cancel_event("unknown")
        here.advance(3 * 86_400)
        await client.result(kept.run_id("work"), timeout=30)
        assert ran == [0]
        assert await client.cancel_event(kept.event_id, name="later") is False
        here.advance(8 * 86_400)
        await client.result(moved.run_id("work"), timeout=30)
    assert ran == [0, 2]


async def test_an_unknown_run_is_told_from_one_that_will_come(redis_url: str, namespace: str) -> None:
    app = App("shop")

    @app.function("work", on="go")
    async def work(ctx: Context[Any]) -> None: ...

    async with live(app, redis_url, namespace) as here:
        receipt = await here.client.send("go")
        await here.client.result(receipt.run_id("work"), timeout=30)
        with pytest.raises(RunNotFound):
            await here.client.run(receipt.run_id("another"))
    async with AsyncClient(redis_url, namespace=namespace, app="shop") as client:
        receipt = await client.send("go")  # nobody ingests it now
        assert (await client.run(receipt.run_id("work"))).state == "pending"
        with pytest.raises(RunNotFound):
            await client.run(receipt.run_id("another"))
        with pytest.raises(RunNotFound):
            await client.result(receipt.run_id("another"), timeout=30)


async def test_steps_tell_how_often_they_were_tried_and_that_their_run_has_ended(
    redis_url: str, namespace: str
) -> None:
    """The last try counts; what an ended run leaves behind is neither waiting nor tried again."""
    app = App("shop", backoff=60)

    @app.function("order", on="go")
    async def order(ctx: Context[Any]) -> None:
        def no() -> None:
            raise ValueError("no")

        if ctx.event.data == "fails":
            await ctx.step.with_options(retries=1).run("fails", no)
        await asyncio.gather(ctx.step.sleep("nap", "1h"), ctx.step.run("again", no))

    async with live(app, redis_url, namespace) as here:
        failing = (await here.client.send("go", "fails")).run_id("order")
        waiting = (await here.client.send("go")).run_id("order")
        await here.state(waiting, RunState.WAITING)
        found = {step.key: (step.state, step.attempt) for step in await here.client.steps(waiting)}
        assert found == {"nap": ("waiting", 1), "again": ("retrying", 2)}
        await here.client.cancel(waiting)
        left = await here.client.steps(waiting)  # the sleep's record is removed soon, the failed step's is kept
        assert {(step.state, step.attempt, step.due) for step in left} == {("unfinished", 1, None)}
        await here.state(failing, RunState.WAITING)
        here.advance(100)
        await here.state(failing, RunState.FAILED)
        [step] = await here.client.steps(failing)
        assert (step.state, step.attempt, step.error and step.error.attempt) == ("failed", 2, 2)
