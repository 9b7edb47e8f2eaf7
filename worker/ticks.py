"""Cron entries and schedules whose tick has come: compute what to fire and what is next; one worker wins (R57)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from ..broker import ids
from ..broker.broker import Broker
from ..broker.codec import encode
from ..broker.model import CronDue
from ..broker.schedule import Schedule
from ..broker.timetable import timetable_of
from ..broker.transitions import cron_fire
from ..broker.transitions.registering import cron_run
from ..define.app import App
from ..define.arriving import policies_of
from ..define.cron import due_ticks
from ..define.function import FunctionDefinition
from ..define.limiter import limiter_references
from ..define.priority import priority_ms
from ..define.registering import cron_entry
from .metrics import WorkerMetrics

logger = logging.getLogger("bgjobs.worker")

CRON_EVENT = "bgjobs/cron"


class Ticks:
    """Fires what this worker is able to: its own functions' entries, and every schedule."""

    def __init__(self, app: App, broker: Broker, *, inline_max: int, metrics: WorkerMetrics) -> None:
        self._broker = broker
        self._metrics = metrics
        self._inline_max = inline_max
        self._entries = {
            cron_entry(function.key, cron.key): (function.definition, cron)
            for function in app.functions.values()
            for cron in function.definition.cron
        }

    async def fire(self, due: CronDue, now_ms: int) -> None:
        """Fire what is due of one entry, unless another worker was faster."""
        if due.entry.startswith("$|"):
            await self._fire_schedule(due, now_ms)
            return
        known = self._entries.get(due.entry)
        if known is None:
            return  # another deployment's function: its workers fire it
        definition, cron = known
        decision = due_ticks(cron.timetable, due.tick_ms, now_ms, cron.missed)
        if decision.skipped:
            logger.warning(
                "%s: missed ticks of %r were passed over (missed=%r)", definition.key, cron.expression, cron.missed
            )
        runs = [self._run(definition, due.entry, cron.expression, cron.tz, tick) for tick in decision.fire]
        _, dropped = await self._broker.do(
            cron_fire(due.entry, tick_ms=due.tick_ms, next_ms=decision.next, runs=runs, inline_max=self._inline_max)
        )
        self._metrics.pumped(0, dropped)

    def _run(self, definition: FunctionDefinition, entry: str, expression: str, zone: str, tick: int) -> dict[str, Any]:
        event_id = f"{entry}|{tick}"
        event_key = ids.event_key(CRON_EVENT, event_id)
        data = {"cron": expression, "tz": zone, "tick": datetime.fromtimestamp(tick / 1000, UTC)}
        registered = definition.as_data()
        seen = {"id": event_id, "name": CRON_EVENT, "data": data, "key": None}
        return cron_run(
            run=ids.run_id(definition.key, event_key),
            function=definition.key,
            queue=registered.queue_key,
            limiters=limiter_references(registered, seen),
            priority_ms=priority_ms(registered, seen),
            event_id=event_id,
            event_key=event_key,
            data=encode(data, "data"),
            at_ms=tick,
            policies=policies_of(registered, seen),
        )

    async def _fire_schedule(self, due: CronDue, now_ms: int) -> None:
        name = due.entry[2:]
        packed = await self._broker.client.hget(self._broker.keys("sc"), name)
        if packed is None:
            return
        schedule = Schedule.unpack(name, packed)
        timetable = timetable_of(schedule)
        if due.tick_ms == schedule.first_look_ms:
            await self._broker.do(cron_fire(due.entry, tick_ms=due.tick_ms, next_ms=timetable.next_after(due.tick_ms)))
            return
        decision = due_ticks(timetable, due.tick_ms, now_ms, schedule.missed)
        events = [schedule.event_fields(tick) for tick in decision.fire]
        await self._broker.do(cron_fire(due.entry, tick_ms=due.tick_ms, next_ms=decision.next, events=events))
