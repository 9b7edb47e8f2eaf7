"""Limits set at run time beside real workers, by client and command line (R40)."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, Concurrency, Context, NewEvent, RunState, Throttle, UsageError
from bgjobs.broker.errors import NotFound
from tests.cli.conftest import Shell
from tests.waiting import until_async
from tests.worker.live import live


def app(gate: asyncio.Event, now: set[int], *, limit: int = 2, shared: int = 50) -> App:
    made = App("shop")

    @made.function("charge", on="go", concurrency=[limit, Concurrency(shared, name="payment-api")])  # type: ignore[list-item]
    async def charge(ctx: Context[Any]) -> None:
        now.add(ctx.event.data)
        await gate.wait()
        now.discard(ctx.event.data)

    @made.function(
        "refund", concurrency=Concurrency(40, name="payment-api"), throttle=Throttle(5, "1m", key="event.id")
    )
    async def refund(ctx: Context[Any]) -> None:
        pass

    return made


async def test_set_and_clear(redis_url: str, namespace: str) -> None:
    """Raising lets parked runs start at once; who did it is told and logged."""
    gate, now = asyncio.Event(), set[int]()
    async with live(app(gate, now), redis_url, namespace) as here:
        controls = here.client.controls
        sent = await here.client.send_many([NewEvent("go", n) for n in range(10)])
        await until_async(lambda: len(now) == 2)
        changed = await controls.set_limit("charge", 6, reason="month's end", actor="ada")
        assert (changed.limit, changed.overridden, changed.actor, changed.code) == (
            6,
            True,
            "ada",
            {"shop/charge": "2"},
        )
        await until_async(lambda: len(now) == 6)
        found = {each.target: each for each in await controls.limits()}
        assert found.keys() == {"shop/charge", "payment-api", "throttle:shop/refund[event.id]"}
        assert found["payment-api"].conflict
        assert (found["payment-api"].limit, found["payment-api"].code["shop/charge"]) == (40, "50")
        paced = await controls.set_limit("throttle:refund[event.id]", 7, burst=3)
        assert paced.value == "7 per 60 s, 3 at once"
        assert await controls.clear_limit("shop/charge")
        assert not await controls.clear_limit("shop/charge")
        gate.set()
        for each in sent:
            await here.state(each.run_id("charge"), RunState.COMPLETED)
        log = await controls.audit_log()
        assert [each.verb for each in log] == ["clear limit", "set limit", "set limit"]
        assert log[-1].what == "limit shop/charge to 6"
        with pytest.raises(NotFound, match="no-such"):
            await controls.set_limit("no-such", 1)
        with pytest.raises(UsageError, match="has no period"):
            await controls.set_limit("charge", 1, period=5)
        with pytest.raises(UsageError, match="The limit is 0"):
            await controls.set_limit("charge", 0)


async def test_by_command(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(app(asyncio.Event(), set()), redis_url, namespace):
        assert (await bgjobs.go("limits", "set", "shop/charge", "9", "--actor", "ada")).out == "shop/charge  9\n"
        listed = (await bgjobs.go("limits", "list")).lines
        assert any(line.startswith("shop/charge") and "ada" in line for line in listed)
        assert any("50 (shop/charge), 40 (shop/refund)" in line for line in listed)
        (limit,) = [
            each
            for each in (await bgjobs.go("limits", "list", "--json")).json["limits"]
            if each["target"] == "shop/charge"
        ]
        assert (limit["limit"], limit["overridden"]) == (9, True)
        assert (await bgjobs.go("limits", "clear", "shop/charge", "--json")).json == {
            "limit": "shop/charge",
            "cleared": True,
        }
        told = await bgjobs.go("doctor", "--json")
        assert any(
            "payment-api disagree: 50 in shop/charge, 40 in shop/refund" in each["what"] for each in told.json["checks"]
        )
        unknown = await bgjobs.go("limits", "set", "other", "9", status=1)
        assert "There are: payment-api" in unknown.err
