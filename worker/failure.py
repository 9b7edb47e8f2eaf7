"""An exception as the error map that is stored: type, message, traceback (never locals), attempt."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ..broker.codec import encode
from ..broker.errors import UsageError
from ..broker.operations import FAILURE
from ..define.errors import NonRetriable, RetryAfter, StepFailed
from .place import BGJOBS, place_of

LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 16_000

_OWN_MODULES = "bgjobs."
_OWN_TYPES = re.compile(r"^bgjobs\.(?:\w+\.)+(\w+)(?=:|$)", re.MULTILINE)  # where a traceback says what was raised

#: The next attempt would raise them again.
_FINAL = (NonRetriable, StepFailed, UsageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an attempt (at a run or a step) failed of; plain data, so that it can cross threads and processes."""

    error: dict[str, Any]  # the error map
    retriable: bool  # False: more attempts can't help
    after: float | None = None  # seconds the code itself asked to wait before the next attempt
    step: str = ""  # key of the step whose StepFailed escaped the function
    fingerprint: str = ""  # equal for failures of one kind from one place

    @property
    def text(self) -> str:
        """Type and message in one line."""
        message = self.error["message"]
        return f"{self.error['type']}: {message}" if message else str(self.error["type"])

    @property
    def packed(self) -> bytes:
        """The error map as it is stored with a run."""
        return encode(self.error, where="error")

    @property
    def envelope(self) -> bytes:
        """The failure as a step's outcome."""
        return FAILURE + self.packed


class FailedElsewhere(Exception):
    """Code in another process raised; what of has been described there.

    Args:
        failure: the description.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure
        # So that a log of this error shows where it came from.
        self.__cause__ = RaisedElsewhere(str(failure.error["traceback"]))


class RaisedElsewhere(Exception):
    """The traceback of another process, or of a step before, where a log shows what was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def describe(error: BaseException, attempt: int) -> Failure:
    """Turn what user code raised into data.

    Args:
        error: the exception; a group counts as what it holds.
        attempt: the try that raised it, from 1.
    """
    if isinstance(error, FailedElsewhere):
        return error.failure
    leaves = _leaves(error)
    first = leaves[0]
    fields = {
        "type": type_name(error if len(leaves) > 1 else first),
        "message": message_of(error if len(leaves) > 1 else first),
        "traceback": _traceback(error),
        "attempt": attempt,
        "place": place_of(first),
    }
    failed_step = next((leaf for leaf in leaves if isinstance(leaf, StepFailed)), None)
    if failed_step is not None and len(leaves) == 1:
        # The step's own error tells more than the StepFailed around it.
        fields |= {key: value for key, value in failed_step.error.items() if value}
    if failed_step is not None:
        fields["step"] = failed_step.step
    delays = [leaf.delay for leaf in leaves if isinstance(leaf, RetryAfter)]
    return Failure(
        error=fields,
        retriable=not any(isinstance(leaf, _FINAL) for leaf in leaves),
        after=max(delays) if delays else None,
        step=failed_step.step if failed_step is not None else "",
        fingerprint=_fingerprint(str(fields["type"]), str(fields["place"])),
    )


def type_name(error: BaseException) -> str:
    """Qualified name of an exception's class, "shop.CardDeclined"; of a built-in one the plain name, "ValueError"."""
    kind = type(error)
    if kind.__module__.startswith(_OWN_MODULES):
        return f"bgjobs.{kind.__qualname__}"  # as users import it
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def message_of(error: BaseException) -> str:
    """What an exception says; never raises, never longer than it is useful."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"(its text can't be read: {type(broken).__name__})"
    # A lone surrogate can't be stored.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def _traceback(error: BaseException) -> str:
    try:
        captured = traceback.TracebackException.from_exception(error, capture_locals=False)
        _drop_own_frames(captured)
        text = "".join(captured.format())
    except Exception as broken:
        return f"(the traceback can't be formatted: {type(broken).__name__})"
    text = as_imported(text.encode("utf-8", "backslashreplace").decode())
    # The end says what was raised and where.
    return text if len(text) <= LONGEST_TRACEBACK else "...\n" + text[-LONGEST_TRACEBACK:]


def as_imported(text: str) -> str:
    """A traceback in which our own exceptions have the names by which users import them."""
    return _OWN_TYPES.sub(r"bgjobs.\1", text)


def _drop_own_frames(captured: traceback.TracebackException) -> None:
    todo: list[traceback.TracebackException | None] = [captured]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        foreign = [frame for frame in one.stack if not frame.filename.startswith(BGJOBS)]
        one.stack = traceback.StackSummary.from_list(foreign)
        todo += [one.__cause__, one.__context__, *(one.exceptions or ())]


def _fingerprint(kind: str, place: str) -> str:
    return blake2b(f"{kind}\0{place}".encode("utf-8", "replace"), digest_size=6).hexdigest()
