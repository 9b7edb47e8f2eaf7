"""Sending: one event, many, or one that nobody waits for."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from ..connection import PerProcess
from ..conversation import talk
from ..defaults import SEND_SOON_EXIT_SECONDS
from ..durability import Durability
from ..durations import Duration, Moment, seconds
from ..event import EventLike, TypedEvent
from ..ids import new_event_id
from ..outgoing import Outgoing
from ..receipt import BulkReceipt, Receipt
from ..requests import Requests
from ..send_soon import SendSoon
from ..wire import SyncWire
from .face import AsyncFace, Face


class SendingSoon:
    """The verbs of `send_soon`, the same for both clients: they touch no event loop."""

    _requests: Requests
    _soon: SendSoon | None = None

    def send_soon(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
    ) -> str:
        """Put an event into a buffer that a thread of ours sends. Never blocks on the server and never raises.

        What can't be sent is counted in `dropped` and logged. The rest is sent when the process ends, within 5 s.

        Returns:
            The event id.
        """
        soon = self._send_soon()
        try:
            outgoing = self._requests.outgoing(event, data, id=id, delay=delay, at=at, key=key)
        except Exception as error:  # "never raises" holds for defects of a caller's own types, too
            soon.drop(str(error))
            return id if isinstance(id, str) else new_event_id()
        soon.add(outgoing)
        return outgoing.event_id

    @abstractmethod
    def _write_soon(self, events: list[Outgoing]) -> BulkReceipt:
        """Write a batch, blocking the thread of `send_soon`."""

    def _send_soon(self) -> SendSoon:
        if self._soon is None:
            self._soon = SendSoon(self._write_soon)
        return self._soon

    @property
    def dropped(self) -> int:
        """Events of `send_soon` that were given up, in this process."""
        return 0 if self._soon is None else self._soon.dropped


class Sending(Face, SendingSoon):
    """Sending, blocking."""

    def send(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
        durability: Durability | None = None,
    ) -> Receipt:
        """Send one event.

        Args:
            event: its name, such as ``order/created``, or a typed event.
            data: what it says; see `codec.encode` for what can be stored.
            id: an id of the sender's that makes sending twice harmless (24 h).
            delay: how long to wait before it takes effect, at most a year.
            at: the moment at which it takes effect, instead.
            key: partition key.
            durability: ``memory``, ``fsync`` or ``replicas=N``.

        Raises:
            InvalidEvent: name, id, key, data or size are not acceptable; nothing was written.
            RedisUnavailable: not confirmed in time; `ambiguous` and `event_ids` say whether it may have been written.
            DurabilityUnavailable: the server can't do it; nothing was written.
        """
        outgoing = self._requests.outgoing(event, data, id=id, delay=delay, at=at, key=key)
        return self._do(self._requests.send(outgoing, durability))

    def send_many(self, events: Iterable[EventLike], *, durability: Durability | None = None) -> BulkReceipt:
        """Send up to 5,000 events in their order. A bad event fails alone; its outcome is its error.

        Args:
            events: `NewEvent("order/created", data)` or typed events.
            durability: as for `send`.

        Returns:
            One outcome per event; `raise_for_errors()` raises the first error.

        Raises:
            UsageError: too many events.
            RedisUnavailable: not one of them could be written.
        """
        return self._do(self._requests.send_many(events, durability))

    def flush(self, timeout: Duration = SEND_SOON_EXIT_SECONDS) -> int:
        """Send what `send_soon` gathered; answers how many events are still unsent after `timeout`."""
        return 0 if self._soon is None else self._soon.flush(seconds(timeout, what="timeout"))

    def _write_soon(self, events: list[Outgoing]) -> BulkReceipt:
        return self._do(self._requests.producer.send_many(events))


class AsyncSending(AsyncFace, SendingSoon):
    """Sending on an event loop."""

    _soon_wire: PerProcess[SyncWire]

    async def send(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
        durability: Durability | None = None,
    ) -> Receipt:
        """See `Client.send`."""
        outgoing = self._requests.outgoing(event, data, id=id, delay=delay, at=at, key=key)
        return await self._do(self._requests.send(outgoing, durability))

    async def send_many(self, events: Iterable[EventLike], *, durability: Durability | None = None) -> BulkReceipt:
        """See `Client.send_many`."""
        return await self._do(self._requests.send_many(events, durability))

    async def flush(self, timeout: Duration = SEND_SOON_EXIT_SECONDS) -> int:
        """See `Client.flush`."""
        if self._soon is None:
            return 0
        return await asyncio.to_thread(self._soon.flush, seconds(timeout, what="timeout"))

    def _write_soon(self, events: list[Outgoing]) -> BulkReceipt:
        return talk(self._requests.producer.send_many(events), self._soon_wire.get())
