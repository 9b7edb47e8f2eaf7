"""What executing a run needs from the parts around it, as protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..broker.model import Answer, LeasedRun
from ..broker.operations import Operation
from ..define.event import Event, EventModel
from ..define.policies import Backoff
from .logs import RunLog
from .metrics import FunctionMetrics

if TYPE_CHECKING:
    from .execution import Execution


class Committer(Protocol):
    """Carries operations to the broker, many in one call."""

    def commit(self, operation: Operation) -> Awaitable[Answer]:
        """Apply one fenced operation; done when its answer is there. Cancelling the wait does not take it back."""
        ...


class Isolation(Protocol):
    """Runs a `def` function somewhere else than in a thread of this process."""

    def call(self, execution: Execution) -> Awaitable[Any]:
        """What the function returns or raises; ends when its body has ended. Its verbs go to `execution.carry_out`."""
        ...


class Invocations(Protocol):
    """Knows the functions of the namespace well enough to make a run of them."""

    def prepare(self, function: Any, data: Any, *, run: LeasedRun, step: str, leave: bool) -> tuple[Sequence[Any], Any]:
        """The spec of an invoke (from `operations.invoke_spec`), and the called function's return annotation, or None.

        Raises:
            FunctionNotFound: nothing of that name is registered.
            InvalidEvent: the data can't be sent.
        """
        ...


class Events(Protocol):
    """Turns the events of steps into stream fields, and back into what functions see."""

    def fields(self, event: Any, data: Any, *, id: str, due_ms: int | None, key: str | None) -> Sequence[bytes | str]:
        """Flat stream fields of a checked event.

        Args:
            event: a name, or a typed event.
            data: its data, for a name.
            id: the event's id.
            due_ms: server time at which it becomes due; None: at once.
            key: partition key.

        Raises:
            InvalidEvent: it can't be sent.
        """
        ...

    def received(self, stored: Any, model: type[EventModel] | None) -> Event[Any] | None:
        """The event that ended a wait, as the function sees it; None if the time was over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFunction:
    """A function as the executor needs it: looked up once per worker, used for every run."""

    key: str  # "shop/process-order"
    call: Callable[[Any], Any]
    is_async: bool
    retries: int
    backoff: Backoff
    timeout: float | None = None  # seconds one attempt may take
    isolation: Isolation | None = None  # None: on the loop, or in a thread
    event_model: Callable[[str], type[EventModel] | None] | None = None  # by event name; None: no typed events
    metrics: FunctionMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all executions of a worker share."""

    committer: Committer
    run_log: RunLog
    random: Callable[[], float]
    invocations: Invocations
    events: Events
    stay: float = 0.25  # seconds: a run whose next sleep is shorter waits for it on the worker
    grace: float = 10.0  # seconds without progress after which a run in doubt leaves
    patience: float = 60.0  # seconds after which it leaves though something of it still moves
