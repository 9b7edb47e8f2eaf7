"""Functions for tests with whole worker processes. They write what they do into the file that the event names."""

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

from bgjobs import App, Context, SyncContext

app = App("plain", backoff=0.1)
log = logging.getLogger("users.own")


def note(path: str, text: str) -> None:
    with Path(path).open("a") as file:
        file.write(text + "\n")


@app.function("quick", on="quick")
async def quick(ctx: Context[Any]) -> int:
    await ctx.step.send_event("tell", "nobody/listens")
    return os.getpid()


@app.function("stepwise", on="stepwise")
async def stepwise(ctx: Context[Any]) -> int:
    """Many short steps: a stop finds a step boundary soon."""
    for number in range(ctx.event.data["steps"]):
        await ctx.step.run(f"step-{number}", tell, ctx.event.data["file"], f"body {number} {os.getpid()}")
    return os.getpid()


async def tell(path: str, text: str) -> None:
    note(path, text)
    await asyncio.sleep(0.05)


@app.function("blocks", on="blocks")
async def blocks(ctx: Context[Any]) -> int:
    """What no coroutine should do."""
    note(ctx.event.data["file"], "began")
    hold_the_loop(ctx.event.data["seconds"])
    return os.getpid()


def hold_the_loop(seconds: float) -> None:
    time.sleep(seconds)


@app.function("stuck", on="stuck")
def stuck(ctx: SyncContext[Any]) -> None:
    """A thread that never ends."""
    note(ctx.event.data["file"], "began")
    time.sleep(600)


@app.function("logs", on="logs", retries=1)
async def logs(ctx: Context[Any]) -> None:
    log.info("from the user's own logger")
    await ctx.step.run("inside", lambda: log.warning("from a step"))
    ctx.logger.info("from ctx.logger", extra={"attempt_said": ctx.attempt})
    if ctx.attempt == 1:
        raise ValueError("once")
