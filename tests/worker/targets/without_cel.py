"""A deployment of the app "shop" whose machine lacks the extra `cel`, and whose own function needs none."""

from typing import Any

from bgjobs import App, Context

app = App("shop", deployment="old")


@app.function("other", on="order/other")
async def other(ctx: Context[Any]) -> str:
    return "other"
