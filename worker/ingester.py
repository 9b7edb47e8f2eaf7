"""The ingester: reads the event stream for its app, matches events, and has the ingest script turn them into runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ..broker.broker import Broker
from ..broker.defaults import INGEST_BATCH_BYTES, INGEST_BATCH_EVENTS, INGEST_PAUSE_READY_RUNS
from ..broker.failures import Failure, classify
from ..broker.model import MOST_MATCHES, IngestEvent, IngestReply, LeasedRun
from ..broker.stream import StreamReader
from ..broker.transitions import ingest
from ..define.matching import Matcher, Unevaluable
from .capacity import Capacity
from .catalog import Catalog
from .committer import Committer
from .decisions import Decider
from .lease_state import LeaseState
from .metrics import WorkerMetrics

logger = logging.getLogger("bgjobs.worker")

LOOK_AFTER_RUNS = 2_000  # made by this worker, after which it looks at how much is ready ...
LOOK_AFTER_BYTES = 16 * 1024 * 1024  # ... or after so much data of events
FULL_FOR = 1.0  # seconds without a free slot after which events are ingested all the same
PAUSE = 1.0  # seconds between looks as long as there is too much
LOOK_AGAIN = 5.0  # seconds between looks at a registry with expressions that can't be evaluated


class Ingester:
    """Takes events as fast as this worker can execute their runs; further ahead only where order or waits need it."""

    def __init__(
        self,
        broker: Broker,
        reader: StreamReader,
        lease: LeaseState,
        *,
        app: str,
        catalog: Catalog,
        decider: Decider,
        capacity: Capacity,
        committer: Committer,
        metrics: WorkerMetrics,
        inline_max: int,
        own_queue: Callable[[Matcher], frozenset[str]],
        leased: Callable[[LeasedRun], None],
        most_ready: int = INGEST_PAUSE_READY_RUNS,
    ) -> None:
        self._broker = broker
        self._reader = reader
        self._lease = lease
        self._app = app
        self._catalog = catalog
        self._decider = decider
        self._capacity = capacity
        self._committer = committer
        self._metrics = metrics
        self._inline_max = inline_max
        self._own_queue = own_queue
        self._lacks: tuple[Matcher | None, frozenset[str]] = (None, frozenset())
        self._leased = leased
        self._bytes_per_event = 512.0
        self._full = False  # no slot was free for a while
        self.interrupted = False  # a call failed for now: what it carried is still to be ingested
        self._made = LOOK_AFTER_RUNS  # runs made since the last look at how much is ready; the first look comes first
        self._made_bytes = 0  # bytes of events since then
        self.paused = False  # events wait in the stream, because too much is ready
        self._most_ready = most_ready
        self.last_progress = time.monotonic()

    @property
    def able(self) -> bool:
        """Whether every expression of the app can be evaluated here: else events would pass by functions of others."""
        return self._problem is None

    @property
    def _problem(self) -> Unevaluable | None:
        unevaluable = self._catalog.knowledge.matcher.unevaluable
        return unevaluable[0] if unevaluable else self._decider.undecidable

    async def tick(self) -> float | None:
        """Read a batch and ingest it. What was read and not acknowledged is taken over later, by whomever."""
        problem = self._problem
        if problem is not None:
            logger.error(
                "not ingesting events of app %s: the expression %r of %s can't be evaluated here: %s",
                self._app,
                problem.expression,
                problem.function,
                problem.why,
            )
            await self._catalog.read()
            return LOOK_AGAIN
        if not self._lease.leasing:
            return 1.0
        if self._made >= min(LOOK_AFTER_RUNS, self._most_ready) or self._made_bytes >= LOOK_AFTER_BYTES:
            await self._look()
            if self.paused:
                return PAUSE
        if self._capacity.free <= 0 and not self._ahead():
            try:
                await asyncio.wait_for(self._capacity.wait(), FULL_FOR)
            except TimeoutError:
                self._full = True
        if self.interrupted:
            await self.finish()
        try:
            entries = await self._reader.read(self._count())
        except BaseException:
            self.interrupted = True  # the reply that is lost may have brought entries
            raise
        self.last_progress = time.monotonic()
        if entries:
            self._learn_size(entries)
            await self.ingest([self._decider.event(*entry) for entry in entries])
            # Runs that end at once end now: else the few slots left beside them would be filled by a call of its own.
            await asyncio.sleep(0)
        return None

    async def finish(self) -> None:
        """Ingest what this worker has read and not acknowledged: a call failed, or it is about to leave."""
        if self.able:
            entries = await self._reader.own_pending()
            self.interrupted = False
            await self.ingest([self._decider.event(*entry) for entry in entries])

    def _ahead(self) -> bool:
        """Whether to ingest without room to execute: priorities and limits sort runs, waits want their events soon.

        After a while without room in any case: what comes may end a wait before its time-out, or be a delayed event.
        """
        knowledge = self._catalog.knowledge
        self._full = self._full and self._capacity.free <= 0
        return self._full or not knowledge.plain or knowledge.queues > 1 or self._catalog.waited_for

    def _count(self) -> int:
        fitting = max(1, int(INGEST_BATCH_BYTES / self._bytes_per_event))
        room = self._capacity.free if self._capacity.free > 0 and not self._ahead() else INGEST_BATCH_EVENTS
        return max(1, min(INGEST_BATCH_EVENTS, fitting, room))

    def _learn_size(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        size = sum(len(fields.get(b"d", b"")) for _, fields in entries) / len(entries) + 100
        self._bytes_per_event = max(size, 0.8 * self._bytes_per_event + 0.2 * size)

    async def ingest(self, events: list[IngestEvent]) -> None:
        """Ingest events, in as many calls as their work budget asks for, until each is acknowledged."""
        while events:
            batch = self._next_batch(events)
            reply = await self._send(batch)
            for index, member, filter_text in reply.candidates:
                batch[index].judge(member, self._decider.verdict(batch[index], member, filter_text))
            for index, reached in reply.unfinished:
                batch[index].reached = reached
            if reply.stale:
                stale = [batch[index] for index in reply.stale]
                await self._catalog.refresh(dict.fromkeys(event.name for event in stale))
                for index in reply.stale:
                    batch[index] = self._decider.again(batch[index])
                # They are sent with the versions of now, so they have to be matched with them, too (R8).
                events[:] = [self._decider.again(event) for event in events]
            if not self.able:
                return  # somebody who is takes over what is left
            undecided = {index for index, _, _ in reply.candidates}
            again = undecided.union(reply.stale, (index for index, _ in reply.unfinished))
            events[:0] = [batch[index] for index in sorted(again)]

    def _next_batch(self, events: list[IngestEvent]) -> list[IngestEvent]:
        matches = number = 0
        for event in events[:INGEST_BATCH_EVENTS]:
            matches += len(event.matches)
            if number and matches > MOST_MATCHES:
                break
            number += 1
        batch = events[:number]
        del events[:number]
        return batch

    async def _send(self, batch: list[IngestEvent]) -> IngestReply:
        knowledge = self._catalog.knowledge
        names = {event.name for event in batch}
        versions = {name: (knowledge.versions.get(name, ""), self._catalog.interest(name).version) for name in names}
        may_lease = self._lease.leasing and not self._lease.unsettled
        async with self._lease.lock:
            room = self._capacity.reserve(self._capacity.total) if may_lease and not self._lease.unsettled else 0
            started = 0
            try:
                reply = await self._broker.do(
                    ingest(
                        app=self._app,
                        incarnation=self._lease.incarnation,
                        seq=self._lease.next() if room else 0,
                        capacity=room,
                        inline_max=self._inline_max,
                        star=knowledge.star,
                        versions=versions,
                        own_queue=self._lacking(knowledge.matcher),
                        queues=self._committer.bell_queues,
                        events=batch,
                    )
                )
                started = len(reply.leased)
                if reply.gone:
                    self._lease.leasing = False  # the next beat will say so, and a new incarnation begins
            except BaseException as error:
                self._lease.unsettled = self._lease.unsettled or room > 0
                kind = classify(error)
                # What can't be done at all is left to be taken over, and then tried alone.
                self.interrupted = kind is not Failure.FATAL or not isinstance(error, Exception)
                self._metrics.redis_error(kind.value if isinstance(error, Exception) else "cancelled")
                self._committer.poke()
                raise
            finally:
                self._capacity.settle(room, started)
        self._committer.go_on()
        self._made += reply.created
        self._made_bytes += sum(len(event.data) for event in batch)
        ingested = 0 if reply.gone else len(batch) - len(reply.stale) - len(reply.unfinished)
        self._metrics.ingested(self._app, ingested, reply.duplicates)
        for function, reason, count in reply.dropped:
            self._metrics.dropped(function, reason, count)
        for event_index, match_index, g in reply.leased:
            self._leased(self._decider.leased(batch[event_index], match_index, g, reply.now_ms))
        if reply.more:
            self._committer.ask()
        return reply

    def _lacking(self, matcher: Matcher) -> frozenset[str]:
        """The functions that this worker lacks: found out once per reading of the registry."""
        if self._lacks[0] is not matcher:
            self._lacks = (matcher, self._own_queue(matcher))
        return self._lacks[1]

    async def _look(self) -> None:
        """Pause above 100,000 ready runs, or when memory runs out: a stream entry takes a third of a run (R13)."""
        matcher = self._catalog.knowledge.matcher
        lacking = self._lacking(matcher)
        queues = {definition.queue_key for definition in matcher.definitions.values()}
        queues |= {f"{each.queue_key}:{each.id}" for each in matcher.definitions.values() if each.key in lacking}
        pressure = await self._reader.pressure(queues, self._most_ready)
        if not pressure:
            self._made = self._made_bytes = 0
        if bool(pressure) is not self.paused:
            self.paused = bool(pressure)
            logger.warning("ingest of app %s %s", self._app, f"pauses: {pressure}" if pressure else "goes on")
