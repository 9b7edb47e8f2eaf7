"""Durations and moments as users write them, turned into seconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pytimeparse.timeparse import timeparse

from .errors import UsageError

#: A number is seconds; else a timedelta, or words: "90s", "1h30m", "3 days", "250ms".
Duration: TypeAlias = float | int | timedelta | str

#: An aware datetime, or Unix time in seconds.
Moment: TypeAlias = datetime | float | int

#: Nothing waits longer; what is larger is a mistake in the unit.
LONGEST = 100 * 366 * 86_400.0

#: The end of the year 9999: later numbers are milliseconds, and no datetime.
_LAST_MOMENT = 253_402_300_799.0


class InvalidDuration(UsageError, ValueError):
    """A duration or a moment that can't be read."""

    default_remedy = 'Give seconds as a number, a timedelta, or words such as "90s", "1h30m" or "3 days".'


_NUMBER = re.compile(r"\d+(\.\d+)?")
_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:ms|millis|milliseconds?)", re.IGNORECASE)


def seconds(value: Duration, *, what: str = "duration") -> float:
    """The length of a duration in seconds.

    Args:
        value: a number of seconds, a timedelta, or words; never negative, at most 100 years.
        what: what the duration is for, as the error message calls it.

    Raises:
        InvalidDuration: it can't be read, is negative, not finite or too long.
    """
    length: float
    if isinstance(value, timedelta):
        length = value.total_seconds()
    elif isinstance(value, str):
        length = _from_words(value, what)
    elif _is_number(value):
        length = value
    else:
        raise InvalidDuration(f"{what} is {value!r} of type {type(value).__name__}, which is no duration.")
    if length != length or length < 0:
        raise InvalidDuration(f"{what} is {value!r}, but a duration is 0 or more.")
    if length > LONGEST:
        raise InvalidDuration(f"{what} is {value!r}, which is more than 100 years.")
    return float(length)


def milliseconds(value: Duration, *, what: str = "duration") -> int:
    """The length of a duration in whole milliseconds, rounded up: nothing fires early. Raises like `seconds`."""
    # Rounded before it is rounded up: 0.1 s is 100.00000000000001 ms in binary, and hours are off by more than that.
    return math.ceil(round(seconds(value, what=what) * 1000, 3))


def unix_time(value: Moment, *, what: str = "time") -> float:
    """A moment as Unix time in seconds.

    Raises:
        InvalidDuration: a datetime without zone, or no moment at all.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidDuration(
                f"{what} is {value.isoformat()}, a datetime without a zone.",
                remedy="Give it one, for example datetime.now(timezone.utc) + timedelta(hours=1).",
            )
        return value.timestamp()
    if _is_number(value) and 0 <= value <= _LAST_MOMENT:
        return float(value)
    raise InvalidDuration(
        f"{what} is {value!r}, which is no time.", remedy="Give an aware datetime or Unix time in seconds."
    )


def aware(unix_seconds: float) -> datetime:
    """Unix time in seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(unix_seconds, tz=UTC)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _from_words(text: str, what: str) -> float:
    words = text.strip()
    if _NUMBER.fullmatch(words) and len(words) < 100:  # settings and the command line bring numbers as text
        return float(words)
    if match := _MILLISECONDS.fullmatch(words):
        return float(match[1]) / 1000
    # Python refuses to read numbers of thousands of digits, with another error.
    parsed: float | None = None if words.startswith("-") or len(words) > 100 else timeparse(words)
    if parsed is None:
        raise InvalidDuration(f"{what} is {text!r}, which can't be read as a duration.")
    return parsed
