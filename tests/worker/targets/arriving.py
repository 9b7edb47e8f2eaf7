"""Functions with policies of arrival, which note their runs and their events in a file."""

from pathlib import Path
from typing import Any

from bgjobs import App, Batch, Context, RateLimit

app = App("arriving")


def note(ctx: Context[Any]) -> None:
    numbers = ",".join(str(event.data["n"]) for event in ctx.events)
    with Path(ctx.event.data["file"]).open("a") as file:
        file.write(f"{ctx.function} {ctx.run_id} {numbers}\n")


@app.function("load", on="row", batch=Batch(10, "2s"))
async def load(ctx: Context[Any]) -> None:
    note(ctx)


@app.function("once", on="row", idempotency="event.data.same")
async def once(ctx: Context[Any]) -> None:
    note(ctx)


@app.function("few", on="row", rate_limit=RateLimit(50, "1 hour"))
async def few(ctx: Context[Any]) -> None:
    note(ctx)
