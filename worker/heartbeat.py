"""Keeps this incarnation's lease alive from a thread with its own connection, so that a blocked event loop keeps
its runs.

The lease is counted from *before* a beat was sent: the server starts the TTL when it executes the beat, at the
earliest then, so what we believe ends no later than what the server holds (R19). A second thread watches the
clock, because a beat can hang in a socket or a name look-up for longer than the lease lasts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from .metrics import WorkerMetrics

logger = logging.getLogger("bgjobs.worker.heartbeat")


class LeaseLoss(StrEnum):
    """Why an incarnation must not go on."""

    GONE = "gone"  # the server says that the lease expired and others may have the runs
    UNREACHABLE = "unreachable"  # no beat got through for TTL less the margin; others may have the runs any moment


class Heartbeat:
    """Beats until stopped or until the lease is lost, and then says so once."""

    def __init__(
        self,
        send: Callable[[], bool],
        *,
        lease_ttl: float,
        on_lost: Callable[[LeaseLoss], None],
        leased_at: float | None = None,
        interval: float | None = None,
        margin: float | None = None,
        metrics: WorkerMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            send: one beat, on a connection of its own; False if the server answered GONE. Raises when it got no
                answer; its own time-outs should be shorter than `interval`.
            lease_ttl: seconds a beat is good for.
            on_lost: called once, from one of the threads, when this incarnation lost its lease; then no more beats
                are sent.
            leased_at: `clock()` from before the lease was first taken; now if omitted.
            interval: seconds between beats; a third of the TTL if omitted.
            margin: seconds before the end of the lease at which this worker gives up by itself; a fifth of the
                TTL, so that its tasks have ended before others take over.
            metrics: counts failed beats as `redis_errors_total{kind="beat"}`.
            clock: a monotonic clock.
        """
        self._send = send
        self._ttl = lease_ttl
        self._interval = lease_ttl / 3 if interval is None else interval
        self._margin = lease_ttl / 5 if margin is None else margin
        self._on_lost = on_lost
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lost: LeaseLoss | None = None
        self.leased_at = clock() if leased_at is None else leased_at
        self._beats = threading.Thread(target=self._beat_on, name="bgjobs-beat", daemon=True)
        self._guard = threading.Thread(target=self._guard_lease, name="bgjobs-lease", daemon=True)

    @property
    def lost(self) -> LeaseLoss | None:
        """Why the lease was lost, or None while it holds."""
        return self._lost

    @property
    def lease_left(self) -> float:
        """Seconds until this worker has to give up unless a beat gets through; negative if it had to."""
        return self.leased_at + self._ttl - self._margin - self._clock()

    def start(self) -> None:
        """Begin to beat."""
        self._beats.start()
        self._guard.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop beating; waits at most `timeout` seconds for a beat that is on its way."""
        self._stopped.set()
        for thread in (self._beats, self._guard):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(timeout)

    def _beat_on(self) -> None:
        failing_since: float | None = None
        wait = self._interval
        while not self._stopped.wait(wait):
            before = self._clock()
            try:
                ours = self._send()
            except Exception as error:
                if self._metrics is not None:
                    self._metrics.redis_error("beat")
                if failing_since is None:
                    failing_since = before
                    logger.warning("no heartbeat: %s; runs are kept for %.1f s more", error, max(0.0, self.lease_left))
                # Several more tries fit into what is left of the lease.
                wait = min(1.0, self._interval / 3) * random.uniform(0.5, 1.0)
                continue
            if not ours:
                self._lose(LeaseLoss.GONE)
                return
            if failing_since is not None:
                logger.info("heartbeat is back after %.1f s", self._clock() - failing_since)
                failing_since = None
            with self._lock:
                self.leased_at = before
            # Jitter spreads the beats of workers that were started together.
            wait = max(0.0, self._interval * random.uniform(0.9, 1.0) - (self._clock() - before))

    def _guard_lease(self) -> None:
        while not self._stopped.wait(max(0.01, min(self.lease_left, self._interval))):
            if self.lease_left <= 0:
                self._lose(LeaseLoss.UNREACHABLE)
                return

    def _lose(self, why: LeaseLoss) -> None:
        with self._lock:
            if self._lost is not None or self._stopped.is_set():
                return
            self._lost = why
        self._stopped.set()
        if why is LeaseLoss.GONE:
            logger.warning("the lease of this worker expired; others go on with its runs")
        else:
            logger.warning("no heartbeat for %.1f s: giving up the runs of this worker", self._clock() - self.leased_at)
        try:
            self._on_lost(why)
        except Exception:
            logger.exception("could not act on the lost lease")
