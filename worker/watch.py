"""Decides when a run leaves its worker: looks at its strands whenever one begins to wait, and again while it stays."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING

from .leave import Verdict, View
from .unwinding import Mode

if TYPE_CHECKING:
    from .execution import Execution

logger = logging.getLogger("bgjobs.worker")

_FIRST_POLL_SECONDS = 0.01
_LAST_POLL_SECONDS = 0.5
#: How long to wait for the server's word on a sleep that should be over by now.
_OVERDUE_SECONDS = 1.0


class LeaveWatch:
    """The watch over one execution. It costs nothing until a step of it waits."""

    __slots__ = ("_blocked_since", "_execution", "_looks", "_loop", "_poll", "_progress", "_progress_at", "_scheduled")

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._poll: asyncio.TimerHandle | None = None
        self._progress: object = None
        self._looks = 0
        self._progress_at = 0.0
        self._blocked_since: float | None = None

    def look_soon(self) -> None:
        """Look after the tasks that are ready now have run."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._look)

    def stop(self) -> None:
        """No more looks: the execution ends."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def _look(self, interval: float = _FIRST_POLL_SECONDS, *, confirming: bool = False) -> None:
        self._scheduled = False
        self.stop()
        execution = self._execution
        waits = execution.book.waits
        if execution.mode.unwinds or not waits:
            self._blocked_since = None
            return
        view = execution.strands.look(waits, thorough=confirming)
        if view.verdict is Verdict.BLOCKED and execution.busy == 0:
            if not confirming:
                # A task may have ended a moment ago, and whoever waits for it not been told yet. After everything that
                # is queued on the loop now, it would be seen about to run.
                self._scheduled = True
                self._loop.call_soon(functools.partial(self._look, interval, confirming=True))
                return
            stay = self._worth_staying()
            if stay is None:
                execution.leave()
                return
            interval = max(interval, stay)
        elif execution.busy == 0 and self._out_of_patience(view):
            logger.warning(
                "%s leaves the worker though some of its tasks wait for something else than a step",
                execution.function.key,
                extra={"run": execution.run.id, "function": execution.function.key},
            )
            execution.leave()
            return
        self._poll = self._loop.call_later(interval, self._look, min(interval * 2, _LAST_POLL_SECONDS))

    def _worth_staying(self) -> float | None:
        """Seconds until the next look if a pending step is due so soon that leaving would cost more; else None."""
        execution = self._execution
        if execution.mode is Mode.STOPPING or not execution.book.due:
            return None
        ahead = (min(execution.book.due.values()) - execution.server_ms()) / 1000
        if not -_OVERDUE_SECONDS < ahead < execution.services.stay:
            return None
        return max(ahead, 0.0) + 0.005

    def _out_of_patience(self, view: View) -> bool:
        """In doubt: whether nothing has moved for the grace period, or the function itself is blocked for long."""
        now = self._loop.time()
        self._looks += 1
        if view.progress != self._progress:
            self._progress, self._progress_at, self._looks = view.progress, now, 0
        if view.root is not Verdict.BLOCKED:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        services = self._execution.services
        if self._blocked_since is not None and now - self._blocked_since >= services.patience:
            return True
        # Several looks, because a loop that was blocked for the whole period saw nothing move either.
        return self._looks >= 3 and now - self._progress_at >= services.grace
