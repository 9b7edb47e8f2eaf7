"""Delayed events: cancel or reschedule one that has not come yet (R51)."""

from __future__ import annotations

import time
from math import ceil

from .conversation import Pause, Talk, reliably
from .durations import Duration, Moment
from .errors import EventNotFound, UsageError
from .ids import event_key
from .inspect.events import find_event
from .requests import Requests
from .transitions import delayed
from .validation import due

_LOOK_AGAIN_SECONDS = 0.05


def cancel_event(requests: Requests, event_id: str, name: str | None) -> Talk[bool]:
    """Cancel a delayed event; False if it has come, or was cancelled before. Raises EventNotFound."""
    return _change(requests, event_id, name, 0)


def reschedule_event(
    requests: Requests, event_id: str, name: str | None, *, delay: Duration | None, at: Moment | None
) -> Talk[bool]:
    """Give a delayed event another time; False if it has come, or was cancelled. Raises EventNotFound, UsageError."""
    if delay is None and at is None:
        raise UsageError("Neither delay= nor at= is given.", remedy="Give one of them.")
    ahead, at_ms = due(delay, at, time.time())
    return _reschedule(requests, event_id, name, ahead, at_ms)


def _reschedule(requests: Requests, event_id: str, name: str | None, ahead: float, at_ms: int) -> Talk[bool]:
    if not at_ms:
        seconds, micros = (yield from reliably(requests.patience(), ("TIME",)))[0]
        at_ms = ceil((int(seconds) + int(micros) / 1_000_000 + ahead) * 1000) + requests.producer.offset_ms
    return (yield from _change(requests, event_id, name, at_ms))


def _change(requests: Requests, event_id: str, name: str | None, due_ms: int) -> Talk[bool]:
    if name is None:
        name = (yield from find_event(requests.keys, requests.patience(), event_id)).name
    key = event_key(name, event_id)
    patience = requests.patience()
    while True:
        if (yield from requests.do(delayed(key, due_ms=due_ms))):
            return True
        state = (yield from reliably(patience, ("HGET", requests.keys(f"fe:{key}"), "state")))[0]
        if state == b"waiting":
            continue  # it was taken from the stream in between
        if state is not None:
            # The record stays for a day. After a lost reply it may be our own first try that has cancelled the event.
            return due_ms == 0 and state == b"cancelled" and patience.ambiguous
        event = yield from find_event(requests.keys, requests.patience(), event_id, name)
        if event.due is None:
            return False
        # Accepted, and not taken from the stream yet: until it is, there is nothing that could be cancelled.
        if patience.elapsed > requests.timeout:
            raise EventNotFound(
                f"The event {event_id} is accepted but not ingested yet, so its time can't be changed.",
                remedy="Start a worker (`bgjobs worker`), or try again shortly.",
            )
        yield Pause(_LOOK_AGAIN_SECONDS)
