"""What type checkers know about steps; checked, never run."""

from typing import Any, assert_type

from bgjobs import App, Context, SyncContext

app = App("types")


@app.function("child")
async def child(ctx: Context[Any]) -> int:
    return 1


@app.function("sync-child")
def sync_child(ctx: SyncContext[Any]) -> str:
    return ""


async def fetch(url: str, *, retry: bool = False) -> bytes:
    return b""


def parse(data: bytes) -> dict[str, int]:
    return {}


@app.function("steps")
async def steps(ctx: Context[Any]) -> None:
    data = assert_type(await ctx.step.run("fetch", fetch, "https://example.org", retry=True), bytes)
    assert_type(await ctx.step.run("parse", parse, data), dict[str, int])
    assert_type(await ctx.step.with_options(retries=2, backoff="5s").run("parse", parse, data), dict[str, int])
    assert_type(await ctx.step.invoke("child", child), int)
    assert_type(await ctx.step.invoke("other", sync_child), str)
    assert_type(await ctx.step.invoke("by-name", "types/child"), Any)
    assert_type(await ctx.step.send_event("tell", "order/done"), str)
    assert_type(ctx.step.key, str)


@app.function("sync-steps")
def sync_steps(ctx: SyncContext[Any]) -> None:
    assert_type(ctx.step.run("parse", parse, b""), dict[str, int])
    assert_type(ctx.step.invoke("child", child), int)
    assert_type(ctx.step.parallel([lambda: ctx.step.run("a", parse, b"")]), list[dict[str, int]])
