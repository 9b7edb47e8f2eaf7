"""How a worker that stops parts from its runs: those that can end do, the rest is handed back, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging

from .host import Host

logger = logging.getLogger("bgjobs.worker")

#: The part of the shutdown time-out in which runs go on to their end; after it they are handed back at their next step.
#: So a step body that takes less than half of it is never interrupted, and a run of many steps does not outlast it.
_GO_ON_PART = 0.5
_HAND_BACK_SECONDS = 5.0  # for code to end that was interrupted


async def let_runs_end(host: Host, shutdown_timeout: float, aborting: asyncio.Event) -> None:
    """Let runs go on to their end, then to their next step; then interrupt and hand back what is left.

    Args:
        host: has the runs. It gets no new ones.
        shutdown_timeout: seconds for all of it, but for the cleaning up of what was interrupted.
        aborting: set: at once.
    """
    go_on = shutdown_timeout * _GO_ON_PART
    if await _ended(host, go_on, aborting):
        return
    if not aborting.is_set():
        logger.info("%d runs are handed back at their next step", host.running)
    host.each(lambda execution: execution.stop_at_step_boundary())
    if await _ended(host, shutdown_timeout - go_on, aborting):
        return
    logger.info("handing back %d runs", host.running)
    host.each(lambda execution: execution.interrupt())
    await host.wait(_HAND_BACK_SECONDS)


async def _ended(host: Host, seconds: float, aborting: asyncio.Event) -> bool:
    """Wait for runs to end, so long at most, or until asked to abort."""
    ended = asyncio.ensure_future(host.wait())
    aborted = asyncio.ensure_future(aborting.wait())
    try:
        await asyncio.wait({ended, aborted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ended.done()
    finally:
        ended.cancel()
        aborted.cancel()
