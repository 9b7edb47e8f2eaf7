"""A limited function that notes, with the process and the time, when its body begins and ends."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from bgjobs import App, Context

app = App("limited")


def note(path: str, word: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{time.monotonic():.6f} {word} {os.getpid()}\n")


@app.function("three", on="three", concurrency=3)
async def three(ctx: Context[Any]) -> None:
    note(ctx.event.data["file"], "begin")
    await asyncio.sleep(0.03)
    note(ctx.event.data["file"], "end")
