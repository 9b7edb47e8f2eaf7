"""The events of a run as its function sees them: decoded, checked against the model of its trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..broker.codec import decode
from ..broker.durations import aware
from ..broker.model import LeasedRun
from ..define.event import Event, EventModel, read_event_data

#: Event name -> what its data is checked against; None: nothing is.
ModelOf: TypeAlias = Callable[[str], type[EventModel] | None] | None


def received_event(run: LeasedRun, model_of: ModelOf) -> Event[Any]:
    """The event of the run; of a batch the first one.

    Args:
        run: the run.
        model_of: event name -> what its data is checked against.

    Raises:
        EventValidationError: its data does not fit the model that the function's trigger names.
    """
    return Event(
        id=run.event_id,
        name=run.event_name,
        data=_checked(run.event_name, run.data, model_of),
        time=aware(run.created_ms / 1000),
        key=run.partition or None,
    )


def received_events(run: LeasedRun, model_of: ModelOf) -> tuple[Event[Any], ...]:
    """The events of a batch in the order of the stream; of another run its one event. Raises like `received_event`."""
    if not run.events:
        return (received_event(run, model_of),)
    return tuple(
        Event(
            id=each.id,
            name=each.name,
            data=_checked(each.name, each.data, model_of),
            time=aware(each.time_ms / 1000),
            key=each.partition or None,
        )
        for each in run.events
    )


def _checked(name: str, data: bytes, model_of: ModelOf) -> Any:
    decoded = decode(data) if data else None
    model = None if model_of is None else model_of(name)
    return decoded if model is None else read_event_data(model, decoded)
