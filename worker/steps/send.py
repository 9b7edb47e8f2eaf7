"""`ctx.step.send_event`: appended to the stream in the transition that records the step, so exactly once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ...broker.codec import encode
from ...broker.operations import SUCCESS
from ...broker.sent import events_sent
from ...broker.validation import due
from .arguments import step_event_id
from .book import StepBook, opened


async def send_event(
    book: StepBook,
    strand: Hashable,
    id: str,
    event: Any,
    data: Any,
    delay: Any,
    at: Any,
    partition: str | None,
) -> str:
    """Send an event; its id, which is the same however often the step is tried.

    Args:
        book: the step book.
        strand: the task or thread.
        id: the step's id.
        event: name, or typed event.
        data: its data, for a name.
        delay: duration until it becomes due;
        at: or the moment when it does.
        partition: partition key.

    Raises:
        InvalidEvent: it can't be sent.
    """
    key = await book.enter(id, strand)
    envelope = book.recorded(key)
    if envelope is None:
        execution = book.execution
        event_id = step_event_id(execution.run.id, key)
        ahead, due_ms = due(delay, at, execution.server_ms() / 1000)
        if ahead:
            due_ms = execution.server_ms() + round(ahead * 1000)
        fields = execution.services.events.fields(event, data, id=event_id, due_ms=due_ms or None, key=partition)
        envelope = await book.store(key, SUCCESS + encode(event_id), [fields])
        events_sent.add()
    sent: str = opened(key, envelope)
    return sent
