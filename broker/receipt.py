"""What a sender gets back: the ids of what was accepted, and of the runs it will start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

from . import ids
from .errors import BgjobsError
from .event import FunctionRef
from .validation import function_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An accepted event.

    Attributes:
        event_id: its id, given or generated.
        name: its name.
        stream_id: its place in the event stream.
        durability: what was reached: ``memory``, ``fsync``, ``replicas=2``.
    """

    event_id: str
    name: str
    stream_id: str | None
    durability: str = "memory"
    _app: str | None = field(default=None, repr=False, compare=False)

    def run_id(self, function: FunctionRef) -> str:
        """The id of the run that a function gets for this event. Nothing is asked of the server.

        Args:
            function: the function, its key (``shop/process-order``), or its id if the client knows its app.

        Raises:
            UsageError: the app of the function is unknown.
        """
        key = function if isinstance(function, str) else function.key
        return ids.run_id(function_key(key, self._app), ids.event_key(self.name, self.event_id))


class BulkReceipt(Sequence[Receipt | BgjobsError]):
    """The outcomes of a bulk send, one per event and in their order: a receipt, or the error that kept it out.

    Args:
        names, event_ids, stream_ids: per event; a stream id of None means that it was not accepted.
        errors: position -> error.
        durability: what was reached.
        app: what bare function ids refer to.
    """

    __slots__ = ("_app", "_durability", "_errors", "_event_ids", "_names", "_stream_ids")

    def __init__(
        self,
        *,
        names: Sequence[str],
        event_ids: Sequence[str],
        stream_ids: Sequence[bytes | None],
        errors: dict[int, BgjobsError],
        durability: str,
        app: str | None,
    ) -> None:
        # Receipts are made when looked at: most callers of a bulk send only count.
        self._names = names
        self._event_ids = event_ids
        self._stream_ids = stream_ids
        self._errors = errors
        self._durability = durability
        self._app = app

    @property
    def accepted(self) -> int:
        """How many events were accepted."""
        return len(self._names) - len(self._errors)

    @property
    def errors(self) -> list[BgjobsError]:
        """The errors, in the order of the events."""
        return [self._errors[index] for index in sorted(self._errors)]

    def raise_for_errors(self) -> None:
        """Raise the first error, if there is one; the number of the others is noted on it."""
        errors = self.errors
        if not errors:
            return
        first = errors[0]
        if len(errors) > 1:
            first.add_note(f"{len(errors)} of {len(self)} events were not accepted; this is the first error.")
        raise first

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Receipt | BgjobsError: ...
    @overload
    def __getitem__(self, index: slice) -> list[Receipt | BgjobsError]: ...
    def __getitem__(self, index: int | slice) -> Receipt | BgjobsError | list[Receipt | BgjobsError]:
        if isinstance(index, slice):
            return [self._outcome(place) for place in range(len(self))[index]]
        return self._outcome(range(len(self))[index])

    def _outcome(self, place: int) -> Receipt | BgjobsError:
        error = self._errors.get(place)
        if error is not None:
            return error
        stream_id = self._stream_ids[place]
        return Receipt(
            event_id=self._event_ids[place],
            name=self._names[place],
            stream_id=None if stream_id is None else stream_id.decode(),
            durability=self._durability,
            _app=self._app,
        )

    def __repr__(self) -> str:
        return f"<BulkReceipt: {self.accepted} of {len(self)} events accepted>"
