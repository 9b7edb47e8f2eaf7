"""A time-out for a body that blocks: it runs in a thread of its own, which is left behind when its time is over."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import StepTimeout

T = TypeVar("T")


def in_time(body: Callable[[], T], timeout: float) -> T:
    """What `body` returns or raises, within `timeout` seconds.

    Raises:
        StepTimeout: it took longer. A thread can't be stopped: it goes on by itself, and what it returns is dropped.
    """
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((body(), None))
        except BaseException as error:
            outcome.append((None, error))

    target = functools.partial(contextvars.copy_context().run, work)
    thread = threading.Thread(target=target, name="bgjobs-timed-step", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise StepTimeout(f"The step's body took longer than {timeout:g} s.")
    value, error = outcome[0]
    if error is not None:
        raise error
    return cast("T", value)
