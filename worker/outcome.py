"""What an attempt came to, as one frozen value, and the pure function that decides it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ..broker import operations
from ..broker.errors import NotSerialisable
from ..broker.model import LeasedRun
from ..broker.operations import Operation
from ..define.policies import Backoff
from .errors import AttemptTimeout
from .failure import Failure, describe
from .retry import delay_after
from .stored import stored
from .unwinding import Mode, nothing_but_unwinding


class Completed(NamedTuple):
    """The function returned. A tuple, because one is made for almost every run."""

    value: Any
    result: bytes  # the value, encoded

    def operation(self, run: LeasedRun) -> Operation:
        return operations.complete(run, self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run failed for good."""

    failure: Failure
    exception: BaseException | None
    reason: str  # "error", "step" or "not retriable"

    def operation(self, run: LeasedRun) -> Operation:
        error = self.failure.error
        return operations.fail(
            run,
            self.failure.packed,
            type=str(error["type"]),
            message=str(error["message"]),
            fingerprint=self.failure.fingerprint,
            step=self.failure.step,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The attempt failed outside steps, and another one follows."""

    failure: Failure
    exception: BaseException | None
    delay: float  # seconds

    def operation(self, run: LeasedRun) -> Operation:
        return operations.retry(run, round(self.delay * 1000), self.failure.packed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Every task of the run waits for pending steps: it is suspended until one of them has an outcome."""

    steps: tuple[str, ...]  # step keys

    def operation(self, run: LeasedRun) -> Operation:
        return operations.suspend(run, self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack:
    """The worker stops: another one goes on, and no attempt is used up."""

    def operation(self, run: LeasedRun) -> Operation:
        return operations.give_back(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """This worker lacks the function: the run moves to where those are that have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The run stopped because it was asked to."""

    def operation(self, run: LeasedRun) -> Operation:
        return operations.cancelled(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """This worker lost the right to the run: there is nothing it may say about it."""

    told: bool = False  # by the answer to the operation that was to end the execution; False: nothing was sent


Outcome: TypeAlias = Completed | Failed | Retried | Left | HandedBack | Moved | Cancelled | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How user code ended: with a value, or with an exception."""

    mode: Mode  # what the execution was doing at that moment
    value: Any = None
    exception: BaseException | None = None
    steps: tuple[str, ...] = ()  # pending steps that a leaving run waits for
    timeout: float = 0.0  # seconds that the attempt was allowed
    unwound: bool = False  # the function was interrupted (cancelled, or refused a step)


def decide(ending: Ending, *, attempt: int, retries: int, backoff: Backoff, random: Callable[[], float]) -> Outcome:
    """The one outcome of an attempt.

    Args:
        ending: how user code ended.
        attempt: the try at the run that this was, from 1.
        retries: how many more tries the first one may be followed by.
        backoff: the delays between them.
        random: draws from [0, 1), for jitter.
    """
    error = ending.exception
    interrupted = error is None or nothing_but_unwinding(error) or _is_cancellation(error)
    match ending.mode:
        case Mode.LOST:
            return Lost()
        case Mode.HANDING_BACK:
            return HandedBack()
        case Mode.CANCELLING if ending.unwound or error is not None:
            # R43: a value that the function returned unhindered was on its way, and wins.
            return Cancelled()
        case Mode.TIMED_OUT if interrupted:
            late = AttemptTimeout(f"The attempt took longer than {ending.timeout:g} s.")
            return _failed(late, attempt, retries, backoff, random)
        case Mode.LEAVING if interrupted:
            # A value counts no more than an exception: what ran after the decision to leave ran without its steps.
            return Left(steps=ending.steps)
        case _:
            pass
    if error is None:
        return completed(ending.value, attempt)
    return _failed(error, attempt, retries, backoff, random)


def completed(value: Any, attempt: int) -> Outcome:
    """The outcome of a function that returned unhindered: Completed, or Failed if its value can't be stored."""
    try:
        result = stored(value, "the function's result")
    except NotSerialisable as error:
        # The next attempt would return the same.
        return Failed(failure=describe(error, attempt), exception=error, reason="not serialisable")
    return Completed(value, result)


def _failed(error: BaseException, attempt: int, retries: int, backoff: Backoff, random: Callable[[], float]) -> Outcome:
    failure = describe(error, attempt)
    if failure.step:
        # R29: run attempts count only errors outside steps; the step has used up its own.
        return Failed(failure=failure, exception=error, reason="step")
    if not failure.retriable:
        return Failed(failure=failure, exception=error, reason="not retriable")
    if attempt > retries:
        return Failed(failure=failure, exception=error, reason="error")
    delay = failure.after if failure.after is not None else delay_after(attempt, backoff, random())
    return Retried(failure=failure, exception=error, delay=delay)


def _is_cancellation(error: BaseException) -> bool:
    # A task group stops the tasks beside the one that left first with an interruption of its own kind.
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cancellation(inner) or nothing_but_unwinding(inner) for inner in error.exceptions)
    return isinstance(error, asyncio.CancelledError)
