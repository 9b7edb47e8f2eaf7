"""The context of an `async def` function: all that it can see of its run and do about it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..broker.run_info import ErrorInfo
from ..define.event import Event
from .failed_run import FailedRun, failed_run_of
from .steps.face import Steps
from .steps.verbs import progress

if TYPE_CHECKING:
    from .execution import Execution

E = TypeVar("E")


class RunContext(Generic[E]):
    """What both kinds of context tell about the run. Nothing is made before it is asked for."""

    __slots__ = ("_execution", "_failed", "_logger")

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._logger: logging.LoggerAdapter[logging.Logger] | None = None
        self._failed: FailedRun | None = None

    @property
    def event(self) -> Event[E]:
        """The event that the run is for; of a batch the first one."""
        return self._execution.received_event()

    @property
    def events(self) -> tuple[Event[E], ...]:
        """The events of a batch, in the order in which they were sent; in other functions the one event."""
        return self._execution.received_events()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._execution.run.id

    @property
    def function(self) -> str:
        """The function's key, such as "shop/process-order"."""
        return self._execution.function.key

    @property
    def attempt(self) -> int:
        """Which attempt at the run this is, from 1. Leaving and coming back is the same attempt."""
        return self._execution.run.attempt

    @property
    def replays(self) -> int:
        """How often the run was replayed from its failed step."""
        return self._execution.run.replay

    @property
    def fence(self) -> int:
        """A number that grows with every lease of the run: a fencing token for other stores."""
        return self._execution.run.fence

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked the run to stop. `async def` functions get CancelledError besides."""
        return self._execution.asked_to_stop

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry run, function, step and attempt."""
        if self._logger is None:
            from .log_context import RunLogger

            self._logger = RunLogger(self._execution.function.key)
        return self._logger

    @property
    def failure(self) -> ErrorInfo | None:
        """In an `on_failure` function: what the run failed of."""
        return self._about_failure().error

    @property
    def failed_run(self) -> str | None:
        """In an `on_failure` function: the id of the run that failed."""
        return self._about_failure().run

    def _about_failure(self) -> FailedRun:
        if self._failed is None:
            self._failed = failed_run_of(self._execution.run)
        return self._failed


class Context(RunContext[E]):
    """What an `async def` function receives."""

    __slots__ = ("_step",)

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution)
        self._step: Steps | None = None

    @property
    def step(self) -> Steps:
        """The run's durable steps."""
        if self._step is None:
            self._step = Steps(self._execution)
        return self._step

    async def progress(self, percent: float, message: str = "") -> None:
        """Store how far the run is: 0 to 100, and a short message."""
        await progress(self._execution.book, None, percent, message)

    def __repr__(self) -> str:
        return f"<context of run {self.run_id} of {self.function}, attempt {self.attempt}>"


AnyContext = Context[Any]
