"""`ctx.step.sleep` and `sleep_until`: the server's timer ends them; no worker waits."""

from __future__ import annotations

from collections.abc import Hashable

from ...broker.model import PendKind
from .book import StepBook, opened


async def sleep(book: StepBook, strand: Hashable, id: str, seconds: float) -> None:
    """Sleep for a number of seconds."""
    key = await book.enter(id, strand)
    opened(key, await book.outcome(key, PendKind.SLEEP, delay_ms=round(seconds * 1000)))


async def sleep_until(book: StepBook, strand: Hashable, id: str, unix_time: float) -> None:
    """Sleep until the server's clock shows a Unix time (seconds). A past one ends at once."""
    key = await book.enter(id, strand)
    opened(key, await book.outcome(key, PendKind.SLEEP, at_ms=max(1, round(unix_time * 1000))))
