"""The events that steps send and wait for: checked, and in the form the stream and the checkpoints hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..broker.outgoing import Checks
from ..define.event import Event, read_event_data


class StepEvents:
    """Makes stream fields of what a step sends, and events of what ended a wait."""

    def __init__(self) -> None:
        self._checks = Checks()

    def fields(self, event: Any, data: Any, *, id: str, due_ms: int | None, key: str | None) -> Sequence[bytes | str]:
        """See `ports.Events.fields`."""
        outgoing = self._checks.event(event, data, id=id, key=key)
        words = outgoing.command("", due_ms=due_ms or 0)[3:]
        return [word if isinstance(word, (bytes, str)) else str(word) for word in words]

    def received(self, stored: Any, model: Any) -> Any:
        """The event that ended a wait; `stored` is what `decisions.wait_outcome` packed."""
        if stored is None:
            return None
        event_id, name, partition, time_ms, data = stored
        return Event(
            id=event_id,
            name=name,
            data=data if model is None else read_event_data(model, data),
            time=datetime.fromtimestamp(time_ms / 1000, UTC),
            key=partition,
        )
