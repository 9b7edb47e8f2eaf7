"""The engine when Redis misbehaves: nothing is lost, nobody stays deaf, nothing runs twice."""

import asyncio
from pathlib import Path
from typing import Any

import redis.asyncio

from bgjobs import App, Context, NewEvent, RunState
from bgjobs.broker.keys import Keys
from tests.servers import ServerFactory
from tests.waiting import until_async
from tests.worker.live import Live, live


def steps_app(bodies: list[tuple[str, int]]) -> App:
    """An app whose function runs three recorded steps."""
    app = App("shop")

    @app.function("three", on="three")
    async def three(ctx: Context[Any]) -> int:
        async def body(number: int) -> int:
            bodies.append((ctx.run_id, number))
            await asyncio.sleep(0.005)
            return number

        return sum([await ctx.step.run(f"step-{number}", body, number) for number in range(3)])

    return app


async def all_completed(here: Live, runs: list[str], *, timeout: float = 30.0) -> None:
    for run in runs:
        await here.state(run, RunState.COMPLETED, timeout=timeout)


async def test_a_killed_and_restarted_server_costs_nothing(
    server_factory: ServerFactory, namespace: str, tmp_path: Path
) -> None:
    """With appendfsync always: every run ends once, and each step's body ran once or was never recorded."""
    server = server_factory(tmp_path, appendfsync="always")
    bodies: list[tuple[str, int]] = []
    async with live(steps_app(bodies), server.url, namespace) as here:
        receipts = await here.client.send_many([NewEvent("three", {"n": n}) for n in range(200)])
        runs = [receipt.run_id("three") for receipt in receipts]
        await until_async(lambda: len(bodies) > 50)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await all_completed(here, runs)
        again = (await here.client.send("three")).run_id("three")
        await all_completed(here, [again])
    assert {number for _, number in bodies} == {0, 1, 2}


async def test_cut_connections_and_forgotten_scripts_cost_nothing(redis_url: str, namespace: str, raw: Any) -> None:
    """NOSCRIPT is answered with the script; a cut connection with a new one and the same operations."""
    bodies: list[tuple[str, int]] = []
    async with live(steps_app(bodies), redis_url, namespace) as here:
        receipts = await here.client.send_many([NewEvent("three", {"n": n}) for n in range(200)])
        runs = [receipt.run_id("three") for receipt in receipts]
        for turn in range(1, 4):
            await until_async(lambda reached=turn * 100: len(bodies) > reached)
            await raw.script_flush()
            await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await all_completed(here, runs)
    assert len(bodies) == len(set(bodies)) == 600


async def test_a_lost_group_is_made_again_where_it_stood(redis_url: str, namespace: str, raw: Any) -> None:
    """R3: NOGROUP does not make the worker spin or miss what was appended meanwhile."""
    bodies: list[tuple[str, int]] = []
    async with live(steps_app(bodies), redis_url, namespace) as here:
        first = (await here.client.send("three")).run_id("three")
        await all_completed(here, [first])
        await raw.xgroup_destroy(Keys(namespace).events, "shop")
        second = (await here.client.send("three")).run_id("three")
        await all_completed(here, [second])
        assert len(bodies) == 6, "the first event must not be ingested again"


async def test_an_emptied_server_is_registered_with_again(server_factory: ServerFactory, namespace: str) -> None:
    """FLUSHALL takes the lease and the registry: a new incarnation registers and goes on."""
    server = server_factory()
    bodies: list[tuple[str, int]] = []
    async with live(steps_app(bodies), server.url, namespace, lease_ttl=1.5) as here:
        before = here.worker.incarnation
        client = redis.asyncio.Redis.from_url(server.url)
        await client.flushall()
        await until_async(lambda: here.worker.incarnation not in ("", before))
        run = (await here.client.send("three")).run_id("three")
        await all_completed(here, [run])
        await client.aclose()


async def test_entries_that_a_dead_consumer_read_are_taken_over(redis_url: str, namespace: str, raw: Any) -> None:
    """R11: whoever read it, after 15 s somebody else ingests it."""
    app = App("shop")

    @app.function("seen", on="seen")
    async def seen(ctx: Context[Any]) -> str:
        return "seen"

    keys = Keys(namespace)
    async with live(app, redis_url, namespace):
        pass  # registered, and gone again
    entry = await raw.xadd(keys.events, {"n": "seen", "i": "one", "d": b"\xc0"})
    await raw.xreadgroup("shop", "dead", {keys.events: ">"})
    await raw.xclaim(keys.events, "shop", "dead", 0, [entry], idle=20_000, justid=True)
    async with live(app, redis_url, namespace) as here:
        [run] = await until_async(lambda: here.client.runs("one", name="seen"))
        assert await here.client.result(run.id, timeout=30) == "seen"
        assert (await raw.xpending(keys.events, "shop"))["pending"] == 0


async def test_an_entry_that_is_no_event_becomes_a_dead_letter(redis_url: str, namespace: str, raw: Any) -> None:
    """R14: it is acknowledged, kept with the reason, and stops nobody."""
    bodies: list[tuple[str, int]] = []
    keys = Keys(namespace)
    async with live(steps_app(bodies), redis_url, namespace) as here:
        await raw.xadd(keys.events, {"i": "nameless"})
        await raw.xadd(keys.events, {"n": "three", "i": "x" * 5000, "d": b"\xc0"})
        await raw.xadd(keys.events, {"n": b"\xff\xfe", "d": b"\xc0"})
        run = (await here.client.send("three")).run_id("three")
        await all_completed(here, [run])
        letters = await here.client.dead_letters.list()
        assert [letter.kind for letter in letters] == ["event"] * 3
        assert (await raw.xpending(keys.events, "shop"))["pending"] == 0
