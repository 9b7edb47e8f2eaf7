"""What an event may look like. Everything here is checked before anything is written, and again at ingest (R14)."""

from __future__ import annotations

import re
from math import ceil
from typing import TypeAlias

from .defaults import (
    MAX_AHEAD_SECONDS,
    MAX_EVENT_BYTES,
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    MAX_NAME_LENGTH,
)
from .durations import Duration, Moment, seconds, unix_time
from .errors import ConfigurationError, EventTooLarge, InvalidEvent, TooFarAhead, UsageError

#: The name of the events that start one function directly; everything under ``bgjobs/`` is reserved.
INVOKE = "bgjobs/invoke"
RESERVED = "bgjobs/"

#: Seconds to wait from the server's now, or the Unix time in ms to wait for; zeros: at once.
Due: TypeAlias = tuple[float, int]
NOW: Due = (0.0, 0)

LONGEST_PAGE = 1_000  # entries of a list that come at once

_NAME = re.compile(r"[A-Za-z0-9._:-]+(?:/[A-Za-z0-9._:-]+)*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAME_REMEDY = (
    f"A name has 1 to {MAX_NAME_LENGTH} letters, digits or . _ - : in parts joined by a slash, such as `order/created`."
)


def event_name(name: object) -> str:
    """The name, if an event may have it.

    Raises:
        InvalidEvent: it may not.
    """
    if not isinstance(name, str):
        raise InvalidEvent(f"An event's name must be text, not {type(name).__name__}.", remedy=_NAME_REMEDY)
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise InvalidEvent(f"{name[:MAX_NAME_LENGTH]!r} is not a valid event name.", remedy=_NAME_REMEDY)
    if name.startswith(RESERVED):
        raise InvalidEvent(f"The event name {name!r} is reserved.", remedy="Choose one outside of `bgjobs/`.")
    return name


def event_id(value: object) -> str:
    """The id, if an event may have it. Raises InvalidEvent."""
    return _opaque("event id", value, MAX_ID_LENGTH)


def partition_key(value: object) -> str:
    """The partition key, if an event may have it. Raises InvalidEvent."""
    return _opaque("partition key", value, MAX_KEY_LENGTH)


def _opaque(what: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(f"The {what} must be text, not {type(value).__name__}.", remedy=f"Pass str({what}).")
    if not value or len(value) > longest or _CONTROL.search(value) or not _is_unicode(value):
        raise InvalidEvent(
            f"{value if len(value) <= 40 else value[:40] + '...'!r} is not a valid {what}.",
            remedy=f"Use 1 to {longest} characters without control characters.",
        )
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def data_size(name: str, data: bytes) -> None:
    """Check the size of encoded data. Raises EventTooLarge."""
    if len(data) > MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"The data of event {name!r} takes {len(data):,} bytes; at most {MAX_EVENT_BYTES:,} are allowed."
        )


def due(delay: Duration | None, at: Moment | None, now: float) -> Due:
    """When an event takes effect.

    Args:
        delay: how long to wait.
        at: the moment to wait for, instead; one in the past means at once.
        now: Unix time in seconds, of this machine.

    Raises:
        UsageError: both are given, or one can't be read.
        TooFarAhead: more than a year.
    """
    if delay is None and at is None:
        return NOW
    if delay is not None and at is not None:
        raise UsageError("Both delay= and at= are given.", remedy="Give one of them.")
    if delay is not None:
        ahead = seconds(delay, what="delay")
        result = (ahead, 0)
    else:
        assert at is not None
        moment = unix_time(at, what="at")
        ahead = moment - now
        result = (0.0, ceil(moment * 1000)) if ahead > 0 else NOW
    if ahead > MAX_AHEAD_SECONDS:
        raise TooFarAhead(
            f"The event would be due in {ahead / 86_400:.0f} days; at most {MAX_AHEAD_SECONDS // 86_400} are allowed."
        )
    return result


def namespace(value: str) -> str:
    """The namespace, if it may be called that. Raises ConfigurationError."""
    if not _ID.fullmatch(value):
        raise ConfigurationError(
            f"{value[:64]!r} is not a valid namespace.", remedy="Use 1 to 64 letters, digits or . _ - in it."
        )
    return value


def page_size(limit: object) -> int:
    """How many entries a list is to have, at most 1,000. Raises UsageError."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise UsageError(f"limit={limit!r} is no number of entries.", remedy="Give at least 1.")
    return min(limit, LONGEST_PAGE)


def function_key(value: object, app: str | None = None) -> str:
    """The key of a function, from its key (``app/function``) or, with an app, from its id alone.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(value, str):
        raise UsageError(
            f"{value!r} is no function of an app.",
            remedy="Give the decorated function, or its key, such as `shop/process-order`.",
        )
    owner, slash, function = value.partition("/")
    if not slash:
        owner, function = app or "", value
    if not owner:
        raise UsageError(
            f"{value!r} names a function without its app.", remedy="Use its key, such as `shop/process-order`."
        )
    if not _ID.fullmatch(owner) or not function or len(function) > MAX_ID_LENGTH or _CONTROL.search(function):
        raise UsageError(f"{value!r} is not a function's key.", remedy="It looks like `shop/process-order`.")
    return f"{owner}/{function}"
