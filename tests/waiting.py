"""Waiting for a condition instead of for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL = 0.01  # seconds between two looks


def until(condition: Callable[[], T], *, timeout: float = 30.0, what: str = "") -> T:
    """Wait until `condition()` is true and return what it returned.

    Raises:
        AssertionError: it was not true within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or inspect.getsource(condition).strip()}")
        time.sleep(POLL)
    return answer


async def until_async(condition: Callable[[], T | Awaitable[T]], *, timeout: float = 30.0, what: str = "") -> T:
    """The same for a running loop; `condition` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        given = condition()
        answer = await given if inspect.isawaitable(given) else given
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or inspect.getsource(condition).strip()}")
        await asyncio.sleep(POLL)
