"""`ctx.step.wait_for_event` and `wait_for_signal`: until something happens elsewhere, or the time-out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ...broker.model import PendKind
from ...broker.operations import signal_spec, wait_spec
from ...define.event import Event, EventModel
from .book import StepBook, opened


async def wait_for_event(
    book: StepBook,
    strand: Hashable,
    id: str,
    name: str,
    path: str,
    value_hash: str,
    filter: str,
    timeout: float,
    model: type[EventModel] | None,
) -> Event[Any] | None:
    """The event, or None after `timeout` seconds."""
    key = await book.enter(id, strand)
    spec = wait_spec(name, path, value_hash, filter)
    stored = opened(key, await book.outcome(key, PendKind.EVENT, delay_ms=round(timeout * 1000), spec=spec))
    return book.execution.services.events.received(stored, model)


async def wait_for_signal(book: StepBook, strand: Hashable, id: str, name: str, timeout: float) -> Any:
    """What the signal carried, or None after `timeout` seconds."""
    key = await book.enter(id, strand)
    envelope = await book.outcome(key, PendKind.SIGNAL, delay_ms=round(timeout * 1000), spec=signal_spec(name))
    return opened(key, envelope)
