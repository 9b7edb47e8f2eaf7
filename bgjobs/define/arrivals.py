"""Policies that decide about an event before it becomes a run: how often, how many together, which runs it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from ..broker import defaults
from .durations import Duration, seconds
from .errors import DefinitionError
from .keys import compile_key


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` events start a run in any time of length `period`; the others are dropped and counted.

    Args:
        limit: 1 to 100,000.
        period: a duration.
        key: a path such as "event.data.customer_id", or a CEL expression: the limit holds for each of its values on its
            own. Events in which it is missing share one value.
    """

    limit: int
    period: Duration
    key: str | None = None

    def __post_init__(self) -> None:
        _check_count(self.limit, defaults.MAX_RATE_LIMIT, "A rate limit")
        _keep(self, "period", _length(self.period, "The period of a rate limit"))
        _keep_key(self)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The first event with a value of `key` starts a run; the others within `period` are dropped and counted.

    The value is not given back when the run fails or is cancelled. An event in which the key is missing is nobody's
    duplicate.

    Args:
        key: a path such as "event.data.order_id", or a CEL expression.
        period: a duration, counted from the first event.
    """

    key: str
    period: Duration = defaults.IDEMPOTENCY_SECONDS

    def __post_init__(self) -> None:
        _keep(self, "period", _length(self.period, "The period of an idempotency key"))
        _keep_key(self)

    @classmethod
    def of(cls, option: object) -> Idempotency | None:
        """What a decorator's `idempotency=` means."""
        if option is None or isinstance(option, Idempotency):
            return option
        if isinstance(option, str):
            return cls(option)
        raise DefinitionError(
            f"idempotency= is {option!r}.",
            remedy='Give a path such as "event.data.order_id", or bgjobs.Idempotency(path, period="1h").',
        )


IdempotencyOption: TypeAlias = str | Idempotency | None


def rate_limit_of(option: object) -> RateLimit | None:
    """What a decorator's `rate_limit=` means. Raises DefinitionError."""
    if option is None or isinstance(option, RateLimit):
        return option
    raise DefinitionError(
        f"rate_limit= is {option!r}.", remedy='Give bgjobs.RateLimit(10, "1 minute", key="event.data.customer_id").'
    )


def _check_count(value: object, most: int, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise DefinitionError(f"{what} is {value!r}.", remedy=f"Give a whole number from 1 to {most:,}.")


def _length(value: Duration, what: str) -> float:
    length = seconds(value, what=what)
    if not 0 < length <= defaults.MAX_AHEAD_SECONDS:
        raise DefinitionError(f"{what} is {length:g} s.", remedy="Give more than 0, and at most 365 days.")
    return length


def _keep(policy: Any, name: str, value: Any) -> None:
    object.__setattr__(policy, name, value)


def _keep_key(policy: Any) -> None:
    if policy.key is not None:
        _keep(policy, "key", compile_key(policy.key).text)
