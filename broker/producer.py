"""Sending events, without any socket: one event, many events, and trying again safely.

A send that got no reply is repeated under the same event id and marked as a re-send; ingest recognises the duplicate
(R2).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any

from redis.exceptions import ResponseError

from .agreement import agree
from .conversation import Ask, ExchangeFailed, Pause, Talk, is_passing, pack, reliably
from .defaults import BULK_CHUNK_BYTES, BULK_CHUNK_EVENTS, MAX_BULK_EVENTS, RESEND_WINDOW_SECONDS
from .durability import MEMORY, Wanted, require
from .errors import BgjobsError, CommandRefused, RedisUnavailable, ResendTooLate, UsageError
from .failures import described
from .keys import Keys
from .outgoing import Outgoing
from .patience import Patience
from .receipt import BulkReceipt, Receipt
from .sent import events_sent

_CLOCK_TRUSTED_SECONDS = 60.0


class Producer:
    """Writes events to one namespace.

    Args:
        keys: the namespace's keys.
        address: the server as messages name it.
        timeout: seconds to wait for the server per call.
        app: what bare function ids refer to in receipts.
        offset_ms: moves the time from which delays count (tests).
    """

    def __init__(
        self,
        keys: Keys,
        *,
        address: str,
        timeout: float,
        app: str | None = None,
        offset_ms: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = keys
        self.app = app
        self.offset_ms = offset_ms
        self._stream = keys.events
        self._address = address
        self._timeout = timeout
        self._monotonic = monotonic
        self._agreed = False
        self._clock: tuple[float, float] | None = None  # server time less monotonic time, and when that was measured

    def patience(self) -> Patience:
        """The bounded wait of one call, from now on."""
        return Patience(self._address, self._timeout, monotonic=self._monotonic)

    def prepare(self, patience: Patience) -> Talk[None]:
        """Agree with the namespace, once. Raises NamespaceMismatch."""
        if not self._agreed:
            yield from agree(self.keys.conf, patience)
            self._agreed = True

    def send(self, event: Outgoing, wanted: Wanted = MEMORY) -> Talk[Receipt]:
        """Write one event.

        Raises:
            RedisUnavailable: the server did not confirm it in time; `ambiguous` says whether it may have been written.
            DurabilityUnavailable, NamespaceMismatch: nothing was written.
            CommandRefused: the server refuses, for good.
        """
        patience = self.patience()
        try:
            if not self._agreed:
                yield from self.prepare(patience)
            if not wanted.plain:
                yield from require(wanted, patience)
            due_ms = (yield from self._due_ms(event, patience)) if event.delay or event.at_ms else 0
            while True:
                commands = [event.command(self._stream, due_ms=due_ms)]
                if not wanted.plain:
                    commands.append(wanted.command(patience.remaining))
                try:
                    replies = yield Ask(pack(commands), len(commands), patience.remaining, apart=not wanted.plain)
                except ExchangeFailed as failed:
                    if not failed.replies:
                        event.resent = event.resent or failed.sent
                        yield Pause(patience.pause_after(failed.cause, sent=failed.sent))
                        _refuse_late(event, patience)
                        continue
                    replies = [failed.replies[0], ResponseError("no reply")]
                if isinstance(replies[0], ResponseError):
                    yield Pause(patience.pause_after(replies[0], sent=True))
                    continue
                return self._receipt(event, replies[0], "memory" if wanted.plain else wanted.reached(replies[1]))
        except RedisUnavailable as error:
            raise _explained(error, [event]) from error.__cause__

    def send_many(self, events: Sequence[Outgoing | BgjobsError], wanted: Wanted = MEMORY) -> Talk[BulkReceipt]:
        """Write many events in their order; what is an error already stays one.

        Raises:
            RedisUnavailable: not one event could be written.
            NamespaceMismatch, DurabilityUnavailable: nothing was written.
        """
        patience = self.patience()
        stream_ids: list[bytes | None] = [None] * len(events)
        errors = {place: event for place, event in enumerate(events) if isinstance(event, BgjobsError)}
        good = [(place, event) for place, event in enumerate(events) if isinstance(event, Outgoing)]
        reached = wanted.text
        try:
            yield from self.prepare(patience)
            if good and not wanted.plain:
                yield from require(wanted, patience)
            for chunk in _chunks(good):
                refused, answer = yield from self._write(chunk, stream_ids, wanted)
                errors.update(refused)
                reached = answer if answer != wanted.text else reached
        except (RedisUnavailable, CommandRefused, ResendTooLate) as error:
            missing = [(place, event) for place, event in good if stream_ids[place] is None and place not in errors]
            if isinstance(error, RedisUnavailable):
                error = _explained(error, [event for _, event in missing])
            if len(missing) == len(good):
                raise error from error.__cause__
            errors.update((place, error) for place, _ in missing)
        events_sent.add(sum(stream_id is not None for stream_id in stream_ids))
        return BulkReceipt(
            names=["" if isinstance(event, BgjobsError) else event.name for event in events],
            event_ids=["" if isinstance(event, BgjobsError) else event.event_id for event in events],
            stream_ids=stream_ids,
            errors=errors,
            durability=reached,
            app=self.app,
        )

    def _write(
        self, chunk: Sequence[tuple[int, Outgoing]], stream_ids: list[bytes | None], wanted: Wanted
    ) -> Talk[tuple[dict[int, BgjobsError], str]]:
        """Write a chunk; answers what the server refused for good, and the durability reached."""
        refused: dict[int, BgjobsError] = {}
        reached = "memory"
        patience = self.patience()  # counted anew per chunk: it limits standstill, not the length of the job
        left = chunk
        while left:
            commands = []
            for _, event in left:
                due_ms = (yield from self._due_ms(event, patience)) if event.delay or event.at_ms else 0
                commands.append(event.command(self._stream, due_ms=due_ms))
            if not wanted.plain:
                commands.append(wanted.command(patience.remaining))
            broken: ExchangeFailed | None = None
            try:
                replies: Sequence[Any] = yield Ask(
                    pack(commands), len(commands), patience.remaining, apart=not wanted.plain
                )
            except ExchangeFailed as failed:
                broken, replies = failed, failed.replies
            again: list[tuple[int, Outgoing]] = []
            passing: ResponseError | None = None
            for (place, event), reply in zip(left, replies, strict=False):
                if type(reply) is bytes:
                    stream_ids[place] = reply
                elif is_passing(reply):
                    passing = reply
                    again.append((place, event))
                else:
                    refused[place] = CommandRefused(f"Redis refused an event: {described(reply)}.")
            if not wanted.plain and len(replies) > len(left):
                reached = wanted.reached(replies[-1])
            if broken is not None:
                for place, event in left[len(replies) :]:
                    event.resent = event.resent or broken.sent
                    again.append((place, event))
            left = again
            if left and (broken or passing):
                cause = broken.cause if broken else passing
                assert cause is not None
                yield Pause(patience.pause_after(cause, sent=broken.sent if broken else True))
                for _, event in left:
                    _refuse_late(event, patience)
        return refused, reached

    def _due_ms(self, event: Outgoing, patience: Patience) -> Talk[int]:
        """The server time at which an event is due. Delays count from the server's now, whatever our clock says."""
        if event.at_ms:
            return event.at_ms
        now = self._monotonic()
        if self._clock is None or now - self._clock[1] > _CLOCK_TRUSTED_SECONDS:
            reply = (yield from reliably(patience, ("TIME",)))[0]
            self._clock = (int(reply[0]) + int(reply[1]) / 1_000_000 - self._monotonic(), now)
        event.at_ms = ceil((self._clock[0] + self._monotonic() + event.delay) * 1000) + self.offset_ms
        return event.at_ms

    def _receipt(self, event: Outgoing, stream_id: bytes, durability: str) -> Receipt:
        events_sent.add()
        return Receipt(
            event_id=event.event_id,
            name=event.name,
            stream_id=stream_id.decode(),
            durability=durability,
            _app=self.app,
        )


def limit_bulk(count: int) -> None:
    """Check the size of a bulk send. Raises UsageError."""
    if count > MAX_BULK_EVENTS:
        raise UsageError(
            f"{count:,} events in one bulk send; at most {MAX_BULK_EVENTS:,} are allowed.",
            remedy="Send them in several calls.",
        )


def _chunks(events: Sequence[tuple[int, Outgoing]]) -> Iterator[Sequence[tuple[int, Outgoing]]]:
    chunk: list[tuple[int, Outgoing]] = []
    size = 0
    for item in events:
        chunk.append(item)
        size += item[1].size
        if len(chunk) >= BULK_CHUNK_EVENTS or size >= BULK_CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _refuse_late(event: Outgoing, patience: Patience) -> None:
    if event.resent and event.generated and patience.elapsed > RESEND_WINDOW_SECONDS:
        raise ResendTooLate(
            f"The event {event.event_id} got no reply for {patience.elapsed:.0f} s and is not sent again."
        )


def _explained(error: RedisUnavailable, events: Sequence[Outgoing]) -> RedisUnavailable:
    """The same error, saying what it means for these events."""
    doubtful = tuple(event.event_id for event in events if event.resent)
    remedy = error.remedy
    if len(doubtful) == 1:
        remedy += f" The event may have been accepted; sending it again with id={doubtful[0]!r} is safe"
    elif doubtful:
        remedy += f" {len(doubtful)} events may have been accepted; sending them again with their `event_ids` is safe"
    if doubtful:
        remedy += f" for {RESEND_WINDOW_SECONDS} s."
    return RedisUnavailable(error.what, ambiguous=bool(doubtful), event_ids=doubtful, remedy=remedy)
