"""What a run may keep."""

from typing import Any

from bgjobs import App, Context, RunState
from tests.worker.live import live

app = App("big")


@app.function(on="big", retries=0)
async def big(ctx: Context[Any]) -> int:
    for _ in range(9):
        await ctx.step.run("part", bytes, 4 * 1024 * 1024 - 100)
    return 9


async def test_the_checkpoints_of_a_run_are_bounded(redis_url: str, namespace: str) -> None:
    """R50: 32 MiB together; the step that would exceed it fails the run and says so."""
    async with live(app, redis_url, namespace) as here:
        run = (await here.client.send("big")).run_id("big")
        failed = await here.state(run, RunState.FAILED, timeout=30)
        steps = await here.client.steps(run)
    assert failed.error.type.endswith("StepRefused")
    assert "32 MiB" in failed.error.message
    assert [step.state for step in steps].count("completed") == 8
