"""What kind of callable something is; looks through partials and objects with `__call__`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def is_async(callable: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; looks through partials and objects with `__call__`."""
    inner = callable
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004


def is_callable(value: object) -> bool:
    """Whether it can be called; unlike `callable`, which functions here use as a name."""
    return hasattr(value, "__call__")  # noqa: B004
