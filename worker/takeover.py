"""Takes over stream entries that somebody read and never acknowledged (R11)."""

from __future__ import annotations

from ..broker.defaults import INGEST_ALONE_AFTER_DELIVERIES, INGEST_GIVE_UP_DELIVERIES
from ..broker.stream import StreamReader
from .decisions import Decider
from .ingester import Ingester


class TakeOver:
    """One step of the cursor over the pending entries of the app's group."""

    def __init__(self, reader: StreamReader, decider: Decider, ingester: Ingester) -> None:
        self._reader = reader
        self._decider = decider
        self._ingester = ingester

    async def tick(self) -> float | None:
        """Take over some entries; more are looked for at once if there were as many as asked for."""
        if not self._ingester.able:
            return None
        overdue = await self._reader.take_over(100)
        together = []
        for each in overdue:
            event = self._decider.event(*each.entry)
            if each.deliveries >= INGEST_GIVE_UP_DELIVERIES and not event.bad:
                event = self._decider.bury(*each.entry, f"it was delivered {each.deliveries} times and never ingested")
            if each.deliveries >= INGEST_ALONE_AFTER_DELIVERIES:
                await self._ingester.ingest([event])
            else:
                together.append(event)
        await self._ingester.ingest(together)
        return 0.05 if len(overdue) == 100 else None
