"""What type checkers must say about definitions; checked by mypy and pyright, never run.

A line with `type: ignore[code]` and `pyright: ignore` has to be an error: both checkers complain if it is none.
"""

from __future__ import annotations

from typing import Any, assert_type

import bgjobs
from bgjobs import App, Context, Function, SyncContext
from bgjobs.broker.handle import AsyncRunHandle, RunHandle


class OrderCreated(bgjobs.EventModel, name="order/created"):
    amount: int
    customer_id: str


app = App("shop", retries=2, backoff=bgjobs.Backoff("5s", longest="1h"))


@app.function(
    "process-order",
    on=[OrderCreated, "order/changed", bgjobs.event("order/*", filter="event.data.amount > 100")],
    cron=["0 8 * * *", bgjobs.Cron("@daily", tz="Europe/Berlin", missed="all")],
    concurrency=[bgjobs.Concurrency(5, key="event.data.customer_id"), bgjobs.Concurrency(50, name="database")],
    timeout="5 minutes",
    idempotency="event.data.order_id",
    rate_limit=bgjobs.RateLimit(100, "1 minute", key="event.data.customer_id"),
    singleton="skip",
    throttle=bgjobs.Throttle(100, "1 minute", burst=10, key="event.data.customer_id"),
    fairness=bgjobs.Fairness("event.data.customer_id", window=20),
    priority="event.data.urgency",
)
async def process_order(ctx: Context[OrderCreated]) -> dict[str, int]:
    assert_type(ctx.event.data, OrderCreated)
    charge = await ctx.step.run("charge", charge_card, ctx.event.data.amount)
    assert_type(charge, str)
    size = await ctx.step.run("measure", len, charge)
    assert_type(size, int)
    await ctx.step.run("charge", charge_card, "5")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    return {"size": size}


@app.function(on="user/created")
def send_welcome(ctx: SyncContext[Any]) -> str:
    return ctx.step.run("send", str.upper, "a")


@app.function("load", on=OrderCreated, batch=bgjobs.Batch(100, "10s", key="event.data.customer_id"))
async def load(ctx: Context[OrderCreated]) -> None:
    assert_type(ctx.events[0].data, OrderCreated)


@app.function(
    "ship",
    cancel_on=["shop/closed", bgjobs.CancelOn("order/cancelled", match="event.data.order_id", timeout="1 day")],
    start_timeout="1h",
    finish_timeout="2 days",
)
async def ship(ctx: Context[Any]) -> None: ...


@app.function("index", on="saved", debounce=bgjobs.Debounce("5s", longest="1 minute"))
async def index(ctx: Context[Any]) -> None: ...


async def charge_card(amount: int) -> str:
    return str(amount)


@app.function("odd", missed="all")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
def odd(ctx: SyncContext[Any]) -> None: ...


@app.function("wrong", on=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def wrong(ctx: SyncContext[Any]) -> None: ...


async def use() -> None:
    welcome: Function[[SyncContext[Any]], str] = send_welcome
    assert_type(welcome.id, str)
    await app.send(OrderCreated(amount=5, customer_id="c1"), delay="1h")
    await app.send("order/created", {"amount": 5})
    receipt = app.send_sync(OrderCreated(amount=5, customer_id="c1"))
    assert_type(receipt.run_id(process_order), str)
    handle = await app.invoke(process_order, {"amount": 5})
    assert_type(handle, AsyncRunHandle[dict[str, int]])
    assert_type(await handle.result(timeout="5s"), dict[str, int])
    assert_type(app.invoke_sync(send_welcome), RunHandle[str])
    assert_type(await app.invoke("other/function"), AsyncRunHandle[Any])
    await app.send(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bgjobs.Cron("0 8 * * *", missed="some")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
