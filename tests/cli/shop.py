"""A small app for the tests of the command line, and its worker."""

from typing import Any

from bgjobs import App, Context


def shop(log: list[Any] | None = None) -> App:
    """Orders that fail when asked to, a series that sleeps, a function that waits for a signal."""
    app = App("shop")
    done: list[Any] = [] if log is None else log

    async def charge(amount: int) -> dict[str, int]:
        done.append(("charge", amount))
        return {"charged": amount}

    @app.function("process-order", on="order/created", retries=0)
    async def process_order(ctx: Context[Any]) -> dict[str, int]:
        """Charges the card."""
        charged = await ctx.step.run("charge-card", charge, ctx.event.data["amount"])
        await ctx.progress(50, "charged")
        if ctx.event.data.get("broken"):
            raise RuntimeError("the printer is on fire")
        return charged

    @app.function("series", on="user/signed-up")
    async def series(ctx: Context[Any]) -> str:
        await ctx.step.sleep("pause", "3 days")
        return "sent"

    @app.function("approval", on="approval/*")
    async def approval(ctx: Context[Any]) -> Any:
        return await ctx.step.wait_for_signal("decision", f"decide-{ctx.event.id}")

    @app.function("echo")
    async def echo(ctx: Context[Any]) -> Any:
        return ctx.event.data

    @app.function("asks-echo", on="ask")
    async def asks_echo(ctx: Context[Any]) -> Any:
        return await ctx.step.invoke("call", "series", {})

    @app.function("report", cron="0 8 * * *")
    async def report(ctx: Context[Any]) -> None:
        done.append("report")

    return app
