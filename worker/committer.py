"""The committer: user tasks put fenced operations here, and one task carries them to Redis, many in one call.

Group commit without a timer: while a call is in flight operations gather, and leave together in the next. The same call
fires timers and leases: one round trip for all. A cancelled user task breaks no connection; its operation goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..broker.broker import Broker
from ..broker.defaults import MAX_FLUSH_BYTES, MAX_OPERATIONS_PER_CALL
from ..broker.failures import Failure, classify, script_erred
from ..broker.model import OK, Answer, CronDue, LeasedRun, PumpReply, Resolution, Status
from ..broker.operations import Operation
from ..broker.transitions import pump
from .capacity import Capacity
from .lease_state import LeaseState
from .metrics import WorkerMetrics

logger = logging.getLogger("bgjobs.worker")

SWEEP_EVERY = 0.25  # seconds between looks for dead workers and cron ticks while busy
REFUSED_PAUSE = 0.25  # seconds until a worker that was refused a lease asks again
IDLE_PUMP = 5.0  # seconds an idle worker goes without a pump at most

#: Operations after which the run is no longer on this worker.
_LEAVING = frozenset("Ccfrbmxs")


@dataclass(slots=True, kw_only=True)
class Handlers:
    """Who is told of what a pump brings."""

    leased: Callable[[LeasedRun], None]
    resolved: Callable[[Resolution], None]
    cron: Callable[[CronDue], None]
    holds_suspect: Callable[[], bool]


class Committer:
    """Carries operations, and leases when it is asked to."""

    def __init__(
        self,
        broker: Broker,
        lease: LeaseState,
        *,
        app: str,
        queues: Sequence[str],
        capacity: Capacity,
        handlers: Handlers,
        metrics: WorkerMetrics,
        inline_max: int,
        functions: frozenset[str],
    ) -> None:
        self._broker = broker
        self._lease = lease
        self._app = app
        self._queues = tuple(queues)
        self._all_queues = self._queues
        self._capacity = capacity
        self._handlers = handlers
        self._metrics = metrics
        self._inline_max = inline_max
        self._functions = functions
        self._waiting: deque[tuple[Operation, asyncio.Future[Answer]]] = deque()
        self._wake = asyncio.Event()
        self._wanted = True  # ready runs may be there
        self._swept_at = 0.0
        self._sweep_due_at = 0.0  # when the next cron tick or timer is due, as the last sweep saw it
        self._due_at = 0.0
        self._overdue = False  # a call is to be made now, and to look at everything
        self.looked = asyncio.Event()  # the call that `poke` asked for has been made
        self.troubled = False  # the last call failed: its operations wait for the next
        self.last_progress = time.monotonic()

    @property
    def bell_queues(self) -> tuple[str, ...]:
        """The queues whose bells concern this worker."""
        return self._all_queues

    @property
    def idle(self) -> bool:
        return not self._waiting

    def commit(self, operation: Operation) -> asyncio.Future[Answer]:
        """Apply one operation; the future has its answer."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if operation[0] in _LEAVING:
            # Free now: the same call leases the next run. While all slots were taken, nobody heard the bells of queues.
            if not self._wanted:
                self._wanted = self._capacity.full
            self._capacity.release()
        self._waiting.append((operation, future))
        self._wake.set()
        return future

    def forgo(self) -> None:
        """A run has ended here without a word, because the right to it was lost: its slot is free."""
        self._capacity.release()
        self.ask()

    def go_on(self) -> None:
        """What kept this from leasing is over."""
        self._wake.set()

    def ask(self) -> None:
        """Look for ready runs with the next call, and make one soon."""
        self._wanted = True
        self._wake.set()

    def poke(self) -> None:
        """Make a call soon that looks at everything."""
        self._overdue = self._wanted = True
        self.looked.clear()
        self._wake.set()

    async def run(self) -> None:
        """Carry operations until cancelled."""
        failures = 0
        while True:
            await self._wait()
            batch = self._take()
            try:
                await self._send(batch)
                failures = 0
                self.troubled = False
            except asyncio.CancelledError:
                self._waiting.extendleft(reversed(batch))
                raise
            except Exception as error:
                self._waiting.extendleft(reversed(batch))
                failures += 1
                self._overdue = True
                self.troubled = self._lease.unsettled = True
                kind = classify(error)
                self._metrics.redis_error(kind.value)
                if failures == 1:
                    logger.warning("Redis does not answer (%s); operations wait: %s", kind.value, error)
                if kind is not Failure.TRY_AGAIN or failures % 5 == 0:
                    with contextlib.suppress(Exception):
                        await self._broker.reconnect()
                await asyncio.sleep(min(2.0, 0.02 * 2 ** min(failures, 8)) * random.uniform(0.5, 1.0))

    async def drain(self) -> None:
        """Wait until every operation has its answer."""
        while self._waiting:
            await asyncio.wait([future for _, future in self._waiting])

    def give_up(self) -> None:
        """The lease is lost: nothing that waits can be applied any more."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(Answer(Status.FENCED))

    async def _wait(self) -> None:
        while not self._waiting and not (self._wanted and self._can_lease()) and not self._overdue:
            timeout = self._due_at - time.monotonic()
            if timeout <= 0:
                self._overdue = self._wanted = True  # a bell may have been lost, or a timer made something ready
                return
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout)
        # Let every task that is about to commit do so first: they share the call.
        await asyncio.sleep(0)

    def _can_lease(self) -> bool:
        return (
            self._lease.leasing
            and not self._lease.unsettled
            and self._capacity.free > 0
            and not self._lease.lock.locked()
        )

    def _take(self) -> list[tuple[Operation, asyncio.Future[Answer]]]:
        batch: list[tuple[Operation, asyncio.Future[Answer]]] = []
        size = 0
        while self._waiting and len(batch) < MAX_OPERATIONS_PER_CALL and size < MAX_FLUSH_BYTES:
            entry = self._waiting.popleft()
            batch.append(entry)
            for part in entry[0]:
                if type(part) is bytes:
                    size += len(part)
        return batch

    async def _send(self, batch: list[tuple[Operation, asyncio.Future[Answer]]]) -> None:
        now = time.monotonic()
        sweep = self._overdue or now - self._swept_at >= SWEEP_EVERY
        self._overdue = False
        if self._wanted and self._can_lease():
            async with self._lease.lock:
                room = self._capacity.reserve(self._capacity.total)
                self._wanted = False  # whoever asks while the call is under way asks for the next
                try:
                    reply = await self._call(batch, sweep, room, self._lease.next())
                except BaseException:
                    self._capacity.settle(room, 0)
                    self._lease.unsettled = self._wanted = True
                    raise
                self._capacity.settle(room, len(reply.leased))
                self._wanted = self._wanted or reply.more
        else:
            reply = await self._call(batch, sweep, 0, 0)
        if sweep:
            self._swept_at = now
            moved = [queue for queue in self._queues if queue.count(":") == 1]
            extra = [
                f"{queue}:{function}" for queue in moved for function in reply.moved if function in self._functions
            ]
            if len(extra) + len(self._queues) != len(self._all_queues):
                self._wanted = True
            self._all_queues = (*self._queues, *extra)
            if not self._overdue:
                self.looked.set()
        self._hand_out(reply, sweep)

    async def _call(
        self, batch: list[tuple[Operation, asyncio.Future[Answer]]], sweep: bool, room: int, seq: int
    ) -> PumpReply:
        started = time.perf_counter()
        try:
            answers, reply = await self._broker.do(
                pump(
                    incarnation=self._lease.incarnation,
                    app=self._app,
                    seq=seq,
                    capacity=room,
                    queues=self._all_queues,
                    suspects=room > 0 and not self._handlers.holds_suspect(),
                    sweep=sweep,
                    inline_max=self._inline_max,
                    operations=[operation for operation, _ in batch],
                )
            )
        except Exception as error:
            if not batch or not script_erred(error):
                raise
            return await self._bisect(batch, error)
        self.last_progress = time.monotonic()
        if batch:
            self._metrics.committed(time.perf_counter() - started, len(batch))
        for (operation, future), answer in zip(batch, answers, strict=True):
            if answer is OK and not future.done():
                future.set_result(OK)
            else:
                self._answer(operation, future, answer)
        return reply

    def _answer(self, operation: Operation, future: asyncio.Future[Answer], answer: Answer) -> None:
        if answer.status is Status.FENCED:
            self._metrics.fenced()
        elif answer.status is Status.INVALID and operation[0] in _LEAVING:
            self._capacity.hold()  # the run is still here, and will leave by another operation
        if not future.done():
            future.set_result(answer)

    async def _bisect(self, batch: list[tuple[Operation, asyncio.Future[Answer]]], error: Exception) -> PumpReply:
        """A script erred: find the operation that made it, so that only its run suffers (R23)."""
        if len(batch) == 1:
            operation, future = batch[0]
            logger.error("the operation %s of run %s can't be carried out: %s", operation[0], operation[1], error)
            self._answer(operation, future, Answer(Status.INVALID, str(error).encode()))
            return PumpReply(more=True)
        middle = len(batch) // 2
        # Its timers and its mail count, whatever becomes of the other half.
        self._hand_out(await self._call(batch[:middle], False, 0, 0), False)
        return await self._call(batch[middle:], False, 0, 0)

    def _hand_out(self, reply: PumpReply, swept: bool) -> None:
        wait = IDLE_PUMP if reply.next_due_ms is None else min(IDLE_PUMP, reply.next_due_ms / 1000)
        now = time.monotonic()
        # Only a sweep tells of cron ticks: what it said last holds until the next.
        self._due_at = now + wait if swept or self._due_at <= now else min(self._due_at, now + wait)
        if reply.timers:
            self._metrics.timer_fired(reply.lateness_ms / 1000)
            if reply.timers >= 50:
                self._due_at = 0.0
        if reply.refused:
            # Its lease is over, as the next beat will say: until then it would be refused thousands of times a second.
            self._due_at = min(self._due_at, now + REFUSED_PAUSE)
        self._metrics.pumped(reply.reaped, reply.dropped)
        if reply.reaped or reply.timers:
            self._wanted = True
        for run in reply.leased:
            self._handlers.leased(run)
        for resolution in reply.resolutions:
            self._handlers.resolved(resolution)
        for due in reply.cron:
            self._handlers.cron(due)
