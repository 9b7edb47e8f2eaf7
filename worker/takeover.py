"""Takes over stream entries that somebody read and never acknowledged (R11)."""

from __future__ import annotations

import logging

from ..broker.defaults import INGEST_ALONE_AFTER_DELIVERIES, INGEST_GIVE_UP_DELIVERIES
from ..broker.failures import Failure, classify
from ..broker.stream import Overdue, StreamReader
from .decisions import Decider
from .ingester import Ingester

logger = logging.getLogger("bgjobs.worker")


class TakeOver:
    """One step of the cursor over the pending entries of the app's group."""

    def __init__(self, reader: StreamReader, decider: Decider, ingester: Ingester) -> None:
        self._reader = reader
        self._decider = decider
        self._ingester = ingester

    async def tick(self) -> float | None:
        """Take over some entries; more are looked for at once if there were as many as asked for."""
        if not self._ingester.able or self._ingester.interrupted:
            return None  # it would only count as delivered once more
        overdue = await self._reader.take_over(100)
        together = [each for each in overdue if each.deliveries < INGEST_ALONE_AFTER_DELIVERIES]
        await self._ingester.ingest([self._decider.event(*each.entry) for each in together])
        for each in overdue:
            if each.deliveries >= INGEST_ALONE_AFTER_DELIVERIES:
                await self._alone(each)
        return 0.05 if len(overdue) == 100 else None

    async def _alone(self, overdue: Overdue) -> None:
        """Ingest, or bury, what may be the reason that it was not ingested before."""
        stream_id, fields = overdue.entry
        try:
            if overdue.deliveries >= INGEST_GIVE_UP_DELIVERIES:
                why = f"it was delivered {overdue.deliveries} times and never ingested"
                await self._ingester.ingest([self._decider.bury(stream_id, fields, why)])
            else:
                await self._ingester.ingest([self._decider.event(stream_id, fields)])
        except Exception as error:
            if classify(error) is not Failure.FATAL:
                raise
            logger.exception("the entry %s of the event stream can't be ingested", stream_id.decode())
