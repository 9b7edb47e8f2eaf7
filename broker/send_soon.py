"""Sending without waiting: events gather in a buffer and a thread of ours writes them.

For places that must never block or fail because of an event: the buffer is bounded, whatever can't be sent is dropped,
counted and logged. One thread per process serves callers of all threads and event loops; a forked child starts with an
empty buffer, because the parent still sends what is in its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from .defaults import BULK_CHUNK_EVENTS, RESEND_WINDOW_SECONDS, SEND_SOON_BUFFER, SEND_SOON_EXIT_SECONDS
from .errors import BgjobsError, RedisUnavailable
from .outgoing import Outgoing
from .receipt import BulkReceipt

_log = logging.getLogger("bgjobs.send_soon")
_PAUSE_SECONDS = 0.5  # after a bounded wait that failed; that wait has its own back-off
_LOG_EVERY_SECONDS = 10.0

#: Writes events; raises BgjobsError if none of them could be written.
Write = Callable[[list[Outgoing]], BulkReceipt]


class SendSoon:
    """The buffer and the thread behind `send_soon`.

    Args:
        write: writes a batch, blocking.
        limit: how many events may wait.
    """

    def __init__(self, write: Write, *, limit: int = SEND_SOON_BUFFER) -> None:
        self._write = write
        self._limit = limit
        self._begin()
        atexit.register(self._at_exit)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[Outgoing] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()  # one batch at a time, whoever writes it: order is kept
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._logged_at = float("-inf")
        self.dropped = 0

    def add(self, event: Outgoing) -> None:
        """Take an event over; never blocks for longer than it takes to append to a list."""
        if self._pid != os.getpid():
            self._begin()
        with self._changed:
            if len(self._waiting) >= self._limit:
                self._drop(1, f"{self._limit} events are waiting already")
                return
            self._waiting.append(event)
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._changed.notify()

    def drop(self, reason: str) -> None:
        """Count an event that could not even be put into the buffer."""
        if self._pid != os.getpid():
            self._begin()
        with self._changed:
            self._drop(1, reason)

    def flush(self, timeout: float) -> int:
        """Write what is waiting, from the calling thread.

        Args:
            timeout: seconds after which no further batch is begun.

        Returns:
            How many events are still waiting.
        """
        if self._pid != os.getpid():
            self._begin()
        deadline = time.monotonic() + timeout
        while self._waiting and time.monotonic() < deadline:
            if not self._write_batch(wait=max(0.0, deadline - time.monotonic())):
                break
        # A batch that the thread took before is no longer waiting, but not written either.
        if self._writing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._writing.release()
        return len(self._waiting)

    def close(self, timeout: float = SEND_SOON_EXIT_SECONDS) -> int:
        """Flush, and stop the thread. What is still waiting then is dropped and counted."""
        left = self.flush(timeout)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            if left:
                self._drop(left, "the process ends")
                self._waiting.clear()
        atexit.unregister(self._at_exit)
        return left

    def _start(self) -> None:
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="bgjobs-send-soon", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is shutting down: `_at_exit` writes what is waiting
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
            if not self._write_batch(wait=None):
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, timeout=_PAUSE_SECONDS)

    def _write_batch(self, *, wait: float | None) -> bool:
        """Write one batch; False if the server is away. What gathers meanwhile goes out together with the next."""
        if not self._writing.acquire(timeout=-1 if wait is None else wait):
            return False
        try:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BULK_CHUNK_EVENTS))]
            if not batch:
                return True
            try:
                receipt = self._write(batch)
            except RedisUnavailable as error:
                self._keep(batch, error)
                return False
            except BgjobsError as error:
                with self._changed:
                    self._drop(len(batch), str(error))
                return True
            self._account(batch, receipt)
            return True
        finally:
            self._writing.release()

    def _account(self, batch: list[Outgoing], receipt: BulkReceipt) -> None:
        away: list[Outgoing] = []
        for event, outcome in zip(batch, receipt, strict=True):
            if isinstance(outcome, RedisUnavailable):
                away.append(event)
            elif isinstance(outcome, BgjobsError):
                with self._changed:
                    self._drop(1, str(outcome))
        if away:
            self._keep(away, RedisUnavailable("Redis went away in the middle of a batch."))

    def _keep(self, batch: list[Outgoing], error: RedisUnavailable) -> None:
        """Put events back, except those whose duplicate would no longer be recognised (R2)."""
        now = time.monotonic()
        keep = []
        for event in batch:
            if event.resent and event.doubtful_since is None:
                event.doubtful_since = now
            if event.doubtful_since is None or now - event.doubtful_since < RESEND_WINDOW_SECONDS / 2:
                keep.append(event)
        with self._changed:
            self._waiting.extendleft(reversed(keep))
            if len(keep) < len(batch):
                self._drop(len(batch) - len(keep), f"it is not known whether they were written: {error.what}")

    def _drop(self, count: int, reason: str) -> None:
        self.dropped += count
        now = time.monotonic()
        if now - self._logged_at > _LOG_EVERY_SECONDS:
            self._logged_at = now
            _log.error("%d events of send_soon were dropped so far; the last: %s", self.dropped, reason)

    def _at_exit(self) -> None:
        if self._pid == os.getpid():
            self.close()
