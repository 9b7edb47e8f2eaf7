"""What makes a worker match events again, what it costs, and whom it stalls: nobody (R8)."""

from typing import Any

from bgjobs import App, Context, NewEvent, RunState
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.command_count import CommandCount
from tests.worker.live import live

ORDERS = 100


async def test_waiting_for_names_without_end_stalls_nobody(server_factory: ServerFactory, namespace: str) -> None:
    """R8, R26: a wait per order for an event name of its own: other events proceed, and each wait gets its event."""
    server = server_factory()
    app = App("shop")

    @app.function("pay", on="order/created")
    async def pay(ctx: Context[Any]) -> Any:
        order = ctx.event.data["order"]
        paid = await ctx.step.wait_for_event("paid", f"order/{order}/paid", timeout="1h")
        return paid.data if paid else None

    @app.function("count", on="visit")
    async def count_visit(ctx: Context[Any]) -> None: ...

    async with live(app, server.url, namespace) as here:
        receipts = await here.client.send_many([NewEvent("order/created", {"order": n}) for n in range(ORDERS)])
        runs = [receipt.run_id("pay") for receipt in receipts]
        for run in runs:
            await here.state(run, RunState.WAITING)
        with CommandCount(server.url) as count:
            visits = await here.client.send_many([NewEvent("visit", n) for n in range(ORDERS)])
            done = here.worker.runs_finished
            await until_async(lambda: here.worker.runs_finished == done + ORDERS)
            assert count.by_name["HMGET"] == count.by_name["HGETALL"] == 0, count.by_name
            await here.client.result(visits[-1].run_id("count"), timeout=30)
        with CommandCount(server.url) as count:
            mixed = [NewEvent(f"order/{n}/paid", n) if n % 2 else NewEvent("visit", n) for n in range(2 * ORDERS)]
            await here.client.send_many([*mixed, *(NewEvent(f"order/{n}/paid", n) for n in range(0, ORDERS, 2))])
            for number, run in enumerate(runs):
                assert await here.client.result(run, timeout=20) == number
            # The registry, which may be large, is not read again because of a wait.
            assert count.by_name["HGETALL"] == 0, count.by_name
        keys, raw = here.worker.broker.keys, here.worker.broker.client
        assert not await raw.exists(keys("wn:shop"))


async def test_a_function_that_is_registered_meanwhile_gets_the_next_event(redis_url: str, namespace: str) -> None:
    """R8: also by a wildcard; and one whose trigger was changed gets no more of the old."""

    def version(number: str, **triggers: str) -> App:
        app = App("shop", version=number)
        for name, on in triggers.items():

            @app.function(name, on=on)
            async def body(ctx: Context[Any]) -> str:
                return ctx.function

        return app

    async def functions(name: str, *expected: str) -> None:
        sent = await here.client.send(name)
        for each in expected:
            await here.client.result(sent.run_id(each), timeout=30)
        assert sorted(run.function for run in await here.client.runs(sent)) == [f"shop/{each}" for each in expected]

    async with live(version("1", a="order/created", b="order/created"), redis_url, namespace) as here:
        await functions("order/created", "a", "b")
        async with live(version("2", a="order/created", b="order/changed"), redis_url, namespace):
            await functions("order/created", "a")
            await functions("order/changed", "b")
        async with live(version("3", a="order/created", b="order/*"), redis_url, namespace):
            await functions("order/created", "a", "b")
            await functions("order/anything", "b")
