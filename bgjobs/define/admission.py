"""Policies that say when a run may start: what holds it back, and in which order others go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..broker import defaults
from .durations import Duration, seconds
from .errors import DefinitionError
from .keys import compile_key
from .registry import FairnessData, SingletonData, ThrottleData


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


@dataclass(frozen=True, slots=True)
class Singleton:
    """One run at a time, from when it is made to its end, also while it waits.

    Args:
        mode: what an event comes to while a run lives: "skip" drops the event, counted; "cancel" ends that run, and
            starts another when it has ended. Of several events that came meanwhile, the last one starts a run.
        key: a path such as "event.data.customer_id", or a CEL expression: one run at a time for each of its values.
            Events in which it is missing share one value.
    """

    mode: Literal["skip", "cancel"] = "skip"
    key: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("skip", "cancel"):
            raise DefinitionError(f"The mode of a singleton is {self.mode!r}.", remedy='Give "skip" or "cancel".')
        if self.key is not None:
            object.__setattr__(self, "key", compile_key(self.key).text)

    def as_data(self) -> SingletonData:
        """What the registry holds of it."""
        return SingletonData(mode=self.mode, key=self.key)


SingletonOption: TypeAlias = Literal["skip", "cancel"] | Singleton | None


def singleton_of(option: object) -> Singleton | None:
    """What a decorator's `singleton=` means. Raises DefinitionError."""
    match option:
        case None | Singleton():
            return option
        case "skip":
            return Singleton("skip")
        case "cancel":
            return Singleton("cancel")
        case _:
            raise DefinitionError(
                f"singleton= is {option!r}.", remedy='Give "skip", "cancel", or bgjobs.Singleton("skip", key=...).'
            )


@dataclass(frozen=True, slots=True)
class Fairness:
    """The values of a key take turns: however many runs one of them has, another's wait for a window of them at most.

    Args:
        key: a path such as "event.data.tenant", or a CEL expression. Events in which it is missing share one value.
        window: how many runs of one value may be ready at a time, 1 to 1,000,000. A worker with room for more than that
            takes several turns to fill if only one value has runs.
    """

    key: str
    window: int = defaults.FAIRNESS_WINDOW

    def __post_init__(self) -> None:
        _check_count(self.window, "The window of a fairness")
        object.__setattr__(self, "key", compile_key(self.key).text)

    def as_data(self) -> FairnessData:
        """What the registry holds of it."""
        return FairnessData(key=self.key, window=self.window)


FairnessOption: TypeAlias = str | Fairness | None


def fairness_of(option: object) -> Fairness | None:
    """What a decorator's `fairness=` means. Raises DefinitionError."""
    if option is None or isinstance(option, Fairness):
        return option
    if isinstance(option, str):
        return Fairness(option)
    raise DefinitionError(
        f"fairness= is {option!r}.",
        remedy='Give a path such as "event.data.tenant", or bgjobs.Fairness(path, window=8).',
    )


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
