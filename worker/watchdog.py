"""Watches the event loop from a thread: says which code blocks it, and ends the process when it never comes back.

Blocking code in an `async def` stops every run of the process. The heartbeat goes on from its own thread, so
without an end a blocked loop would keep its runs for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

from .exit_status import STALLED

logger = logging.getLogger("bgjobs.worker.watchdog")


def end_process() -> None:
    """End this process without waiting for the blocked code: no cleanup could run on its loop anyway."""
    logging.shutdown()
    os._exit(STALLED)


class Watchdog:
    """Expects a sign of life from the loop several times a second."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        report_after: float = 1.0,
        max_stall: float = 60.0,
        interval: float = 0.2,
        end: Callable[[], None] = end_process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            loop: the loop to watch; `start` is called on its thread.
            report_after: seconds without a sign of life before the guilty stack is logged.
            max_stall: seconds without a sign of life before `end` is called; 0: never.
            interval: seconds between signs of life.
            end: ends the process.
            clock: a monotonic clock.
        """
        self._loop = loop
        self._report_after = report_after
        self._max_stall = max_stall
        self._interval = interval
        self._end = end
        self._clock = clock
        self._alive_at = clock()
        self._loop_thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bgjobs-watchdog", daemon=True)
        self.stalls = 0

    def start(self) -> None:
        """Begin to watch the loop that this is called on."""
        self._loop_thread = threading.get_ident()
        self._sign_of_life()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; called on the loop."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    def _sign_of_life(self) -> None:
        self._alive_at = self._clock()
        if not self._stopped.is_set():
            self._timer = self._loop.call_later(self._interval, self._sign_of_life)

    def _watch(self) -> None:
        reported_for: float | None = None  # the sign of life that the current stall follows
        last_look = self._clock()
        while not self._stopped.wait(self._interval):
            now = self._clock()
            if now - last_look > self._report_after + self._interval:
                # This thread stood still as well: nothing of this process ran, so no Python code of it is to blame.
                logger.warning(
                    "this process stood still for %.1f s: it was stopped, the machine was overloaded, or a C extension "
                    "held the interpreter lock (then run such functions with isolation='process')",
                    now - last_look,
                )
                self._alive_at = max(self._alive_at, now - self._interval)
            last_look = now
            alive_at = self._alive_at
            stalled = now - alive_at
            if stalled < self._report_after:
                if reported_for is not None:
                    logger.warning("the event loop goes on after %.1f s", alive_at - reported_for)
                    reported_for = None
                continue
            if reported_for is None:
                reported_for = alive_at
                logger.warning("the event loop is blocked for %.1f s by:\n%s", stalled, self._guilty_stack())
                self.stalls += 1
            if self._max_stall and stalled > self._max_stall:
                logger.critical(
                    "the event loop is blocked for %.1f s: ending this process, its runs go on elsewhere. Guilty:\n%s",
                    stalled,
                    self._guilty_stack(),
                )
                self._end()
                return

    def _guilty_stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        stack = "".join(traceback.format_stack(frame)[-12:]) if frame is not None else "(no stack)\n"
        return f"{stack.rstrip()}\n  in task {self._task_name()}"

    def _task_name(self) -> str:
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:  # some versions only answer on the loop's own thread
            task = None
        return task.get_name() if task is not None else "(unknown)"
