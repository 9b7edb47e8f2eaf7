"""The background jobs of a small shop. To run them: `bgjobs dev examples.shop.jobs:app`."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import bgjobs

from . import accounts, llm, mail, payments, pictures, warehouse
from .events import AlbumUploaded, DocumentAdded, OrderPlaced, SignedUp

app = bgjobs.App("shop")


# One event, three functions: each gets a run of its own, with its own steps and retries.


@app.function(on=SignedUp)
def open_account(ctx: bgjobs.SyncContext[SignedUp]) -> int:
    """A `def` function runs in a thread; its steps need no `await`."""
    return ctx.step.run("create", accounts.create, ctx.event.data.email)


@app.function(on=SignedUp)
async def subscribe_to_news(ctx: bgjobs.Context[SignedUp]) -> None:
    await ctx.step.run("subscribe", accounts.subscribe, ctx.event.data.email)


@app.function(on=SignedUp)
async def welcome_series(ctx: bgjobs.Context[SignedUp]) -> None:
    email = ctx.event.data.email
    await ctx.step.run("welcome", mail.send, email, "Welcome to the shop")
    await ctx.step.sleep("settle-in", "3 days")  # held by Redis; no worker knows of it meanwhile
    await ctx.step.run("tips", mail.send, email, "Five things to try")


# One order of a customer at a time. The warehouse may be down for minutes; the card is charged once all the same.


@app.function(on=OrderPlaced, concurrency=bgjobs.Concurrency(1, key="event.data.email"))
async def process_order(ctx: bgjobs.Context[OrderPlaced]) -> dict[str, str]:
    order = ctx.event.data

    def charge_card() -> str:
        # The key is the same on every attempt, also after a crash: so the provider knows what it has charged already.
        return payments.charge(order.email, order.cents, idempotency_key=ctx.step.key)

    charge = await ctx.step.run("charge-card", charge_card)
    patient = ctx.step.with_options(retries=20, backoff=bgjobs.Backoff(1, factor=1.5, longest="5 minutes"))
    parcel = await patient.run("fulfil", warehouse.pack, order.order_id, order.items)
    await ctx.step.run("confirm", mail.send, order.email, f"Order {order.order_id} is on its way as {parcel}")
    return {"charge": charge, "parcel": parcel}


# Steps in parallel: plain asyncio.


@app.function(on=AlbumUploaded)
async def publish_album(ctx: bgjobs.Context[AlbumUploaded]) -> str:
    album = ctx.event.data
    shrinking = [ctx.step.run(f"shrink {picture}", pictures.shrink, picture) for picture in album.pictures]
    thumbnails = await asyncio.gather(*shrinking)
    async with asyncio.TaskGroup() as halves:  # each half is fitted to the other while both are open
        halves.create_task(ctx.step.run("fit left", pictures.fit, album.album_id, "left", "right"))
        halves.create_task(ctx.step.run("fit right", pictures.fit, album.album_id, "right", "left"))
    return await ctx.step.run("publish", pictures.publish, album.album_id, thumbnails)


# A model that is slow, often overloaded, and paid in advance.


@app.function(on=DocumentAdded)
async def summarise(ctx: bgjobs.Context[DocumentAdded]) -> str:
    document = ctx.event.data
    model = ctx.step.with_options(retries=8, timeout="2 minutes", backoff=bgjobs.Backoff(1, longest="1 minute"))
    summaries = []
    for number, chapter in enumerate(document.chapters, start=1):
        summaries.append(await model.run("chapter", ask_model, chapter))  # repeated ids are counted: chapter, chapter#2
        await ctx.progress(100 * number / len(document.chapters), f"read chapter {number}")
    return await model.run("whole", ask_model, " ".join(summaries))


async def ask_model(text: str) -> str:
    try:
        return await llm.summarise(text)
    except llm.Overloaded as error:
        raise bgjobs.RetryAfter(error.seconds, str(error)) from error  # it knows better than our back-off
    except llm.OutOfCredit as error:
        raise bgjobs.NonRetriable(str(error)) from error  # no further attempt will change that


# Every morning, in the zone of the people who read it.

BERLIN = "Europe/Berlin"


@app.function(cron=bgjobs.Cron("0 8 * * *", tz=BERLIN))
async def daily_report(ctx: bgjobs.Context[dict[str, Any]]) -> int:
    cents = await ctx.step.run("add-up", payments.total)
    by = ctx.event.data["tick"].astimezone(ZoneInfo(BERLIN))
    await ctx.step.run("mail", mail.send, "owner@shop.example", f"{cents / 100:.2f} EUR by {by:%F %R %Z}")
    return cents
