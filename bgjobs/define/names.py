"""Names of apps, functions, queues and limiters, and the patterns that triggers name events by (R14)."""

from __future__ import annotations

import re
from typing import Final

from ..broker import validation
from ..broker.errors import InvalidEvent
from .errors import InvalidName

#: Apps, functions, queues, limiters. Neither "/" nor ":" nor "|": they separate names in keys.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
LONGEST_NAME: Final = 64

#: Events about runs; written by bgjobs alone (R12).
RESERVED_PREFIX: Final = validation.RESERVED
LIFECYCLE_EVENTS: Final = ("bgjobs/run.completed", "bgjobs/run.failed", "bgjobs/run.cancelled")


def check_name(name: object, what: str) -> str:
    """A name of an app, a function, a queue or a limiter.

    Args:
        name: the name.
        what: what it names, as the error message calls it.

    Raises:
        InvalidName: it is no text, empty, too long, or has other characters than letters, digits, ".", "_" and "-".
    """
    if not isinstance(name, str):
        raise InvalidName(f"{what} is {name!r} of type {type(name).__name__}.", remedy="Give a text.")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidName(
            f"{what} {_shown(name)} is no valid name.",
            remedy=f'Use 1 to {LONGEST_NAME} of the characters A-Z a-z 0-9 . _ - , beginning with a letter or digit, '
            'for example "process-order".',
        )  # fmt: skip
    return name


def check_pattern(pattern: object, what: str) -> str:
    """An event name as a trigger has it: exact, or a beginning followed by `*`.

    Raises:
        InvalidName: no event can have such a name, or the `*` is not at the end.
    """
    if not isinstance(pattern, str):
        raise InvalidName(f"{what} is {pattern!r} of type {type(pattern).__name__}.", remedy="Give a text.")
    beginning = pattern.removesuffix("*")
    if "*" in beginning:
        raise InvalidName(
            f"{what} {_shown(pattern)} has a * before its end.", remedy='Use an exact name, or one such as "order/*".'
        )
    if beginning == pattern:
        if pattern not in LIFECYCLE_EVENTS:
            _check_event_name(pattern, what)
    elif beginning.startswith(validation.RESERVED):
        raise InvalidName(
            f"{what} {_shown(pattern)} would match events about runs, which wildcards never match.",
            remedy='Name the event exactly, for example "bgjobs/run.failed".',
        )
    else:
        # A beginning is fine if some name begins with it.
        _check_event_name(beginning + "x", what)
    return pattern


def check_event_name(name: object, what: str) -> str:
    """The name of an event that users send: exact, and not reserved.

    Raises:
        InvalidName: no event can have this name, or only bgjobs itself may send it.
    """
    return _check_event_name(name, what)


def _check_event_name(name: object, what: str) -> str:
    try:
        return validation.event_name(name)
    except InvalidEvent as error:
        raise InvalidName(f"{what} can't be used: {error.what}", remedy=error.remedy) from None


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")
