"""What can be sent: an event given as name and data, a typed event, and one event among many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from .durations import Duration, Moment


@runtime_checkable
class TypedEvent(Protocol):
    """An event that is an object of its own class, such as a pydantic model."""

    #: Its name, which is the class's.
    event_name: ClassVar[str]

    def event_data(self) -> Mapping[str, Any]:
        """Its data, ready for the codec."""
        ...


@runtime_checkable
class HasKey(Protocol):
    """A function, as far as a client knows it."""

    @property
    def key(self) -> str:
        """``<app>/<function id>``."""
        ...


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to send, for bulk sends.

    Args:
        name: its name, such as ``order/created``.
        data: what it says.
        id: an id that makes sending it twice harmless (24 h); generated if omitted.
        delay: how long to wait before it takes effect.
        at: the moment at which it takes effect.
        key: partition key.
    """

    name: str
    data: Any = None
    id: str | None = None
    delay: Duration | None = None
    at: Moment | None = None
    key: str | None = None


#: The function itself, its key ``shop/process-order``, or its id where the app is known.
FunctionRef: TypeAlias = str | HasKey
EventLike: TypeAlias = NewEvent | TypedEvent
