"""Threads for code that blocks: `def` functions and `def` step bodies.

Unlike the standard pool, its threads are daemons: a body that never ends must not keep the process from exiting. And
they are counted, so that one whose run was given up still counts (R20).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")

_IDLE_SECONDS = 30.0


class ThreadCall(Generic[T]):
    """One call in a thread. Made and waited for on the event loop."""

    __slots__ = ("_begun", "_call", "_ended", "_loop", "_outcome")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[tuple[T | None, BaseException | None]] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._begun = False

    async def result(self) -> T:
        """What the call returns or raises, or what `give_up` was told."""
        value, error = await self._outcome
        if error is not None:
            try:
                raise error
            finally:
                del error  # it holds this frame, which holds it
        return cast("T", value)

    async def until_ended(self) -> None:
        """Wait until the thread is free again, if the call has begun."""
        if self._begun:
            await self._ended

    def give_up(self, error: BaseException) -> None:
        """Stop waiting for the call, which goes on by itself if it has begun: `result` raises `error`."""
        if not self._outcome.done():
            self._outcome.set_result((None, error))

    def work(self) -> None:
        """Carry it out, in the thread."""
        value, error = None, None
        if not self._outcome.done():
            self._begun = True
            value, error = self._carry_out()
        # A closed loop has nobody who waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, value, error)

    def _carry_out(self) -> tuple[T | None, BaseException | None]:
        try:
            return self._call(), None
        except BaseException as raised:
            return None, raised

    def _deliver(self, value: T | None, error: BaseException | None) -> None:
        if not self._outcome.done():
            self._outcome.set_result((value, error))
        if not self._ended.done():
            self._ended.set_result(None)


class ThreadPool:
    """Runs calls in threads, at most `limit` at a time, the rest in order of arrival.

    Args:
        limit: how many calls may run at a time; None: as many as there are, each at once.
        name: what the threads are called in stack dumps.
    """

    def __init__(self, limit: int | None = None, *, name: str = "bgjobs-function") -> None:
        self._name = name
        self._limit = limit
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._threads = 0
        self._made = 0

    @property
    def busy(self) -> int:
        """Threads that are running a call now, whether or not anybody still waits for it."""
        with self._changed:
            return self._threads - self._idle

    async def result(self, call: ThreadCall[T]) -> T:
        """Begin a call in a thread, or queue it, and give what it returns or raises.

        Cancelling the wait leaves a call that has begun to itself; one that has not begun never will.
        """
        self._submit(call.work)
        return await call.result()

    async def run(self, call: Callable[[], T]) -> T:
        """As `result`, for a plain callable."""
        return await self.result(ThreadCall(call))

    def _submit(self, work: Callable[[], None]) -> None:
        with self._changed:
            self._waiting.append(work)
            if self._idle >= len(self._waiting):
                self._changed.notify()
                return
            if self._limit is not None and self._threads >= self._limit:
                return
            self._threads += 1
            self._made += 1
            name = f"{self._name}-{self._made}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._idle += 1
                    self._changed.wait_for(lambda: bool(self._waiting), timeout=_IDLE_SECONDS)
                    self._idle -= 1
                    if not self._waiting:
                        self._threads -= 1
                        return
                work = self._waiting.popleft()
            work()
            del work  # an idle thread must not keep the last run's values alive
