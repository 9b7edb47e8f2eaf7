"""Errors of definitions and of user code; the rest of the tree is in `bgjobs.broker.errors`.

::

    BgjobsError
    |-- UsageError
    |   |-- DefinitionError          an app, function, trigger or policy is defined wrongly
    |   |   |-- InvalidName          (also a ValueError)
    |   |   |-- InvalidExpression    a filter or key expression that can't be read (also a ValueError)
    |   |   |-- DuplicateFunction
    |   |   |-- MissingExtra         an optional part of bgjobs is needed and not installed
    |   |   `-- TargetError          "module:app" does not lead to an App
    |   |-- InvalidDuration          (also a ValueError)
    |   |-- InvalidCron              (also a ValueError)
    |   `-- EventValidationError     data that does not fit the event's model (an InvalidEvent)
    |-- NonRetriable                 raised by user code: fail at once
    |-- RetryAfter                   raised by user code: the next attempt not before this delay
    `-- StepFailed                   raised inside a function when a step is out of attempts
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..broker.durations import Duration, InvalidDuration, seconds
from ..broker.errors import BgjobsError, InvalidEvent, UsageError
from ..broker.timetable import InvalidCron

__all__ = [
    "BgjobsError",
    "DefinitionError",
    "DuplicateFunction",
    "EventValidationError",
    "InvalidCron",
    "InvalidDuration",
    "InvalidExpression",
    "InvalidName",
    "MissingExtra",
    "NonRetriable",
    "RetryAfter",
    "StepFailed",
    "TargetError",
    "UsageError",
]


class DefinitionError(UsageError):
    """An app, function, trigger or policy is defined wrongly."""

    default_remedy = "Correct the definition."


class InvalidName(DefinitionError, ValueError):
    """A name has characters, or a length, that names of its kind can't have."""


class InvalidExpression(DefinitionError, ValueError):
    """A filter or key expression can't be read."""

    default_remedy = 'Compare a path with a value, for example `event.data.amount > 100` or `event.data.plan == "pro"`.'


class DuplicateFunction(DefinitionError):
    """Two functions of an app have the same id."""

    default_remedy = "Give each function of an app its own id: the runs of both could not be told apart."


class MissingExtra(DefinitionError):
    """An optional part of bgjobs is needed and not installed.

    Args:
        what: what needs it.
        extra: name of the extra.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, remedy=f"Install it: pip install 'bgjobs[{extra}]'.")
        self.args = (what, extra)
        self.extra = extra


class TargetError(DefinitionError):
    """A target such as "shop.jobs:app" does not lead to an App."""


class EventValidationError(InvalidEvent):
    """The data of an event does not fit its model.

    Args:
        name: the event's name.
        problems: what pydantic found, one line per field.
    """

    default_remedy = "Send data that fits the model, or change the model so that it takes the old form too."

    def __init__(self, name: str, problems: str) -> None:
        super().__init__(f"The data of {name} does not fit its model: {problems}.")
        self.args = (name, problems)


class NonRetriable(BgjobsError):
    """Raised by user code: more attempts can't help, fail at once.

    Args:
        what: why, for the people who look at the failed run.
    """

    default_remedy = ""

    def __init__(self, what: str = "Not retriable.") -> None:
        super().__init__(what)


class RetryAfter(BgjobsError):
    """Raised by user code: try again, but not before this delay. Uses up an attempt like any failure.

    Args:
        delay: a number of seconds, a timedelta, or words such as "5 minutes".
        what: why, for the people who look at the run.
    """

    default_remedy = ""

    def __init__(self, delay: Duration, what: str = "") -> None:
        self.delay = seconds(delay, what="The delay of RetryAfter")
        super().__init__(what or f"Asked to be tried again after {self.delay:g} s.")
        self.args = (self.delay, what)


class StepFailed(BgjobsError):
    """A step is out of attempts. Raised where the function called the step, which may catch it and go on.

    Args:
        step: the step's key: its id, with its count when the id was used before.
        error: the error map: `type`, `message`, `traceback`, `attempt`.
    """

    default_remedy = ""

    def __init__(self, step: str, error: Mapping[str, Any]) -> None:
        type_name, message = error.get("type", "Error"), error.get("message", "")
        super().__init__(
            f"Step {step!r} failed: {type_name}: {message}" if message else f"Step {step!r} failed: {type_name}"
        )
        self.args = (step, dict(error))
        self.step = step
        self.error: Mapping[str, Any] = error

    @property
    def type(self) -> str:
        """The exception's class that the last attempt raised, such as "ValueError" or "shop.errors.CardDeclined"."""
        return str(self.error.get("type", ""))

    @property
    def message(self) -> str:
        """The text of that exception."""
        return str(self.error.get("message", ""))
