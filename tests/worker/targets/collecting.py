"""A function with a batch that runs in a process of its own."""

from typing import Any

from bgjobs import App, Batch, SyncContext

app = App("shop")


@app.function("load", on="row", batch=Batch(2, "1 hour"), isolation="process")
def load(ctx: SyncContext[Any]) -> list[int]:
    return [event.data for event in ctx.events]
