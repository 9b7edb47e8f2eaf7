"""What stands in the stream: typed events, duplicates, entries that others wrote; and when too much is ready."""

import asyncio
import time
from typing import Any

import msgpack
import pytest

from bgjobs import App, AsyncClient, Context, EventModel, NewEvent, RunState, SyncContext, event
from bgjobs.broker.errors import EventNotFound
from bgjobs.broker.keys import Keys
from bgjobs.worker.ingester import Ingester
from bgjobs.worker.metrics import WorkerMetrics
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.live import Live, live


class OrderCreated(EventModel, name="order/created"):
    amount: int
    customer: str = "anyone"


def ran(app: App, id: str, seen: list[Any], **options: Any) -> None:
    """A function that notes the data it got."""

    @app.function(id, **options)
    async def note(ctx: Context[Any]) -> None:
        seen.append(ctx.event.data)


async def test_a_typed_event_is_checked_at_receipt(redis_url: str, namespace: str) -> None:
    """What others sent may not fit: a dead letter at once, whose error names the field and no code of ours."""
    app = App("shop")
    seen: list[Any] = []
    ran(app, "typed", seen, on=OrderCreated, retries=5)

    @app.function("sync", on=[OrderCreated, "order/other"], retries=5)
    def sync(ctx: SyncContext[Any]) -> None:
        seen.append(ctx.event.data)

    async with live(app, redis_url, namespace) as here:
        good = await here.client.send(OrderCreated(amount=5))
        await here.state(good.run_id("typed"), RunState.COMPLETED)
        await here.state(good.run_id("sync"), RunState.COMPLETED)
        assert seen == [OrderCreated(amount=5)] * 2
        bad = await here.client.send("order/created", {"amount": "a lot", "card": "4242-4242"})
        for function in ("typed", "sync"):
            info = await here.state(bad.run_id(function), RunState.FAILED)
            assert info.attempt == 1
            assert info.error is not None
            assert info.error.type.endswith("EventValidationError")
            assert "data.amount" in info.error.message
            assert "a lot" not in info.error.message + info.error.traceback
            assert "bgjobs/" not in info.error.traceback
            assert "worker/" not in info.error.traceback
        assert len(seen) == 2
        letters = await here.client.dead_letters.list()
        assert {(letter.function, letter.attempts) for letter in letters} == {("shop/typed", 1), ("shop/sync", 1)}
        untyped = await here.client.send("order/other", {"amount": "a lot"})
        await here.state(untyped.run_id("sync"), RunState.COMPLETED)


async def test_the_same_id_makes_one_run(redis_url: str, namespace: str) -> None:
    """R2: in one batch and later, from two clients and in bulk; on another event name it is another event."""
    app = App("shop")
    seen: list[Any] = []
    ran(app, "listen", seen, on=["order/created", "order/changed"])
    async with (
        live(app, redis_url, namespace) as here,
        AsyncClient(redis_url, namespace=namespace, app="shop") as second,
    ):
        first = await here.client.send("order/created", "first", id="o-1")
        again = await second.send("order/created", "second", id="o-1")
        await here.client.send_many([NewEvent("order/created", "bulk", id="o-1") for _ in range(20)])
        other = await second.send("order/changed", "other name", id="o-1")
        assert first.run_id("listen") == again.run_id("listen") != other.run_id("listen")
        await until_async(lambda: len(seen) == 2)
        await second.send("order/created", "after its run ended", id="o-1")
        last = await here.client.send("order/created", "last")
        await here.state(last.run_id("listen"), RunState.COMPLETED)
        assert _count(here.metrics, "bgjobs_events_duplicate_total") == 22
    assert sorted(seen) == ["first", "last", "other name"]


async def test_any_language_may_append_events(redis_url: str, namespace: str, raw: Any) -> None:
    """R14: an entry without an id takes its place in the stream for one; each of them is an event of its own."""
    app = App("shop")
    seen: list[Any] = []
    ran(app, "listen", seen, on="order/created")
    stream = Keys(namespace).events
    async with live(app, redis_url, namespace) as here:
        data = msgpack.packb({"n": 1})
        entries = [await raw.xadd(stream, {"n": "order/created", "d": data}) for _ in range(3)]
        await raw.xadd(stream, {"n": "order/created", "d": '{"n": 2}'})
        await raw.xadd(stream, {"n": "order/created"})
        await until_async(lambda: len(seen) == 5)
        for entry in entries:
            [run] = await here.client.runs(entry.decode(), name="order/created")
            assert run.event_id == entry.decode()
    assert seen.count({"n": 1}) == 3
    assert {"n": 2} in seen
    assert None in seen


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "with priorities"])
async def test_ingest_pauses_above_so_many_ready_runs(redis_url: str, namespace: str, raw: Any, plain: bool) -> None:
    """R13: what this worker can't execute counts, too; events wait in the stream, and go on when runs are done."""
    app = App("shop")
    gate = asyncio.Event()
    waiting: list[int] = []

    @app.function("slow", on="slow", priority=0 if plain else 5)
    async def slow(ctx: Context[Any]) -> None:
        waiting.append(1)
        await gate.wait()

    elsewhere = App("shop", deployment="elsewhere")

    @elsewhere.function("away", on="slow", priority=0 if plain else 5)
    async def away(ctx: Context[Any]) -> None:
        waiting.append(2)

    events = 2_000
    async with live(elsewhere, redis_url, namespace):
        pass
    keys = Keys(namespace)

    async def ready() -> int:
        return int(await raw.zcard(keys("q:shop:default")) + await raw.zcard(keys("q:shop:default:away")))

    async def lag() -> int:
        [group] = await raw.xinfo_groups(keys.events)
        return int(group["lag"])

    async with live(app, redis_url, namespace, most_ready=300, concurrency=1000) as here:
        receipts = await here.client.send_many([NewEvent("slow", n) for n in range(events)])
        await until_async(lambda: _ingester(here).paused)
        assert 0 < await lag() < events
        assert 300 < await ready() <= 300 + 2 * 400
        assert (await here.client.run(receipts[-1].run_id("slow"))).state == "pending"
        gate.set()
        async with live(elsewhere, redis_url, namespace, most_ready=300) as other:
            await other.state(receipts[-1].run_id("away"), RunState.COMPLETED, timeout=30)
            await here.state(receipts[-1].run_id("slow"), RunState.COMPLETED, timeout=30)
            await until_async(lambda: (waiting.count(1), waiting.count(2)) == (events, events), timeout=30)


async def test_ingest_pauses_when_redis_is_nearly_full(server_factory: ServerFactory, namespace: str) -> None:
    """R13: above 75 % of maxmemory events wait in the stream, which takes less; runs that exist go on."""
    server = server_factory(maxmemory="60mb", maxmemory_policy="noeviction")
    app = App("shop")
    seen: list[Any] = []
    ran(app, "listen", seen, on="go")

    @app.function("sleeper", on="sleep")
    async def sleeper(ctx: Context[Any]) -> None:
        await ctx.step.sleep("long", "1h")

    async with live(app, server.url, namespace) as here:
        sleeping = (await here.client.send("sleep")).run_id("sleeper")
        await here.state(sleeping, RunState.WAITING)
    async with live(app, server.url, namespace) as here:
        raw = here.worker.broker.client
        await until_async(lambda: _ingester(here)._made == 0)
        ballast = [f"ballast{n}" for n in range(46)]
        for name in ballast:
            await raw.set(name, b"x" * 1_000_000)
        _ingester(here)._made = 1_000_000  # as if it had made so many since it looked last
        await here.client.send("go", "wakes the reader")
        await until_async(lambda: _ingester(here).paused)
        sent = await here.client.send("go", "waits")
        here.advance(3700)
        await here.state(sleeping, RunState.COMPLETED)
        assert (await here.client.run(sent.run_id("listen"))).state == "pending"
        await raw.delete(*ballast)
        await here.state(sent.run_id("listen"), RunState.COMPLETED)
    assert seen == ["wakes the reader", "waits"]


def _ingester(here: Live) -> Ingester:
    assert here.worker._incarnation is not None
    return here.worker._incarnation.ingester


async def test_unknown_events_are_known_but_start_nothing(redis_url: str, namespace: str) -> None:
    """An event that nobody listens to is acknowledged; it stays in the history and has no runs."""
    app = App("shop")
    seen: list[Any] = []
    ran(app, "listen", seen, on="order/created")
    async with live(app, redis_url, namespace) as here:
        sent = await here.client.send("nobody/listens", {"n": 1}, id="n-1")
        last = await here.client.send("order/created")
        await here.state(last.run_id("listen"), RunState.COMPLETED)
        assert await here.client.runs(sent) == []
        assert (await here.client.event("n-1")).name == "nobody/listens"
        with pytest.raises(EventNotFound):
            await here.client.event("n-2")


def _count(metrics: WorkerMetrics, name: str) -> float:
    return sum(
        sample.value for family in metrics.registry.collect() for sample in family.samples if sample.name == name
    )


async def test_odd_entries_stop_nobody(redis_url: str, namespace: str, raw: Any) -> None:
    """R14: whoever may append may append anything; each odd entry is one dead letter that says why."""
    app = App("shop")
    seen: list[Any] = []
    ran(app, "listen", seen, on="go")
    ran(app, "filtered", seen, on=event("go", filter='event.data.word == "yes"'))
    stream = Keys(namespace).events
    good = {"n": "go", "d": b"\x81\xa4word\xa2no"}
    odd: list[dict[str, Any]] = [
        {"d": b"\xc0"},
        {"n": ""},
        {"n": "go", "d": b"\xa2\xff\xfe"},  # a text that is none
        {"n": "go", "d": b"\x81\xa4word\xa3\xff\xfe\xfd"},
        {"n": "go", "d": b"\xc0\xc0"},
        {"n": "go", "d": b"\x92\xc0"},
        {"n": "go", "d": "{not json"},
        {"n": "go", "d": b"\x91" * 5_000 + b"\xc0"},
        {"n": "go", "d": b"\xdb\x7f\xff\xff\xff"},
        {"n": "go", "d": b"\xc0", "t": "soon"},
        {"n": "go", "d": b"\xc0", "t": "9" * 40},
        {"n": "go", "d": b"\xc0", "t": "-5"},
        {"n": "go", "d": b"\xc0", "t": str(round((time.time() + 400 * 86_400) * 1000))},
        {"n": "go", "d": b"\xc0", "k": b"\xff\xff"},
        {"n": "go", "d": b"\xc0", "k": "k" * 5_000},
        {"n": "go", "d": b"\xc0", "i": b"\xff\xff"},
        {"n": "go", "d": b"\xc0", "i": "i" * 5_000},
        {"n": "go/../../*", "d": b"\xc0"},
        {"n": "bgjobs/made-up", "d": b"\xc0"},
        {"n": "go", "d": bytes(600_000)},
    ]
    async with live(app, redis_url, namespace) as here:
        for fields in odd:
            await raw.xadd(stream, fields)
            await raw.xadd(stream, good)
        last = await here.client.send("go", {"word": "yes"})
        for function in ("listen", "filtered"):
            await here.state(last.run_id(function), RunState.COMPLETED)

        async def settled() -> bool:
            [group] = await raw.xinfo_groups(stream)
            return group["pending"] == group["lag"] == 0

        await until_async(settled)
        letters = await here.client.dead_letters.list()
        assert all(letter.kind == "event" and letter.error.message for letter in letters)
        assert len(letters) == len(odd)
        await until_async(lambda: len(seen) == len(odd) + 2)
    assert seen.count({"word": "no"}) == len(odd)
