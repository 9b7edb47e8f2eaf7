"""bgjobs functions of other shapes. Only the ones asked for are registered: some change how a worker reads events."""

import asyncio
import os
from functools import cache
from typing import Any

import bgjobs
from bench.apps.bgjobs_app import EVENTS, AsyncProducer, Producer, number
from bench.apps.producing import FOR_EVER, LINGER
from bench.stamps import BEGAN, WARM_UP, mark

__all__ = ["AsyncProducer", "Producer", "app"]

app = bgjobs.App("bench")
SHAPE = os.environ.get("BENCH_SHAPE", "")
#: How many steps a run of many has, or how many functions there are.
NUMBER = int(os.environ.get("BENCH_NUMBER", "1"))


@app.function("work", on="noop")
async def work(ctx: bgjobs.Context[Any]) -> int:
    job: int = ctx.event.data["i"]
    mark(job)
    if LINGER:
        await asyncio.sleep(FOR_EVER)
    return job


@cache
def begin() -> None:
    """Say when the first of all runs began: few runs with many steps each all end at about the same time."""
    mark(BEGAN)


async def nap(ctx: bgjobs.Context[Any]) -> None:
    """Waits for longer than anything is measured."""
    await ctx.step.sleep("nap", "1 day")


async def limited(ctx: bgjobs.Context[Any]) -> None:
    mark(ctx.event.data["i"])
    await asyncio.sleep(FOR_EVER)


async def many_steps(ctx: bgjobs.Context[Any]) -> int:
    begin()
    job: int = ctx.event.data["i"]
    for step in range(NUMBER):
        await ctx.step.run(f"step-{step}", number, job)
    mark(job)
    return job


def fan(place: int) -> None:
    """One of ten functions that listen for the same event."""

    async def one_of_ten(ctx: bgjobs.Context[Any]) -> int:
        job: int = ctx.event.data["i"]
        mark(WARM_UP + 10 * job + place)
        return job

    app.function(f"fan-{place}", on="fan")(one_of_ten)


match SHAPE:
    case "waiting":
        app.function("waiting", on="wait")(nap)
    case "limited":
        app.function("limited", on="limited", concurrency=bgjobs.Concurrency(1))(limited)
    case "many-steps":
        app.function("many-steps", on="many-steps")(many_steps)
    case "fan":
        for place in range(len(EVENTS["fan"])):
            fan(place)
    case "functions":
        for place in range(1, NUMBER):
            app.function(f"other-{place}", on=f"other/{place}")(nap)
    case _:
        pass
