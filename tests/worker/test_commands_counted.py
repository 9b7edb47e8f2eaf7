"""What the clients send to Redis, counted: round trips are the cost that users pay."""

import time
from typing import Any

from bgjobs import App, Context, NewEvent, RunState
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.command_count import CommandCount
from tests.worker.live import live


def noop_app() -> App:
    app = App("shop")

    @app.function("noop", on="noop")
    async def noop(ctx: Context[Any]) -> None:
        return None

    return app


async def test_a_run_at_depth_costs_a_fraction_of_a_command(server_factory: ServerFactory, namespace: str) -> None:
    """At most 0.2 commands per no-op run when there is a queue."""
    server = server_factory()
    async with live(noop_app(), server.url, namespace) as here:
        first = (await here.client.send("noop")).run_id("noop")
        await here.state(first, RunState.COMPLETED)
        events = [NewEvent("noop", {"n": number}) for number in range(5_000)]
        with CommandCount(server.url) as count:
            await here.client.send_many(events)
            await until_async(lambda: here.worker.runs_finished >= 5_001, timeout=60)
            own = count.sent - count.by_name["XADD"]
    assert 0 < own <= 0.2 * 5_000, count.by_name


async def test_a_single_run_costs_few_commands(server_factory: ServerFactory, namespace: str) -> None:
    """At most 6 commands from the send to the commit on an idle system."""
    server = server_factory()
    async with live(noop_app(), server.url, namespace) as here:
        warm = (await here.client.send("noop")).run_id("noop")
        await here.state(warm, RunState.COMPLETED)
        costs = []
        with CommandCount(server.url) as count:
            for number in range(5):
                finished, before = here.worker.runs_finished, count.sent
                await here.client.send("noop", {"n": number})
                await until_async(lambda reached=finished + 1: here.worker.runs_finished >= reached)
                costs.append(count.sent - before)
    # A loop's turn may fall into one window; it can't fall into most of them.
    assert 2 <= sorted(costs)[2] <= 6, costs


async def test_an_idle_worker_asks_little(server_factory: ServerFactory, namespace: str) -> None:
    """Fewer than two commands a second, beats and blocking reads included."""
    server = server_factory()
    async with live(noop_app(), server.url, namespace) as here:
        run = (await here.client.send("noop")).run_id("noop")
        await here.state(run, RunState.COMPLETED)
        for _ in range(
            3
        ):  # what comes once in a while, a new connection or a look at all queues, may gather in one window
            with CommandCount(server.url) as count:
                begun = time.monotonic()
                await until_async(lambda since=begun: time.monotonic() - since > 16, timeout=30)
                spent = count.sent
            if spent < 2 * 16:
                break
    assert 0 < spent < 2 * 16, count.by_name
