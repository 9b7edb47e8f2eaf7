"""One worker process: the child of a supervisor, around one engine on one event loop.

Life: hear from the supervisor what to do, load the target, wait for Redis, register, work, and at the end of the
supervisor, of its share (recycling) or on a signal: stop leasing, let runs end, hand the rest back, report the
last numbers, leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from ..broker.errors import BgjobsError, RedisUnavailable
from . import exit_status, logs
from .channel import Channel
from .engine_port import Engine, EngineFactory
from .garbage import look_seldom
from .logs import RunLog
from .metric_report import ReportWriter
from .metrics import WorkerMetrics
from .options import WorkerOptions
from .recycle import reason_to_recycle, resident_bytes
from .watchdog import Watchdog

logger = logging.getLogger("bgjobs.worker")

#: Seconds between unasked reports to the supervisor: what a child killed with -9 can lose of its counts.
REPORT_EVERY = 1.0
#: Seconds that leaving may take beyond the shutdown time-out before the process ends itself.
LEAVE_WITHIN = 10.0


class WorkerProcess:
    """What surrounds the engine: the line to the supervisor, signals, watchdog, recycling, numbers."""

    def __init__(self, options: WorkerOptions, channel: Channel, factory: EngineFactory) -> None:
        self._options = options
        self._channel = channel
        self._factory = factory
        self._metrics = WorkerMetrics()
        self._writer = ReportWriter()
        self._report_lock = threading.Lock()
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._ready = False
        self._stopping = ""  # the reason

    def run(self) -> int:
        """Work until told to stop. Returns the exit status."""
        threading.Thread(target=self._listen, name="bgjobs-listen", daemon=True).start()
        threading.Thread(target=self._report_on, name="bgjobs-report", daemon=True).start()
        try:
            # Before there is a loop: importing the target may take long, and is nobody's stall.
            self._engine = self._factory(self._options, self._metrics, RunLog(each_run=self._options.dev))
            return self._run_loop(self._engine)
        except BgjobsError as error:
            logger.error("%s", error)
            self._channel.send("refused", status=error.exit_code, message=str(error))
            return error.exit_code
        except BaseException as error:
            logger.exception("this worker process failed")
            self._channel.send("refused", status=exit_status.FAILED, message=f"{type(error).__name__}: {error}")
            return exit_status.FAILED
        finally:
            self._ended.set()
            self._report()

    def _run_loop(self, engine: Engine) -> int:
        # Not asyncio.run: it waits without bound for threads, and abandoned `def` functions may never end.
        self._loop = _new_event_loop()
        asyncio.set_event_loop(self._loop)
        try:
            work = self._loop.create_task(self._work(engine), name="bgjobs-work")
            while True:
                try:
                    return self._loop.run_until_complete(work)
                except (KeyboardInterrupt, SystemExit) as error:
                    # Raised in a task that user code made, they stop the loop, while that task keeps them for whoever
                    # awaits it. They end that run's attempt, not the process with everybody else's runs.
                    if work.done():
                        raise
                    logger.warning("a task of a run raised %s; the process goes on", type(error).__name__)
        finally:
            with contextlib.suppress(Exception):
                _cancel_leftovers(self._loop)
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _work(self, engine: Engine) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._request_stop, "SIGTERM")
        watchdog = Watchdog(loop, max_stall=self._options.max_stall)
        watchdog.start()
        recycling: asyncio.Task[None] | None = None
        try:
            self._starting = loop.create_task(self._start(engine), name="bgjobs-start")
            if self._stopping:
                self._starting.cancel()
            try:
                await self._starting
            except asyncio.CancelledError:
                if not self._stopping:
                    raise
                return exit_status.FINE
            look_seldom()
            self._ready = True
            self._channel.send("ready", incarnation=engine.incarnation)
            recycling = loop.create_task(self._recycle(engine), name="bgjobs-recycle")
            await engine.run()
            return exit_status.FINE
        finally:
            watchdog.stop()
            if recycling is not None:
                recycling.cancel()

    async def _start(self, engine: Engine) -> None:
        """Start the engine; while Redis can't be reached, wait and say so."""
        give_up_at = time.monotonic() + self._options.connect_timeout
        said_at = 0.0
        while True:
            try:
                await engine.start()
                break
            except RedisUnavailable as error:
                now = time.monotonic()
                if now >= give_up_at:
                    raise
                if now - said_at >= 5.0:
                    logger.warning("waiting for Redis: %s", error.what)
                    said_at = now
                await asyncio.sleep(random.uniform(0.2, 1.0))
        self._metrics.watch_gauge("bgjobs_runs_running", lambda: float(engine.running))

    async def _recycle(self, engine: Engine) -> None:
        options = self._options
        while not self._stopping:
            reason = reason_to_recycle(
                runs_finished=engine.runs_finished,
                resident=resident_bytes() if options.max_memory else 0,
                max_runs=options.max_runs_per_process,
                max_memory=options.max_memory,
            )
            if reason is not None:
                # Told first, so that the replacement starts while this process lets its runs end.
                self._channel.send("retiring", reason=reason)
                self._request_stop(reason)
                return
            await asyncio.sleep(0.2)

    def _request_stop(self, reason: str) -> None:
        if self._stopping:
            return
        self._stopping = reason
        logger.info("stopping: %s", reason)
        if self._ready and self._engine is not None:
            self._engine.request_stop()
        elif self._starting is not None:
            self._starting.cancel()
        deadline = self._options.shutdown_timeout + LEAVE_WITHIN
        timer = threading.Timer(deadline, self._leave_now, ("runs did not end",))
        timer.daemon = True
        timer.start()

    def _abort(self) -> None:
        self._request_stop("at once")
        if self._ready and self._engine is not None:
            self._engine.abort()

    def _leave_now(self, reason: str) -> None:
        if not self._ended.is_set():
            logger.error("leaving without having handed back all runs: %s", reason)
            self._report()
            logging.shutdown()
            os._exit(exit_status.FAILED)

    def _listen(self) -> None:
        for message in self._channel.messages():
            match message["kind"]:
                case "stop":
                    self._on_loop(self._request_stop, message["reason"])
                case "abort":
                    self._on_loop(self._abort)
                case "report":
                    self._report(message["number"])
                case _:
                    logger.debug("unknown message %s", message["kind"])
        self._on_loop(self._request_stop, "the supervisor is gone")

    def _on_loop(self, call: Callable[..., None], *args: object) -> None:
        """Call on the loop. Before there is one nothing is at stake, and the process just ends."""
        if self._ended.is_set():
            return
        if self._loop is None:
            os._exit(exit_status.FINE)
        with contextlib.suppress(RuntimeError):  # the loop has been closed: we are leaving anyway
            self._loop.call_soon_threadsafe(call, *args)

    def _report_on(self) -> None:
        while not self._ended.wait(REPORT_EVERY) and self._report():
            pass

    def _report(self, number: int = 0) -> bool:
        engine = self._engine
        with self._report_lock:
            return self._channel.send(
                "status",
                number=number,
                ready=self._ready,
                stopping=self._stopping,
                running=engine.running if engine else 0,
                finished=engine.runs_finished if engine else 0,
                progress_age=round(time.monotonic() - engine.last_progress, 3) if engine else None,
                metrics=self._writer.write(self._metrics.collect()),
            )


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))


def _die_with_parent() -> None:
    """On Linux, have the kernel tell us at once when the supervisor dies; elsewhere the closed channel does."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _leave(status: int) -> NoReturn:
    """End the process; not by way of the interpreter's end if a thread is left that it would wait for."""
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    if all(thread.daemon for thread in others):
        sys.exit(status)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(factory: EngineFactory) -> NoReturn:
    """Be a worker process. The last argument of the command is the descriptor of the line to the supervisor."""
    # What Ctrl-C means is the supervisor's business; the terminal sends it to the whole group.
    signal.signal(signal.SIGINT, lambda *_: None)
    channel = Channel.from_descriptor(int(sys.argv[-1]))
    _die_with_parent()
    first = channel.receive()
    if first is None:
        sys.exit(exit_status.FINE)
    options = WorkerOptions.from_dict(first["options"])
    logs.configure(options.log_level, options.log_format, show_pid=options.processes > 1)
    _leave(WorkerProcess(options, channel, factory).run())


def _engine_of_target(options: WorkerOptions, metrics: WorkerMetrics, log: RunLog) -> Engine:
    from .target import load_app
    from .worker import Worker

    app = load_app(options.target)
    options = replace(
        options, redis_url=options.redis_url or app.redis_url, namespace=options.namespace or app.namespace
    )
    return Worker(app, options, metrics=metrics, log=log)


if __name__ == "__main__":
    serve(_engine_of_target)
