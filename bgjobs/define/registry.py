"""Definitions as data: what the registry in Redis holds of a function, and all that matching an event needs of it.

A worker matches events for every function of its app, also those that another deployment runs, so nothing here refers
to Python code. Unknown fields are ignored and missing ones have defaults: old and new workers read each other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..broker.defaults import RETRIES, WAIT_TIMEOUT_SECONDS
from ..broker.ids import function_key


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerData:
    """An event trigger."""

    name: str
    filter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CronData:
    """A cron entry."""

    key: str  # of expression and zone, see `Cron.key`
    expression: str
    tz: str = "UTC"
    missed: str = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyData:
    """A concurrency limit."""

    limit: int
    key: str | None = None
    name: str | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyData:
    """What makes two events the same."""

    key: str
    period: float  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitData:
    """How many events start a run in a time."""

    limit: int
    period: float  # seconds
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleData:
    """A throttle."""

    limit: int
    period: float  # seconds
    burst: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DebounceData:
    """How long to wait for a later event that takes the place of the one before."""

    period: float  # seconds
    longest: float | None = None  # seconds; None: as long as events come
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchData:
    """Which events make one run together."""

    size: int
    timeout: float  # seconds
    max_bytes: int
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SingletonData:
    """A singleton."""

    mode: str = "skip"  # or "cancel"
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOnData:
    """Which events cancel runs."""

    name: str
    match: str | None = None  # path whose value is the same in both events
    filter: str | None = None
    timeout: float = WAIT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessData:
    """A key whose values take turns."""

    key: str
    window: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A function as the registry holds it."""

    app: str
    id: str
    queue: str = "default"
    priority: float | str = 0.0  # seconds, or the expression that gives them
    retries: int = RETRIES
    timeout: float | None = None  # seconds, of one attempt
    on_failure: str | None = None  # id of the function that runs when a run failed for good
    failure_of: str | None = None  # id of the function whose failures this one handles
    isolation: str | None = None  # "process"
    description: str = ""  # first line of its docstring
    triggers: tuple[TriggerData, ...] = ()
    cron: tuple[CronData, ...] = ()
    concurrency: tuple[ConcurrencyData, ...] = ()
    idempotency: IdempotencyData | None = None
    rate_limit: RateLimitData | None = None
    throttle: ThrottleData | None = None
    debounce: DebounceData | None = None
    batch: BatchData | None = None
    singleton: SingletonData | None = None
    fairness: FairnessData | None = None
    cancel_on: tuple[CancelOnData, ...] = ()
    start_timeout: float | None = None  # seconds, from queued to the first lease
    finish_timeout: float | None = None  # seconds, from the first lease

    @property
    def key(self) -> str:
        """The function's key in the namespace."""
        return function_key(self.app, self.id)

    @property
    def queue_key(self) -> str:
        """The queue's name in the namespace."""
        return f"{self.app}:{self.queue}"

    @property
    def holds_back(self) -> bool:
        """Whether its runs may wait for others, so that their order of arrival counts."""
        return bool(self.concurrency) or any((self.throttle, self.singleton, self.fairness))

    @property
    def decides_on_arrival(self) -> bool:
        """Whether an event is more to it than the start of one run."""
        timed = self.start_timeout is not None or self.finish_timeout is not None
        return timed or bool(self.cancel_on) or any(getattr(self, name) is not None for name in _SINGLE)

    def to_data(self) -> dict[str, Any]:
        """A form that JSON carries; what is empty is left out."""
        data = _without_empty(asdict(self))
        for name in _NESTED.keys() & data.keys():
            data[name] = [_without_empty(item) for item in data[name]]
        for name in _SINGLE.keys() & data.keys():
            data[name] = _without_empty(data[name])
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Definition:
        """The inverse of `to_data`, also for data that an older or newer version wrote."""
        known = _known(cls, data)
        for name, kind in _NESTED.items():
            if name in known:
                known[name] = tuple(kind(**_known(kind, item)) for item in known[name])
        for name, kind in _SINGLE.items():
            if known.get(name) is not None:
                known[name] = kind(**_known(kind, known[name]))
        return cls(**known)


_NESTED: Mapping[str, type] = {
    "triggers": TriggerData,
    "cron": CronData,
    "concurrency": ConcurrencyData,
    "cancel_on": CancelOnData,
}

_SINGLE: Mapping[str, type] = {
    "idempotency": IdempotencyData,
    "rate_limit": RateLimitData,
    "throttle": ThrottleData,
    "debounce": DebounceData,
    "batch": BatchData,
    "singleton": SingletonData,
    "fairness": FairnessData,
}


def _known(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: data[item.name] for item in fields(cls) if item.name in data}


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in data.items()
        if value is not None and value != () and value != "" and value is not False
    }
