"""One event on its way out: checked, encoded, and turned into the fields of a stream entry."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from . import validation
from .codec import encode
from .conversation import Command, Word
from .defaults import MAX_EVENT_BYTES, RESEND_WINDOW_SECONDS
from .durations import Duration, Moment
from .errors import InvalidEvent, ResendTooLate, UsageError
from .event import TypedEvent
from .ids import generated_at_ms, is_generated, new_event_id
from .validation import NOW, Due

_KNOWN_NAMES_LIMIT = 1_000


class Outgoing:
    """An event that may be written.

    Attributes:
        name, event_id: what it is called.
        generated: whether the id was made by us, so that duplicates are recognised for two minutes only (R2).
        delay: seconds from the server's now until it is due; 0: at once.
        at_ms: the time at which it is due, instead; 0: at once.
        function: key of the function that it starts, of an invocation.
        resent: whether an earlier try may have been written.
        doubtful_since: monotonic time of the first such try, where somebody keeps it for later.
    """

    __slots__ = (
        "_data",
        "_key",
        "_trace",
        "at_ms",
        "delay",
        "doubtful_since",
        "event_id",
        "function",
        "generated",
        "name",
        "resent",
    )

    def __init__(
        self,
        name: str,
        event_id: str,
        data: bytes,
        *,
        generated: bool,
        resent: bool = False,
        due: Due = NOW,
        key: str | None = None,
        trace: str | None = None,
        function: str | None = None,
    ) -> None:
        self.name = name
        self.event_id = event_id
        self.generated = generated
        self.delay, self.at_ms = due
        self.resent = resent
        self.doubtful_since: float | None = None
        self._data = data
        self._key = key
        self._trace = trace
        self.function = function

    def command(self, stream: str, *, due_ms: int = 0) -> Command:
        """The XADD that writes it. Fields keep one order: the stream stores equal field sets once."""
        if self.generated and not (due_ms or self.resent or self._key or self._trace or self.function):
            return ("XADD", stream, "*", "n", self.name, "i", self.event_id, "g", "1", "d", self._data)
        words: list[Word] = ["XADD", stream, "*", "n", self.name, "i", self.event_id]
        if self.generated:
            words += ("g", "1")
        words += ("d", self._data)
        if due_ms:
            words += ("t", due_ms)
        if self._key is not None:
            words += ("k", self._key)
        if self._trace is not None:
            words += ("x", self._trace)
        if self.resent:
            words += ("r", "1")
        if self.function is not None:
            words += ("f", self.function)
        return tuple(words)

    @property
    def size(self) -> int:
        """Roughly how many bytes it takes on the wire."""
        return len(self._data) + 200


class Checks:
    """Turns what a caller gives into an `Outgoing`, or raises before anything is written.

    Args:
        now: Unix time in seconds.
        new_id: makes event ids.
    """

    __slots__ = ("_known", "_new_id", "_now")

    def __init__(self, *, now: Callable[[], float] = time.time, new_id: Callable[[], str] = new_event_id) -> None:
        self._now = now
        self._new_id = new_id
        self._known: set[str] = set()  # names found valid: an application uses few, and sends them often

    def event(
        self,
        event: TypedEvent | str,
        data: Any = None,
        *,
        id: str | UUID | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
        trace: str | None = None,
    ) -> Outgoing:
        """An event by name and data, or a typed one.

        Raises:
            InvalidEvent: name, id, key or data are not acceptable.
            UsageError: the arguments contradict each other.
            ResendTooLate: the id was generated more than two minutes ago.
        """
        if type(event) is str:
            name = event
        elif isinstance(event, TypedEvent) and not isinstance(event, type):
            if data is not None:
                raise UsageError(
                    f"The typed event {event.event_name!r} brings its data.", remedy="Pass no second data."
                )
            name, data = event.event_name, event.event_data()
            if not name:
                kind = type(event).__name__
                raise InvalidEvent(
                    f"{kind} has no event name.", remedy=f'Give it one: class {kind}(..., name="order/created").'
                )
        elif isinstance(event, type):
            raise InvalidEvent(
                f"{event.__name__} is a class, not an event.", remedy=f"Send one of it: {event.__name__}(...)."
            )
        else:
            name = validation.event_name(event)  # a subclass of str, or an error
        if name not in self._known:
            validation.event_name(name)
            if len(self._known) < _KNOWN_NAMES_LIMIT:
                self._known.add(name)
        encoded = encode(data, "data")
        if len(encoded) > MAX_EVENT_BYTES:
            validation.data_size(name, encoded)
        if id is None and delay is None and at is None and key is None:
            return Outgoing(name, self._new_id(), encoded, generated=True, trace=trace)
        event_id, generated, resent = self._identity(id)
        return Outgoing(
            name,
            event_id,
            encoded,
            generated=generated,
            resent=resent,
            due=validation.due(delay, at, self._now()),
            key=None if key is None else validation.partition_key(key),
            trace=trace,
        )

    def invocation(
        self,
        function: str,
        data: Any = None,
        *,
        id: str | UUID | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        trace: str | None = None,
    ) -> Outgoing:
        """The event that starts one function. Raises like `event`.

        Args:
            function: function key.
            id: makes the request repeatable: one run per function and id.
        """
        encoded = encode(data, "data")
        validation.data_size(validation.INVOKE, encoded)
        event_id, generated, resent = self._identity(id)
        if id is not None and not generated:
            # All invocations share one event name, so the function has to make the id its own.
            event_id = validation.event_id(f"{function}:{event_id}")
        return Outgoing(
            validation.INVOKE,
            event_id,
            encoded,
            generated=generated,
            resent=resent,
            due=validation.due(delay, at, self._now()),
            trace=trace,
            function=function,
        )

    def _identity(self, given: str | UUID | None) -> tuple[str, bool, bool]:
        """The event id, whether it was generated, and whether this is a second try with it."""
        if given is None:
            return self._new_id(), True, False
        event_id = str(given) if isinstance(given, UUID) else validation.event_id(given)
        if not is_generated(event_id):
            return event_id, False, False
        age = self._now() - generated_at_ms(event_id) / 1000
        if age > RESEND_WINDOW_SECONDS:
            raise ResendTooLate(
                f"The event id {event_id} was generated {age:.0f} s ago; it can be sent again for "
                f"{RESEND_WINDOW_SECONDS} s, because longer its duplicate would not be recognised."
            )
        return event_id, True, True
