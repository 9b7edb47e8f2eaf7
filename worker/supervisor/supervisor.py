"""Keeps worker processes alive: one loop over what happened (a message, a death, a signal, a change of code).

Threads and signal handlers only put events into a queue; all decisions are made here, one after the other.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

from .. import exit_status
from ..metrics_server import MetricsServer, open_metrics_server
from ..options import WorkerOptions
from .child import Child
from .health import ChildHealth, readiness
from .restart import STEADY_AFTER, restart_delay
from .summary import Summary
from .sums import MetricSums

logger = logging.getLogger("bgjobs.supervisor")

WORKER_COMMAND = (sys.executable, "-m", "bgjobs.worker.process")
#: Seconds that a child may take beyond the shutdown time-out before it is killed.
KILL_AFTER = 15.0
#: The same after a second signal.
KILL_AFTER_ABORT = 5.0
SUMMARY_EVERY = 10.0
#: Seconds that one scrape waits for a child's numbers; a child that doesn't answer is shown as last reported.
SCRAPE_WAIT = 0.5


@dataclass(slots=True)
class Place:
    """One of the `--processes` places, filled by one child after the other."""

    index: int
    child: Child | None = None
    start_at: float | None = None  # monotonic; when the next child is due
    deaths: int = 0  # in a row
    starts: int = 0


class Supervisor:
    """The parent process. `run` returns the exit status when all children have ended."""

    def __init__(
        self,
        options: WorkerOptions,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        watch_code: Callable[[Callable[[], None]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            options: for all children; `started_us` is filled in here, once, so that a restarted child registers
                nothing new.
            command: what a child is; the descriptor of its line is added as last argument.
            watch_code: called with a function to call from any thread when the code has changed; children are then
                replaced.
            clock: a monotonic clock.
        """
        self._options = replace(options, started_us=options.started_us or time.time_ns() // 1000)
        self._command = command
        self._watch_code = watch_code
        self._clock = clock
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._places = [Place(index) for index in range(options.processes)]
        self._leaving: dict[int, tuple[Child, float]] = {}  # pid -> child that was replaced, when it is killed
        self._sums = MetricSums()
        self._summary = Summary(self._sums)
        self._server: MetricsServer | None = None
        self._stopping = 0  # how often we were told
        self._kill_at = float("inf")
        self._status: int | None = None
        self._proved = False  # a child was ready once: from now on nothing but a signal ends us
        self._turned_at = clock()

    @property
    def metrics_url(self) -> str | None:
        """Where the sum of all numbers is served, once `run` has begun."""
        return self._server.url if self._server else None

    def run(self) -> int:
        """Start the children and keep them alive until a signal. Must be called on the main thread."""
        self._server = open_metrics_server(
            self._options.metrics_host,
            self._options.metrics_port,
            sums=self,
            live=self._live,
            ready=self._ready,
        )
        self._handle_signals()
        if self._server is not None:
            self._server.start()
            logger.info("metrics: %s", self._server.url)
        if self._watch_code is not None:
            self._watch_code(lambda: self._events.put(("changed", None)))
        # The first child alone: what is wrong with target or server is said once. The others follow when it is ready.
        self._places[0].start_at = self._clock()
        try:
            self._loop()
        finally:
            for child in self._children():
                child.kill()
            if self._server is not None:
                self._server.stop()
        logger.info("stopped")
        return exit_status.FINE if self._status is None else self._status

    def collect(self) -> Any:
        """The sum of all children's numbers, fresh, for prometheus-client."""
        deadline = self._clock() + SCRAPE_WAIT
        for child in self._children():
            child.fresh_report(max(0.0, deadline - self._clock()))
        return self._sums.collect()

    def _loop(self) -> None:
        summary_at = self._clock() + SUMMARY_EVERY
        while self._status is None or self._children():
            self._turned_at = now = self._clock()
            if self._stopping and not self._children():
                return
            for place in self._places:
                if place.start_at is not None and place.start_at <= now and not self._stopping:
                    self._start(place)
            for child, kill_at in list(self._leaving.values()):
                if now >= kill_at:
                    child.kill()
            if now >= self._kill_at:
                logger.warning("killing %d processes that did not end in time", len(self._children()))
                self._kill_at = float("inf")
                for child in self._children():
                    child.kill()
            if now >= summary_at:
                line = self._summary.line(SUMMARY_EVERY)
                if line is not None and not self._options.dev:
                    logger.info("%s", line)
                summary_at = now + SUMMARY_EVERY
            try:
                kind, subject = self._events.get(timeout=self._until_next(now, summary_at))
            except Empty:
                continue
            self._on_event(kind, subject)

    def _until_next(self, now: float, summary_at: float) -> float:
        due = [summary_at, self._kill_at, now + 1.0]
        due += [place.start_at for place in self._places if place.start_at is not None]
        due += [kill_at for _, kill_at in self._leaving.values()]
        return max(0.01, min(due) - now)

    def _on_event(self, kind: str, subject: Any) -> None:
        match kind:
            case "ready":
                self._on_ready(subject)
            case "retiring":
                self._replace(subject, subject.retiring)
            case "exited":
                self._on_exited(subject)
            case "stop":
                self._on_stop(subject)
            case "changed":
                self._replace_all("the code has changed")
            case "reload":
                self._replace_all("SIGHUP")

    def _start(self, place: Place) -> None:
        place.start_at = None
        place.starts += 1
        options = self._options
        if self._proved:
            # Redis may be away for hours: a child that was restarted meanwhile waits for it like the others.
            options = replace(options, connect_timeout=float(10**9))
        place.child = Child(
            place.index,
            self._command,
            options,
            on_event=lambda kind, child: self._events.put((kind, child)),
            on_report=self._sums.report,
        )
        logger.debug("started process %d", place.child.pid)

    def _on_ready(self, child: Child) -> None:
        logger.info("process %d is ready", child.pid)
        self._proved = True
        for place in self._places:
            if place.starts == 0 and place.start_at is None:
                place.start_at = self._clock()

    def _on_exited(self, child: Child) -> None:
        self._sums.end(child.pid)
        self._leaving.pop(child.pid, None)
        place = self._places[child.index]
        if place.child is not child:
            return
        place.child = None
        if self._stopping:
            return
        if not self._proved and child.refused is not None:
            self._status = int(child.refused["status"])
            self._stop_all("a worker could not start")
            return
        status = child.process.returncode
        if status == exit_status.USAGE and self._watch_code is not None:
            logger.info("waiting for a change of the code")
            return
        lived = self._clock() - child.started_at
        place.deaths = 1 if lived > STEADY_AFTER else place.deaths + 1
        delay = 0.0 if status == exit_status.FINE and child.ready else restart_delay(place.deaths)
        place.start_at = self._clock() + delay
        logger.warning(
            "process %d %s after %.0f s; %s", child.pid, child.describe_end(), lived, _when(delay, "starting another")
        )

    def _replace(self, child: Child, reason: str) -> None:
        """Start a replacement now; the old child ends by itself when its runs have ended."""
        place = self._places[child.index]
        if place.child is not child or self._stopping:
            return
        logger.info("replacing process %d: %s", child.pid, reason)
        self._leaving[child.pid] = child, self._clock() + self._options.shutdown_timeout + KILL_AFTER
        place.child = None
        place.deaths = 0
        place.start_at = self._clock()

    def _replace_all(self, reason: str) -> None:
        for place in self._places:
            if place.child is not None:
                child = place.child
                self._replace(child, reason)
                child.stop(reason)
            elif not self._stopping and (place.starts or place.index == 0):
                place.deaths, place.start_at = 0, self._clock()

    def _on_stop(self, name: str) -> None:
        self._stopping += 1
        if self._stopping == 1:
            logger.info(
                "stopping (%s): runs may end within %.0f s; again to stop at once", name, self._options.shutdown_timeout
            )
            self._stop_all(name)
        else:
            logger.warning("stopping at once (%s)", name)
            for child in self._children():
                child.abort()
            self._kill_at = min(self._kill_at, self._clock() + KILL_AFTER_ABORT)

    def _stop_all(self, reason: str) -> None:
        self._stopping = max(1, self._stopping)
        self._kill_at = self._clock() + self._options.shutdown_timeout + KILL_AFTER
        for child in self._children():
            child.stop(reason)

    def _children(self) -> list[Child]:
        filled = [place.child for place in self._places if place.child is not None]
        return filled + [child for child, _ in list(self._leaving.values())]

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._events.put(("stop", signal.Signals(number).name)))
        # nohup has the hang-up ignored, and so it stays. At a terminal it means that the terminal was closed.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            what = ("stop", "SIGHUP") if sys.stdin is not None and sys.stdin.isatty() else ("reload", None)
            signal.signal(signal.SIGHUP, lambda *_: self._events.put(what))

    def _live(self) -> tuple[bool, dict[str, Any]]:
        age = self._clock() - self._turned_at
        return age < 30.0, {"live": age < 30.0, "last_turn": round(age, 1)}

    def _ready(self) -> tuple[bool, dict[str, Any]]:
        children = [
            ChildHealth(
                index=place.index,
                pid=child.pid if (child := place.child) else None,
                ready=bool(child and child.ready),
                stopping=str(child.last.get("stopping", "")) if child else "",
                running=int(child.last.get("running", 0)) if child else 0,
                progress_age=child.progress_age if child else None,
                restarts=max(0, place.starts - 1),
            )
            for place in self._places
        ]
        return readiness(children, stopping=bool(self._stopping))


def _when(delay: float, what: str) -> str:
    return f"{what} in {delay:.1f} s" if delay else f"{what} now"
