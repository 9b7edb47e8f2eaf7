"""The one shape of background work: tick, log and go on, wait with jitter, stop idempotently."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger("bgjobs.worker")


class Loop:
    """Calls `tick` for ever. What a tick raises is logged once per trouble; the loop backs off and goes on."""

    def __init__(
        self,
        name: str,
        tick: Callable[[], Awaitable[float | None]],
        *,
        every: float = 0.0,
        failed: Callable[[BaseException], None] | None = None,
        longest_backoff: float = 5.0,
    ) -> None:
        """
        Args:
            name: for logs and the task's name.
            tick: one turn; may answer the seconds until the next instead of `every`.
            every: seconds between turns, spread by 20 %; 0: at once.
            failed: told of what a tick raised (to classify and count it).
            longest_backoff: seconds a failing loop waits at most between its tries.
        """
        self.name = name
        self._tick = tick
        self._every = every
        self._failed = failed
        self._longest = longest_backoff
        self._task: asyncio.Task[None] | None = None
        self._nudged = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"bgjobs-{self.name}")

    def nudge(self) -> None:
        """Let the next turn come at once."""
        self._nudged.set()

    async def stop(self) -> None:
        """End the loop; may be called again."""
        task, self._task = self._task, None
        if task is not None:
            await cancel_until_done(task)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                wait = await self._tick()
                wait = self._every if wait is None else wait
                if failures:
                    logger.info("%s goes on", self.name)
                failures = 0
            except Exception as error:
                failures += 1
                if self._failed is not None:
                    self._failed(error)
                if failures == 1:
                    logger.warning("%s: %s: %s; trying again", self.name, type(error).__name__, error)
                logger.debug("%s failed", self.name, exc_info=True)
                wait = min(self._longest, 0.05 * 2 ** min(failures, 10))
            if wait > 0:
                self._nudged.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), wait * random.uniform(0.8, 1.2))


async def cancel_until_done(task: asyncio.Task[Any]) -> None:
    """Cancel a task, again if need be: a library below it may take one cancellation for a lost connection."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.2)
