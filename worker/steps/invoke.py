"""`ctx.step.invoke`: run another function and wait for its result."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ...broker.model import PendKind
from ..restore import restorer_for
from .book import StepBook, opened

#: Seconds that an invoke without a time-out may take: longer than any function that is not forgotten.
_ENDLESS = 10 * 365 * 86_400.0


async def invoke(
    book: StepBook, strand: Hashable, id: str, function: Any, data: Any, timeout: float | None, leave: bool
) -> Any:
    """The function's result, restored to its return type if this worker knows it.

    Raises:
        StepFailed: it failed, was cancelled, or did not end in time.
    """
    key = await book.enter(id, strand)
    invocations = book.execution.services.invocations
    spec, annotation = invocations.prepare(function, data, run=book.execution.run, step=key, leave=leave)
    delay = _ENDLESS if timeout is None else timeout
    envelope = await book.outcome(key, PendKind.INVOKE, delay_ms=round(delay * 1000), spec=spec)
    return opened(key, envelope, restorer_for(annotation, f"The function invoked by step {key!r}"))
