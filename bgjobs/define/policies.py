"""Policies of a function: how it is retried, how many of its runs go at a time, where an attempt runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..broker import defaults
from .durations import Duration, seconds
from .errors import DefinitionError
from .keys import compile_key
from .names import check_name


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs at a time; the others are parked in order. A waiting run counts only with `hold`.

    Args:
        limit: 1 or more.
        key: a path such as "event.data.customer_id", or a CEL expression: the limit holds for each of its values on its
            own. Events in which it is missing share one value.
        name: functions, also of other apps, whose limits have the same name share it. Without: this function's own.
        hold: a run keeps its place from its first start to its end, also while it sleeps or waits.
    """

    limit: int
    key: str | None = None
    name: str | None = None
    hold: bool = False

    def __post_init__(self) -> None:
        if not _is_whole(self.limit) or self.limit < 1:
            raise DefinitionError(
                f"A concurrency limit is {self.limit!r}.",
                remedy="Give a whole number of 1 or more; to stop a function, pause it.",
            )
        if self.key is not None:
            object.__setattr__(self, "key", compile_key(self.key).text)
        if self.name is not None:
            check_name(self.name, "The name of a concurrency limit")


@dataclass(frozen=True, slots=True, init=False)
class Backoff:
    """How long to wait before the next attempt: `first`, then `factor` times as long each time, up to `longest`."""

    first: float  # seconds
    factor: float
    longest: float  # seconds
    jitter: float  # share by which the wait varies, 0 to 1

    def __init__(
        self,
        first: Duration = defaults.BACKOFF_BASE_SECONDS,
        *,
        factor: float = defaults.BACKOFF_FACTOR,
        longest: Duration = defaults.BACKOFF_MAX_SECONDS,
        jitter: float = defaults.BACKOFF_JITTER,
    ) -> None:
        """Check and keep the numbers.

        Args:
            first: wait after the first failure, a duration.
            factor: 1 to 100; 1 waits equally long each time.
            longest: no wait is longer, before jitter; a duration.
            jitter: 0 to 1, by what share the wait varies at random, so that runs that failed together spread out.

        Raises:
            UsageError: one of them can't be used.
        """
        if not _is_number(factor) or not 1 <= factor <= 100:
            raise DefinitionError(f"The factor of a back-off is {factor!r}.", remedy="Give a number from 1 to 100.")
        if not _is_number(jitter) or not 0 <= jitter <= 1:
            raise DefinitionError(f"The jitter of a back-off is {jitter!r}.", remedy="Give a share from 0 to 1.")
        object.__setattr__(self, "first", seconds(first, what="The first wait of a back-off"))
        object.__setattr__(self, "factor", float(factor))
        object.__setattr__(self, "longest", seconds(longest, what="The longest wait of a back-off"))
        object.__setattr__(self, "jitter", float(jitter))

    @classmethod
    def of(cls, value: Backoff | Duration) -> Backoff:
        """A back-off as it is, or one that waits equally long each time."""
        return value if isinstance(value, Backoff) else cls(value, factor=1, longest=value, jitter=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIsolation:
    """Each attempt in a child process, which is killed at its time-out or when it takes too much memory.

    Args:
        memory: bytes that the child may take; without a limit if omitted.
    """

    memory: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and (not _is_whole(self.memory) or self.memory < 32 * defaults.MIB):
            raise DefinitionError(
                f"The memory limit of a function's process is {self.memory!r}.",
                remedy="Give bytes, at least 32 MiB, which the interpreter itself needs: memory=512 * 1024 * 1024.",
            )


ConcurrencyOption: TypeAlias = int | Concurrency | Sequence[Concurrency]
IsolationOption: TypeAlias = Literal["process"] | ProcessIsolation | None


def concurrency_limits(option: ConcurrencyOption) -> tuple[Concurrency, ...]:
    """The limits that a decorator's `concurrency=` means.

    Raises:
        DefinitionError: it means none, too many, or two for the same thing.
    """
    options: Sequence[Any] = option if isinstance(option, list | tuple) else [option]
    limits: tuple[Concurrency, ...] = tuple(Concurrency(item) if isinstance(item, int) else item for item in options)
    for limit in limits:
        if not isinstance(limit, Concurrency):
            raise DefinitionError(
                f"concurrency= has {limit!r}.", remedy="Give a number, a bgjobs.Concurrency, or a list of those."
            )
    scopes = [(limit.name, limit.key) for limit in limits]
    if len(set(scopes)) < len(scopes):
        raise DefinitionError("Two concurrency limits of the function count the same.", remedy="Keep the smaller one.")
    if len(limits) > defaults.MAX_LIMITERS:
        raise DefinitionError(
            f"The function has {len(limits)} concurrency limits.",
            remedy=f"At most {defaults.MAX_LIMITERS} are possible.",
        )
    return limits


def isolation_of(option: object) -> ProcessIsolation | None:
    """What a decorator's `isolation=` means.

    Raises:
        DefinitionError: it means nothing.
    """
    match option:
        case None | ProcessIsolation():
            return option
        case "process":
            return ProcessIsolation()
        case _:
            raise DefinitionError(
                f"isolation= is {option!r}.", remedy='Give "process" or bgjobs.ProcessIsolation(memory=...).'
            )


def check_retries(value: object) -> int:
    """How often a failed attempt is repeated.

    Raises:
        DefinitionError: no whole number from 0 to 1,000.
    """
    if not isinstance(value, int) or not _is_whole(value) or not 0 <= value <= 1_000:
        raise DefinitionError(
            f"retries= is {value!r}.", remedy="Give a whole number from 0 to 1000; 0 means one attempt only."
        )
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
