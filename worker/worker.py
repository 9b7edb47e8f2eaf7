"""The engine of a worker process: registers the app, and lives through one incarnation after another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
import time

from ..broker.agreement import agree
from ..broker.broker import Broker
from ..broker.connection import Endpoint
from ..broker.conversation import talk_async
from ..broker.errors import RedisUnavailable
from ..broker.failures import Failure, classify, described
from ..broker.patience import Patience
from ..broker.server_info import read_server_info, require_fit
from ..broker.wire import LoopWire
from ..define.app import App
from ..version import __version__
from .catalog import Catalog
from .committer import Committer
from .events import StepEvents
from .executor import Executor
from .heartbeat import LeaseLoss
from .host import Host
from .incarnation import Incarnation
from .invocations import NamespaceFunctions
from .isolation import IsolatedProcesses
from .loading import load_functions
from .logs import RunLog
from .loop import Loop
from .metrics import WorkerMetrics
from .options import WorkerOptions
from .ports import Services
from .registration import register_app, served_queues
from .sampler import Sampler
from .stopping import let_runs_end
from .threads import ThreadPool
from .ticks import Ticks
from .trimming import Trimming

logger = logging.getLogger("bgjobs.worker")

_CONNECT_SECONDS = 5.0
_OLD_TASKS_SECONDS = 10.0  # how long runs of a lost lease may take to end before a new incarnation begins beside them


class Worker:
    """See `engine_port.Engine`."""

    def __init__(self, app: App, options: WorkerOptions, *, metrics: WorkerMetrics, log: RunLog) -> None:
        self._app = app
        self._options = options
        self._metrics = metrics
        self._log = log
        self._endpoint = Endpoint(options.redis_url)
        self._deployment = options.deployment or app.deployment
        self._started_us = options.started_us or time.time_ns() // 1000
        self._offset_ms = 0
        self._broker: Broker | None = None
        self._incarnation: Incarnation | None = None
        self._loops: list[Loop] = []
        self._stopping = asyncio.Event()
        self._aborting = asyncio.Event()
        self._lost = asyncio.Event()
        self._finished_before = 0

    # What the process around it asks.

    @property
    def runs_finished(self) -> int:
        return self._finished_before + (self._incarnation.host.finished if self._incarnation else 0)

    @property
    def running(self) -> int:
        return self._incarnation.host.running if self._incarnation else 0

    @property
    def incarnation(self) -> str:
        return self._incarnation.id if self._incarnation else ""

    @property
    def last_progress(self) -> float:
        return self._incarnation.committer.last_progress if self._incarnation else 0.0

    @property
    def broker(self) -> Broker:
        assert self._broker is not None, "start() has not been called"
        return self._broker

    @property
    def offset_ms(self) -> int:
        """By how much the scripts' time is moved; for tests."""
        return self._offset_ms

    @offset_ms.setter
    def offset_ms(self, value: int) -> None:
        self._offset_ms = value
        if self._broker is not None:
            self._broker.offset_ms = value
        if self._incarnation is not None:
            self._incarnation.committer.poke()

    async def start(self) -> None:
        """Connect, check the server, register the app, and begin to work."""
        self._queues = served_queues(self._app, self._options.queues)
        await self._check_server()
        broker = Broker(self._endpoint, self._options.namespace, offset_ms=self._offset_ms)
        try:
            await broker.load()
            self._broker = broker
            await self._register()
            self._catalog = Catalog(broker, self._app.id)
            await self._catalog.read()
            self._inline_max = await broker.inline_max()
            self._invocations = NamespaceFunctions(self._app, broker)
            await self._invocations.read()
        except Exception as error:
            await broker.aclose()
            if classify(error) is Failure.FATAL:
                raise
            raise RedisUnavailable(f"Redis at {self._endpoint} did not answer ({described(error)}).") from error
        self._threads = ThreadPool(self._options.sync_threads)
        self._isolated = IsolatedProcesses(self._app, self._options)
        self._functions = load_functions(self._app, self._metrics, self._isolated)
        self._ticks = Ticks(self._app, broker, inline_max=self._inline_max, metrics=self._metrics)
        await self._begin()
        sampler = Sampler(broker, self._metrics)
        self._loops = [
            Loop("trim", Trimming(broker).tick, every=30.0),
            Loop("sample", sampler.tick, every=15.0),
            Loop("registries", self._invocations.read_on, every=30.0),
        ]
        for each in self._loops:
            each.start()

    async def run(self) -> None:
        """Work until a stop was requested."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                lost = asyncio.ensure_future(self._lost.wait())
                await asyncio.wait({stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
                lost.cancel()
                if self._lost.is_set():
                    await self._be_born_again()
        finally:
            stopping.cancel()
        await self._leave()

    def request_stop(self) -> None:
        self._stopping.set()
        if self._incarnation is not None:
            self._incarnation.stop_leasing()

    def abort(self) -> None:
        self.request_stop()
        self._aborting.set()

    async def _check_server(self) -> None:
        wire = LoopWire(self._endpoint)
        try:
            patience = Patience(str(self._endpoint), min(_CONNECT_SECONDS, self._options.connect_timeout))
            for finding in require_fit(await talk_async(read_server_info(patience), wire)):
                logger.warning("%s %s", finding.what, finding.remedy)
            await talk_async(agree(f"bgjobs:{{{self._options.namespace}}}:conf", patience), wire)
        finally:
            await wire.aclose()

    async def _register(self) -> None:
        await register_app(
            self._app,
            self.broker,
            deployment=self._deployment,
            started_us=self._started_us,
            start_at=self._options.start_at,
        )

    async def _begin(self, before: Host | None = None) -> None:
        """Begin a new incarnation; what is left of `before` keeps its room."""
        functions = frozenset(self._app.functions)
        self._lost.clear()
        incarnation = Incarnation(
            self.broker,
            app=self._app.id,
            options=self._options,
            info={
                "deployment": self._deployment,
                "version": self._app.version,
                "bgjobs": __version__,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started": time.time_ns() // 1_000_000,
                "concurrency": self._options.concurrency,
                "queues": " ".join(self._queues),
                "functions": " ".join(sorted(functions)),
            },
            functions=functions,
            queues=tuple(f"{self._app.id}:{queue}" for queue in self._queues),
            catalog=self._catalog,
            ticks=self._ticks,
            metrics=self._metrics,
            inline_max=self._inline_max,
            make_host=self._host,
            register=self._register,
            on_lost=self._on_lost,
        )
        if before is not None:
            before.keep_room(incarnation.capacity)
        await incarnation.begin()
        self._incarnation = incarnation

    def _host(self, committer: Committer) -> Host:
        services = Services(
            committer=committer,
            run_log=self._log,
            random=random.random,
            invocations=self._invocations,
            events=StepEvents(),
        )
        return Host(
            Executor(self._functions, services, self._threads),
            self.broker.read_rest,
            forgo=committer.forgo,
            suspect_ended=committer.ask,
        )

    def _on_lost(self, why: LeaseLoss) -> None:
        logger.warning("this worker lost its lease (%s); it begins again when its old tasks have ended", why.value)
        self._lost.set()

    async def _be_born_again(self) -> None:
        """After the loss of the lease: end the old tasks, then begin as a new incarnation (R20)."""
        old = self._incarnation
        assert old is not None
        await old.abandon()
        if not await old.host.wait(_OLD_TASKS_SECONDS):
            stuck = old.host.running
            logger.warning("%d runs of before do not end; their threads take up room until they do", stuck)
            if stuck >= self._options.concurrency:
                logger.error("no room is left beside them: this process ends")
                self._stopping.set()
        self._finished_before += old.host.finished
        self._incarnation = None
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._register()
                await self._begin(old.host)
                return
            except Exception as error:
                failures += 1
                kind = classify(error)
                self._metrics.redis_error(kind.value)
                if failures == 1 or failures % 20 == 0:
                    logger.warning("can't begin again yet: %s", described(error))
                with contextlib.suppress(Exception):
                    await self.broker.reconnect()
                await asyncio.sleep(random.uniform(0.5, 1.0) * min(2.0, 0.05 * 2 ** min(failures, 6)))

    async def _leave(self) -> None:
        """Let runs end, hand the rest back, say goodbye."""
        incarnation = self._incarnation
        for each in self._loops:
            await each.stop()
        if incarnation is not None:
            incarnation.stop_leasing()
            await let_runs_end(incarnation.host, self._options.shutdown_timeout, self._aborting)
            await incarnation.leave()
            await self._isolated.close()
        await self.broker.aclose()
