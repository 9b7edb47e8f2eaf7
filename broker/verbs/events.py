"""Events: look at what was sent; cancel or reschedule what has not come yet."""

from __future__ import annotations

from ..delayed import cancel_event, reschedule_event
from ..durations import Duration, Moment
from ..inspect.events import EventInfo, find_event, list_events
from .face import AsyncFace, Face


class Events(Face):
    """About events, blocking."""

    def events(self, *, name: str | None = None, limit: int = 100, before: str | None = None) -> list[EventInfo]:
        """Events of the retained history, the newest first.

        Args:
            name: only of this name, or of names that begin with it, if it ends in ``*``.
            limit: at most so many, up to 1,000.
            before: stream id of the last event of the page before.
        """
        requests = self._requests
        return self._do(list_events(requests.keys, requests.patience(), name=name, limit=limit, before=before))

    def event(self, event_id: str, *, name: str | None = None) -> EventInfo:
        """One event. Give its name to find it quickly, or while it is delayed. Raises EventNotFound."""
        requests = self._requests
        return self._do(find_event(requests.keys, requests.patience(), event_id, name))

    def cancel_event(self, event_id: str, *, name: str | None = None) -> bool:
        """Cancel a delayed event; False if its time had come, or it was cancelled before.

        Raises:
            EventNotFound: there is no such event, or no worker has taken it from the stream yet.
        """
        return self._do(cancel_event(self._requests, event_id, name))

    def reschedule_event(
        self,
        event_id: str,
        *,
        delay: Duration | None = None,
        at: Moment | None = None,
        name: str | None = None,
    ) -> bool:
        """Give a delayed event another time; False if its time had come, or it was cancelled.

        Raises:
            EventNotFound: as `cancel_event`.
            UsageError: not exactly one of `delay` and `at`.
        """
        return self._do(reschedule_event(self._requests, event_id, name, delay=delay, at=at))


class AsyncEvents(AsyncFace):
    """About events, on an event loop."""

    async def events(self, *, name: str | None = None, limit: int = 100, before: str | None = None) -> list[EventInfo]:
        """See `Client.events`."""
        requests = self._requests
        return await self._do(list_events(requests.keys, requests.patience(), name=name, limit=limit, before=before))

    async def event(self, event_id: str, *, name: str | None = None) -> EventInfo:
        """See `Client.event`."""
        requests = self._requests
        return await self._do(find_event(requests.keys, requests.patience(), event_id, name))

    async def cancel_event(self, event_id: str, *, name: str | None = None) -> bool:
        """See `Client.cancel_event`."""
        return await self._do(cancel_event(self._requests, event_id, name))

    async def reschedule_event(
        self,
        event_id: str,
        *,
        delay: Duration | None = None,
        at: Moment | None = None,
        name: str | None = None,
    ) -> bool:
        """See `Client.reschedule_event`."""
        return await self._do(reschedule_event(self._requests, event_id, name, delay=delay, at=at))
