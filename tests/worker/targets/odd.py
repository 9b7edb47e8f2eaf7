"""What user code should not do, and does."""

import asyncio
import sys
import threading
from typing import Any

import bgjobs

app = bgjobs.App("odd", retries=0)


@app.function("interrupts")
async def interrupts(ctx: bgjobs.Context[Any]) -> None:
    raise KeyboardInterrupt


@app.function("interrupts-in-step")
async def interrupts_in_step(ctx: bgjobs.Context[Any]) -> None:
    async def body() -> None:
        raise KeyboardInterrupt

    await ctx.step.run("body", body)


@app.function("interrupts-in-thread")
def interrupts_in_thread(ctx: bgjobs.SyncContext[Any]) -> None:
    raise KeyboardInterrupt


@app.function("interrupts-in-task")
async def interrupts_in_task(ctx: bgjobs.Context[Any]) -> None:
    async def helper() -> None:
        raise KeyboardInterrupt

    await asyncio.gather(helper(), asyncio.sleep(0))


@app.function("exits-in-task")
async def exits_in_task(ctx: bgjobs.Context[Any]) -> None:
    async def helper() -> None:
        await asyncio.sleep(0)
        sys.exit("helper gave up")

    async with asyncio.TaskGroup() as group:
        group.create_task(helper())


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@app.function("unprintable")
async def unprintable(ctx: bgjobs.Context[Any]) -> None:
    raise Unprintable


@app.function("endless-message")
async def endless_message(ctx: bgjobs.Context[Any]) -> None:
    raise ValueError("\x1b[31m" + "x" * 5_000_000)


@app.function("loop-of-its-own")
async def loop_of_its_own(ctx: bgjobs.Context[Any]) -> str:
    told = []

    def elsewhere() -> None:
        async def step() -> None:
            await ctx.step.run("there", lambda: 1)

        try:
            asyncio.run(step())
        except bgjobs.UsageError as error:
            told.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    return told[0]


@app.function("works")
async def works(ctx: bgjobs.Context[Any]) -> str:
    return await ctx.step.run("work", lambda: "worked")
