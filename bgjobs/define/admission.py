"""Policies that say when a run may start: what holds it back, and in which order others go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..broker import defaults
from .durations import Duration, seconds
from .errors import DefinitionError
from .keys import compile_key
from .registry import ThrottleData


@dataclass(frozen=True, slots=True)
class Throttle:
    """`limit` runs start per `period`, evenly spread; the others are parked in order. None is dropped.

    Args:
        limit: 1 to 1,000,000.
        period: a duration.
        burst: how many may start at once after a pause in which none did; 1 spreads all of them evenly. In any time of
            length `period` at most `limit` + `burst` runs start.
        key: a path such as "event.data.customer_id", or a CEL expression: the throttle holds for each of its values on
            its own. Events in which it is missing share one value.
    """

    limit: int
    period: Duration
    burst: int = 1
    key: str | None = None

    def __post_init__(self) -> None:
        _check_count(self.limit, "The limit of a throttle")
        _check_count(self.burst, "The burst of a throttle")
        length = seconds(self.period, what="The period of a throttle")
        if not 0 < length <= defaults.MAX_AHEAD_SECONDS:
            raise DefinitionError(
                f"The period of a throttle is {length:g} s.", remedy="Give more than 0, and at most 365 days."
            )
        object.__setattr__(self, "period", length)
        if self.key is not None:
            object.__setattr__(self, "key", compile_key(self.key).text)

    def as_data(self) -> ThrottleData:
        """What the registry holds of it."""
        return ThrottleData(limit=self.limit, period=seconds(self.period), burst=self.burst, key=self.key)


def throttle_of(option: object) -> Throttle | None:
    """What a decorator's `throttle=` means. Raises DefinitionError."""
    if option is None or isinstance(option, Throttle):
        return option
    raise DefinitionError(f"throttle= is {option!r}.", remedy='Give bgjobs.Throttle(100, "1 minute", burst=10).')


def _check_count(value: Any, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= defaults.MAX_THROTTLE:
        raise DefinitionError(
            f"{what} is {value!r}.", remedy=f"Give a whole number from 1 to {defaults.MAX_THROTTLE:,}."
        )
