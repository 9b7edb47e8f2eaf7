"""`ctx.step.run`: a body that runs until one try succeeds, and whose outcome is recorded once."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import time
from collections.abc import Callable, Hashable
from typing import Any

from ...broker.model import PendKind
from ...broker.operations import SUCCESS
from ..errors import StepTimeout
from ..failure import FailedElsewhere, Failure, describe
from ..retry import delay_after
from ..stored import stored
from ..threads import ThreadPool
from ..unwinding import Unwinding
from .book import StepBook
from .options import StepOptions
from .place import Place, current_place

Body = Callable[[], Any]

#: Threads for `def` bodies of `async def` functions. Without a limit: the leased runs are limited already.
bodies = ThreadPool(name="bgjobs-step")


async def begin(book: StepBook, strand: Hashable, id: str) -> tuple[str, bytes | None, int]:
    """Come to a step: its key, its outcome if it has one, and else which try at its body is next, from 1."""
    key = await book.enter(id, strand)
    envelope = book.recorded(key)
    if envelope is None and key in book.execution.run.pending:
        # An earlier try failed and its back-off is not over.
        envelope = await book.outcome(key, PendKind.RETRY) or None
    return key, envelope, attempts(book, key) + 1


def attempts(book: StepBook, key: str) -> int:
    """Tries at the step's body that have failed."""
    return book.execution.run.step_failures.get(key, 0)


async def settle(
    book: StepBook,
    strand: Hashable,
    key: str,
    attempt: int,
    result: bytes | Failure,
    seconds: float,
    options: StepOptions,
) -> bytes | None:
    """Record what a try at a body came to.

    Args:
        book: the step book.
        strand: the task or thread that tried.
        key: the step's key.
        attempt: which try it was, from 1.
        result: the encoded value, or what it failed of.
        seconds: how long it took.
        options: how often to try, and how soon.

    Returns:
        The step's outcome; None: try again now.
    """
    execution = book.execution
    metrics = execution.function.metrics
    if isinstance(result, bytes):
        metrics.step_attempt("completed", seconds)
        return await book.store(key, SUCCESS + result)
    if not result.retriable or attempt > options.retries:
        metrics.step_attempt("failed", seconds)
        return await book.store(key, result.envelope)
    metrics.step_attempt("retried", seconds)
    delay = (
        result.after if result.after is not None else delay_after(attempt, options.backoff, execution.services.random())
    )
    execution.services.run_log.step_retried(
        execution.run.id, execution.function.key, key, attempt, FailedElsewhere(result), delay
    )
    execution.run.step_failures[key] = attempt
    pending = book.outcome(key, PendKind.RETRY, delay_ms=round(delay * 1000), spec=[result.packed, attempt])
    return await pending or None


async def call_body(
    book: StepBook, key: str, attempt: int, options: StepOptions, body: Body
) -> tuple[bytes | Failure, float]:
    """One try at a body, from a coroutine: what it came to, and how long it took in seconds."""
    started = time.perf_counter()
    execution = book.execution
    token = current_place.set(Place(execution.run.id, key, attempt))
    execution.busy += 1
    try:
        value = await (_call(body) if options.timeout is None else _with_timeout(body, options.timeout))
        result: bytes | Failure = stored(value, f"the result of step {key!r}")
    except (GeneratorExit, Unwinding):
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if execution.mode.unwinds or (task is not None and task.cancelling()):
            raise
        result = describe(error, attempt)  # the body itself awaited something that was cancelled
    except BaseException as error:
        result = describe(error, attempt)
    finally:
        execution.busy -= 1
        current_place.reset(token)
        if book.waiting or book.parked:
            execution.watch.look_soon()
    return result, time.perf_counter() - started


def call_body_here(run_id: str, key: str, attempt: int, body: Body) -> tuple[bytes | Failure, float]:
    """One try at a body, in the calling thread."""
    started = time.perf_counter()
    token = current_place.set(Place(run_id, key, attempt))
    try:
        result: bytes | Failure = stored(body(), f"the result of step {key!r}")
    except Unwinding:
        raise
    except BaseException as error:
        result = describe(error, attempt)
    finally:
        current_place.reset(token)
    return result, time.perf_counter() - started


async def _with_timeout(body: Body, timeout: float) -> Any:
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await _call(body)
    except TimeoutError:
        if scope.expired():
            raise StepTimeout(f"The step's body took longer than {timeout:g} s.") from None
        raise


async def _call(body: Body) -> Any:
    if is_async(body):
        return await body()
    given: list[Any] = []
    gone = False  # nobody waits any more for what the thread gives

    def call() -> Any:
        value = body()
        given.append(value)
        if gone:
            _close(value)
        return value

    # In a thread, so that a body that blocks does not stop every other run of this worker.
    try:
        value = await bodies.run(functools.partial(contextvars.copy_context().run, call))
    except BaseException:
        gone = True
        for value in given:
            _close(value)
        raise
    return await value if inspect.isawaitable(value) else value


def _close(value: Any) -> None:
    """Of a coroutine that nobody will await: else Python complains about it, long after, and names no step."""
    if inspect.iscoroutine(value):
        value.close()


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling `fn` gives a coroutine, as far as can be told without calling it."""
    if inspect.iscoroutinefunction(fn):
        return True
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(type(fn), "__call__", None))  # noqa: B004
