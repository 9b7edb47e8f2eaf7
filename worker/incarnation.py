"""One incarnation of this worker: from enlisting to the loss of its lease, or its goodbye. Its id is never reused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from ..broker.broker import Broker, SyncBroker
from ..broker.connection import AsyncRedis
from ..broker.failures import classify
from ..broker.model import CronDue, LeasedRun
from ..broker.stream import GroupLost, StreamReader
from ..broker.transitions import beat, delist, enlist
from .bell import BellWatch
from .capacity import Capacity
from .catalog import Catalog
from .committer import Committer, Handlers
from .decisions import Decider
from .heartbeat import Heartbeat, LeaseLoss
from .host import Host
from .ingester import Ingester
from .lease_state import LeaseState
from .loop import Loop, cancel_until_done
from .metrics import WorkerMetrics
from .options import WorkerOptions
from .settle import Settler
from .takeover import TakeOver
from .ticks import Ticks

logger = logging.getLogger("bgjobs.worker")


class Incarnation:
    """The loops that need a lease, and what they share."""

    def __init__(
        self,
        broker: Broker,
        *,
        app: str,
        options: WorkerOptions,
        info: Mapping[str, str | int],
        functions: frozenset[str],
        queues: tuple[str, ...],
        catalog: Catalog,
        ticks: Ticks,
        metrics: WorkerMetrics,
        inline_max: int,
        make_host: Callable[[Committer], Host],
        register: Callable[[], Awaitable[None]],
        on_lost: Callable[[LeaseLoss], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        self._broker = broker
        self._options = options
        self._info = {"app": app, **info}
        self._register = register
        self._on_lost = on_lost
        self.lease = LeaseState(self.id)
        self.capacity = Capacity(options.concurrency)
        self._ticks = ticks
        self._firing: set[str] = set()
        self._fires: set[asyncio.Task[None]] = set()
        self._metrics = metrics
        handlers = Handlers(
            leased=self._leased,
            resolved=lambda resolution: self.host.resolved(resolution),
            cron=self._cron_due,
            holds_suspect=lambda: self.host.holds_suspect(),
        )
        self.committer = Committer(
            broker, self.lease, app=app, queues=queues, capacity=self.capacity, handlers=handlers, metrics=metrics,
            inline_max=inline_max, functions=functions,
        )  # fmt: skip
        self.host = make_host(self.committer)
        self._blocking_reads = broker.endpoint.blocking_line()
        self._blocking_bells: AsyncRedis = broker.endpoint.blocking_client()
        self._reader = StreamReader(self._blocking_reads, broker.client, broker.keys, app=app, consumer=self.id)
        self._decider = Decider(app, catalog, metrics)
        self.ingester = Ingester(
            broker, self._reader, self.lease, app=app, catalog=catalog, decider=self._decider, capacity=self.capacity,
            committer=self.committer, metrics=metrics, inline_max=inline_max, leased=self._leased,
            most_ready=options.most_ready, own_queue=lambda matcher: frozenset(
                each.key for function, each in matcher.definitions.items() if function not in functions
            ),
        )  # fmt: skip
        settler = Settler(broker, self.lease, self.host, self.committer)
        take_over = TakeOver(self._reader, self._decider, self.ingester)
        bells = BellWatch(self._blocking_bells, broker.keys, self.lease, self.capacity, self.committer)
        self._ingest_loop = Loop("ingest", self._ingest, failed=self._failed)
        self._loops = [
            Loop("bells", bells.tick, failed=self._failed),
            Loop("settle", settler.tick, every=0.5, failed=self._failed),
            Loop("take-over", take_over.tick, every=5.0, failed=self._failed),
        ]
        self._committing: asyncio.Task[None] | None = None
        self._beats: SyncBroker | None = None
        self._heartbeat: Heartbeat | None = None

    async def begin(self) -> None:
        """Enlist, and start to work."""
        ttl = self._options.lease_ttl
        before = time.monotonic()
        await self._broker.do(enlist(self.id, ttl_ms=round(ttl * 1000), info=self._info))
        beats = self._beats = SyncBroker(
            self._broker.endpoint, self._broker.namespace, timeout=ttl / 4, offset_ms=self._broker.offset_ms
        )
        interval = ttl / 3
        call = beat(self.id, ttl_ms=round(ttl * 1000), interval_ms=round(interval * 1000))

        def send() -> bool:
            beats.offset_ms = self._broker.offset_ms
            return beats.do(call)[0]

        loop = asyncio.get_running_loop()

        def lost(why: LeaseLoss) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: we are leaving anyway
                loop.call_soon_threadsafe(self._on_lost, why)

        self._heartbeat = Heartbeat(send, lease_ttl=ttl, on_lost=lost, leased_at=before, metrics=self._metrics)
        self._heartbeat.start()
        self._committing = loop.create_task(self.committer.run(), name="bgjobs-commit")
        self._ingest_loop.start()
        for each in self._loops:
            each.start()

    def stop_leasing(self) -> None:
        """Take no more runs."""
        self.lease.leasing = False
        self.committer.poke()

    async def leave(self) -> None:
        """Say goodbye: what is still held goes back, the consumer is deleted. If Redis is away, the lease tells."""
        await self._ingest_loop.stop()
        self._blocking_reads.close()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await self.ingester.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.committer.drain()
        await self._stop()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                while await self._broker.do(delist(self.id)) >= 200:
                    pass
                await self._reader.leave()

    async def abandon(self) -> None:
        """The lease is lost: end everything, write nothing more."""
        self.lease.leasing = False
        await self._ingest_loop.stop()
        self.host.each(lambda execution: execution.abandon())
        await self._stop()
        self.committer.give_up()

    async def _stop(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        for each in (self._ingest_loop, *self._loops):
            await each.stop()
        tasks = [task for task in (self._committing, *self._fires) if task is not None]
        for task in tasks:
            await cancel_until_done(task)
        self._blocking_reads.close()
        with contextlib.suppress(Exception):
            await self._blocking_bells.aclose()
            await self._blocking_bells.connection_pool.disconnect()
        if self._beats is not None:
            self._beats.close()

    async def _ingest(self) -> float | None:
        try:
            return await self.ingester.tick()
        except GroupLost:
            logger.warning("the app's group is gone from the stream; registering again")
            await self._register()
            return 0.1

    def _leased(self, run: LeasedRun) -> None:
        self.host.start(run)

    def _cron_due(self, due: CronDue) -> None:
        if due.entry in self._firing:
            return
        self._firing.add(due.entry)
        task = asyncio.get_running_loop().create_task(self._fire(due))
        self._fires.add(task)
        task.add_done_callback(self._fires.discard)

    async def _fire(self, due: CronDue) -> None:
        try:
            await self._ticks.fire(due, await self._broker.now_ms())
            self.committer.poke()
        except Exception as error:
            self._failed(error)
            logger.exception("the tick of %s could not be fired; it is tried again", due.entry)
        finally:
            self._firing.discard(due.entry)

    def _failed(self, error: BaseException) -> None:
        self._metrics.redis_error(classify(error).value)
