"""Functions for crash tests. Each process writes what it does into a file of its own in the folder STORM_NOTES."""

import asyncio
import os
from pathlib import Path
from typing import Any

from bgjobs import App, Context

app = App("storm", backoff=0.1)
_notes: dict[int, int] = {}


def note(*words: object) -> None:
    """One line, whole or not at all: appended by one write."""
    pid = os.getpid()
    if pid not in _notes:
        path = Path(os.environ["STORM_NOTES"]) / f"notes-{pid}"
        _notes[pid] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_notes[pid], (" ".join(map(str, words)) + "\n").encode())


@app.function("three", on="three")
async def three(ctx: Context[Any]) -> int:
    """Each step notes the end of its body, and the function that the step returned."""
    for number in range(3):

        async def body(number: int = number) -> int:
            await asyncio.sleep(0.01)
            note("body", ctx.run_id, number, ctx.fence)
            return number

        assert await ctx.step.run(f"step-{number}", body) == number
        note("returned", ctx.run_id, number, ctx.fence)
    return 3


@app.function("sleeper", on="sleeper")
async def sleeper(ctx: Context[Any]) -> int:
    """Leaves its worker and goes on elsewhere."""
    begun = await ctx.step.run("begin", os.getpid)
    await ctx.step.wait_for_signal("go", f"go-{ctx.event.data['number'] % 10}")
    note("resumed", ctx.run_id, begun)
    return os.getpid()


@app.function("poison", on="poison")
async def poison(ctx: Context[Any]) -> None:
    """Kills its process each time."""
    note("poison", ctx.run_id, ctx.fence)
    os._exit(9)


@app.function("patient", on="patient")
async def patient(ctx: Context[Any]) -> str:
    """Innocent, and still there when its worker dies at once."""
    note("patient", ctx.run_id, ctx.fence)
    await asyncio.sleep(0.5)
    return "innocent"


@app.function("holds", on="holds")
async def holds(ctx: Context[Any]) -> str:
    """Two effects of one step body, with time to be stopped between them."""

    async def body() -> str:
        note("begin", ctx.run_id, ctx.fence, os.getpid())
        await asyncio.sleep(ctx.event.data["seconds"])
        note("end", ctx.run_id, ctx.fence, os.getpid())
        return str(os.getpid())

    where = await ctx.step.run("hold", body)
    note("returned", ctx.run_id, ctx.fence, os.getpid())
    return where
