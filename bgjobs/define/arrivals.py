"""Policies that decide about an event before it becomes a run: how often, how many together, which runs it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

from ..broker import defaults
from ..broker.errors import InvalidEvent
from ..broker.validation import event_name
from .durations import Duration, seconds
from .errors import DefinitionError
from .event import EventModel, name_of
from .filters import compile_filter
from .keys import compile_key
from .paths import compile_path
from .registry import BatchData, CancelOnData, DebounceData, IdempotencyData, RateLimitData


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


@dataclass(frozen=True, slots=True)
class Debounce:
    """A run begins when no event came for `period`, with the last one; the events before it start none.

    Args:
        period: a duration, counted anew from each event.
        longest: a duration from the first event, after which the run begins even if events still come. Without: never.
        key: a path such as "event.data.document_id", or a CEL expression: events are taken together only if its value
            is the same. Those in which it is missing go together.
    """

    period: Duration
    longest: Duration | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        period = _length(self.period, "The period of a debounce")
        _keep(self, "period", period)
        if self.longest is not None:
            longest = _length(self.longest, "The longest wait of a debounce")
            if longest < period:
                raise DefinitionError(
                    f"A debounce waits {period:g} s for the next event, but {longest:g} s at most.",
                    remedy="Give a `longest` that is at least its period.",
                )
            _keep(self, "longest", longest)
        _keep_key(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """One run for up to `size` events, which it finds in `ctx.events`; it begins when they are there, or in time.

    Args:
        size: events that make it full, 1 to 1,000.
        timeout: a duration from the first event, after which it begins with those that came.
        max_bytes: bytes of the events' data that make it full, up to 16 MiB.
        key: a path such as "event.data.customer_id", or a CEL expression: a batch has events with one value of it.
            Those in which it is missing go together.
    """

    size: int
    timeout: Duration
    max_bytes: int = defaults.BATCH_BYTES
    key: str | None = None

    def __post_init__(self) -> None:
        _check_count(self.size, defaults.MAX_BATCH_EVENTS, "The size of a batch")
        _keep(self, "timeout", _length(self.timeout, "The time-out of a batch"))
        _check_count(self.max_bytes, defaults.MAX_BATCH_BYTES, "max_bytes of a batch")
        _keep_key(self)


@dataclass(frozen=True, slots=True, init=False)
class CancelOn:
    """Events that cancel the runs of a function which are older than they are."""

    name: str
    match: str | None
    filter: str | None
    timeout: float  # seconds

    def __init__(
        self,
        event: str | type[EventModel],
        *,
        match: str | None = None,
        filter: str | None = None,
        timeout: Duration = defaults.WAIT_TIMEOUT_SECONDS,
    ) -> None:
        """Check and keep them.

        Args:
            event: name of the event, exactly, or its EventModel.
            match: a path such as "event.data.order_id", whose value has to be the same in both events. Without: every
                such event cancels.
            filter: an expression over the event that cancels, such as "event.data.final == true".
            timeout: a duration from the making of a run, after which such events no longer cancel it.

        Raises:
            DefinitionError: one of them can't be used.
        """
        name = name_of(event) if isinstance(event, type) else event
        try:
            object.__setattr__(self, "name", event_name(name))
        except InvalidEvent as error:
            raise DefinitionError(
                f"cancel_on= names {name!r}.", remedy='Give one event exactly: bgjobs.CancelOn("order/cancelled").'
            ) from error
        _keep(self, "match", None if match is None else compile_path(match).text)
        _keep(self, "filter", None if filter is None else compile_filter(filter).text)
        _keep(self, "timeout", _length(timeout, "The time-out of cancel_on"))


CancelOnOption: TypeAlias = CancelOn | str | Sequence[CancelOn | str]


def cancel_on_of(option: object) -> tuple[CancelOn, ...]:
    """What a decorator's `cancel_on=` means. Raises DefinitionError."""
    options: Sequence[Any] = option if isinstance(option, list | tuple) else [option]
    found = tuple(CancelOn(each) if isinstance(each, str) else each for each in options)
    for each in found:
        if not isinstance(each, CancelOn):
            raise DefinitionError(
                f"cancel_on= has {each!r}.",
                remedy='Give bgjobs.CancelOn("order/cancelled", match="event.data.order_id"), or a list of those.',
            )
    return found


def run_timeout_of(option: Duration | None, name: str) -> float | None:
    """What a decorator's `start_timeout=` or `finish_timeout=` means, in seconds. Raises DefinitionError."""
    return None if option is None else _length(option, f"{name}=")


def collecting_of(debounce: object, batch: object) -> tuple[Debounce | None, Batch | None]:
    """What a decorator's `debounce=` and `batch=` mean; they don't go together (R37). Raises DefinitionError."""
    if debounce is not None and not isinstance(debounce, Debounce):
        raise DefinitionError(f"debounce= is {debounce!r}.", remedy='Give bgjobs.Debounce("5s", longest="1 minute").')
    if batch is not None and not isinstance(batch, Batch):
        raise DefinitionError(f"batch= is {batch!r}.", remedy='Give bgjobs.Batch(100, "10s").')
    if debounce is not None and batch is not None:
        raise DefinitionError(
            "The function has both debounce= and batch=: one keeps the last event, the other all of them.",
            remedy="Choose one. To run once for many events, give a batch with a longer time-out.",
        )
    return debounce, batch


def rate_limit_of(option: object) -> RateLimit | None:
    """What a decorator's `rate_limit=` means. Raises DefinitionError."""
    if option is None or isinstance(option, RateLimit):
        return option
    raise DefinitionError(
        f"rate_limit= is {option!r}.", remedy='Give bgjobs.RateLimit(10, "1 minute", key="event.data.customer_id").'
    )


class ArrivalData(TypedDict):
    """The fields of `Definition` that these policies are."""

    idempotency: IdempotencyData | None
    rate_limit: RateLimitData | None
    debounce: DebounceData | None
    batch: BatchData | None
    cancel_on: tuple[CancelOnData, ...]


def arrival_data(
    same: Idempotency | None,
    rate: RateLimit | None,
    debounce: Debounce | None,
    batch: Batch | None,
    cancel_on: Sequence[CancelOn],
) -> ArrivalData:
    """The policies as the registry holds them."""
    return ArrivalData(
        idempotency=None if same is None else IdempotencyData(key=same.key, period=seconds(same.period)),
        rate_limit=None if rate is None else RateLimitData(limit=rate.limit, period=seconds(rate.period), key=rate.key),
        debounce=None
        if debounce is None
        else DebounceData(
            period=seconds(debounce.period),
            longest=None if debounce.longest is None else seconds(debounce.longest),
            key=debounce.key,
        ),
        batch=None
        if batch is None
        else BatchData(size=batch.size, timeout=seconds(batch.timeout), max_bytes=batch.max_bytes, key=batch.key),
        cancel_on=tuple(
            CancelOnData(name=each.name, match=each.match, filter=each.filter, timeout=each.timeout)
            for each in cancel_on
        ),
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
