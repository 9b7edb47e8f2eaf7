"""Dynamic schedules: events at recurring times, made and changed at run time."""

from __future__ import annotations

import builtins
from typing import Any

from ..durations import Duration
from ..event import TypedEvent
from ..receipt import Receipt
from ..scheduling import (
    Missed,
    ScheduleInfo,
    change,
    create,
    delete,
    list_schedules,
    read_schedule,
    run_now,
)
from .face import AsyncPart, Part


class Schedules(Part):
    """`Client.schedules`."""

    def create(
        self,
        id: str,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        event: TypedEvent | str,
        data: Any = None,
        tz: str = "UTC",
        missed: Missed = "last",
    ) -> ScheduleInfo:
        """Send an event at the ticks of a cron expression, or at an interval. Replaces the schedule of this id.

        Args:
            id: names the schedule.
            cron: five fields, or @hourly, @daily, @weekly, @monthly, @yearly.
            every: the interval, at least 1 s, instead.
            event: name of the event, or a typed event.
            data: of the event.
            tz: IANA zone of the cron expression.
            missed: what to do about ticks that came while no worker ran: ``last``, ``all`` or ``skip``.

        Raises:
            UsageError: one of them can't be used.
        """
        making = create(self._requests, id, cron=cron, every=every, event=event, data=data, tz=tz, missed=missed)
        return self._do(making)

    def list(self) -> builtins.list[ScheduleInfo]:
        """All schedules, by id."""
        return self._do(list_schedules(self._requests))

    def get(self, id: str) -> ScheduleInfo:
        """One schedule. Raises ScheduleNotFound."""
        return self._do(read_schedule(self._requests, id))

    def pause(self, id: str) -> bool:
        """Let it tick no more; False if it was paused. Raises ScheduleNotFound."""
        return self._do(change(self._requests, id, paused=True))

    def resume(self, id: str) -> bool:
        """Let it tick again, from now on; False if it was not paused. Raises ScheduleNotFound."""
        return self._do(change(self._requests, id, paused=False))

    def run_now(self, id: str) -> Receipt:
        """Send its event now, besides its ticks. Raises ScheduleNotFound."""
        return self._do(run_now(self._requests, id))

    def delete(self, id: str) -> bool:
        """Remove it; False if there was none."""
        return self._do(delete(self._requests, id))


class AsyncSchedules(AsyncPart):
    """`AsyncClient.schedules`: the same, awaited."""

    async def create(
        self,
        id: str,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        event: TypedEvent | str,
        data: Any = None,
        tz: str = "UTC",
        missed: Missed = "last",
    ) -> ScheduleInfo:
        """See `Schedules.create`."""
        making = create(self._requests, id, cron=cron, every=every, event=event, data=data, tz=tz, missed=missed)
        return await self._do(making)

    async def list(self) -> builtins.list[ScheduleInfo]:
        """See `Schedules.list`."""
        return await self._do(list_schedules(self._requests))

    async def get(self, id: str) -> ScheduleInfo:
        """See `Schedules.get`."""
        return await self._do(read_schedule(self._requests, id))

    async def pause(self, id: str) -> bool:
        """See `Schedules.pause`."""
        return await self._do(change(self._requests, id, paused=True))

    async def resume(self, id: str) -> bool:
        """See `Schedules.resume`."""
        return await self._do(change(self._requests, id, paused=False))

    async def run_now(self, id: str) -> Receipt:
        """See `Schedules.run_now`."""
        return await self._do(run_now(self._requests, id))

    async def delete(self, id: str) -> bool:
        """See `Schedules.delete`."""
        return await self._do(delete(self._requests, id))
