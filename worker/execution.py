"""One execution of a run on this worker: its mode, its step book, and what reaches it from outside while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from ..broker.codec import decode
from ..broker.model import Answer, LeasedRun, Status
from ..broker.operations import Operation
from ..define.event import Event
from .errors import StepRefused
from .log_context import Where
from .ports import LoadedFunction, Services
from .received import received_event, received_events
from .steps.book import StepBook
from .strands import Strands, TaskStrands, ThreadStrands
from .unwinding import Mode, Unwinding
from .watch import LeaveWatch

_NOTHING: frozenset[str] = frozenset()


class Execution:
    """From lease to outcome. Everything here runs on the event loop.

    The host of the runs calls `resolve`, `cancel`, `abandon`, `stop_at_step_boundary` and `interrupt`; the steps call
    the rest. What only some executions need (step book, watch) is made when it is first used.
    """

    __slots__ = (
        "_book",
        "_events",
        "_strands",
        "_watch",
        "began",
        "busy",
        "cancel_reason",
        "event",
        "function",
        "leaving_steps",
        "mode",
        "recorded",
        "release",
        "root",
        "run",
        "services",
        "unwound",
    )

    def __init__(self, run: LeasedRun, function: LoadedFunction, services: Services) -> None:
        self.run = run
        self.function = function
        self.services = services
        self.mode = Mode.RUNNING
        self.cancel_reason: str | None = None
        self.unwound = False  # user code was interrupted
        self.busy = 0  # step bodies and commits in flight
        self.leaving_steps: tuple[str, ...] = ()
        # Steps that had an outcome when this execution began.
        self.recorded = frozenset(run.checkpoints) if run.checkpoints else _NOTHING
        self.root: asyncio.Task[Any] | None = None  # the task of an `async def` function, once it may run
        self.release: Callable[[Mode], None] | None = None  # ends the wait for code that runs elsewhere than in tasks
        self.event: Event[Any] | None = None
        self.began = time.monotonic()
        self._strands: Strands | None = None
        self._events: tuple[Event[Any], ...] | None = None
        self._book: StepBook | None = None
        self._watch: LeaveWatch | None = None

    @property
    def book(self) -> StepBook:
        """The step book."""
        if self._book is None:
            self._book = StepBook(self)
        return self._book

    @property
    def watch(self) -> LeaveWatch:
        """The watch that decides when to leave."""
        if self._watch is None:
            self._watch = LeaveWatch(self)
        return self._watch

    @property
    def strands(self) -> Strands:
        """The strands of the function."""
        if self._strands is None:
            assert self.root is not None, "the function runs in a task"
            self._strands = TaskStrands(self.root)
        return self._strands

    def in_threads(self) -> None:
        """The function runs in threads, or elsewhere, instead of in a task."""
        self._strands = ThreadStrands()

    def own(self, task: asyncio.Task[Any]) -> None:
        """See `strands.Owner`."""
        if self.mode is not Mode.ENDED:  # else a library's task that lives on, with tasks of its own
            cast("TaskStrands", self.strands).add(task)

    def where(self) -> Where:
        """See `log_context.Placed`."""
        return Where(self.run.id, self.function.key, self.run.attempt)

    @property
    def reached(self) -> set[str]:
        """Keys of the steps that the function has come to."""
        return set() if self._book is None else self._book.reached

    @property
    def waiting(self) -> list[str]:
        """Keys of the pending steps whose outcomes somebody here waits for."""
        return [] if self._book is None else list(self._book.waiting)

    @property
    def asked_to_stop(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self.cancel_reason is not None or self.run.cancel

    def own_event(self) -> dict[str, Any]:
        """The event of the run, as paths see it: plain data under `id`, `name`, `data`, `key`."""
        run = self.run
        return {"id": run.event_id, "name": run.event_name, "data": decode(run.data) if run.data else None, "key": None}

    def received_event(self) -> Event[Any]:
        """The event as the function sees it. Made once.

        Raises:
            EventValidationError: its data does not fit the model that the function's trigger names.
        """
        if self.event is None:
            self.event = received_event(self.run, self.function.event_model)
        return self.event

    def received_events(self) -> tuple[Event[Any], ...]:
        """The events of a batch as the function sees them; else the one. Raises like `received_event`."""
        if not self.run.events:
            return (self.received_event(),)
        if self._events is None:
            self._events = received_events(self.run, self.function.event_model)
            self.event = self._events[0]
        return self._events

    def server_ms(self) -> int:
        """About what the server's clock shows: for judging, never for deciding what is due (R27)."""
        return self.run.now_ms + round((time.monotonic() - self.began) * 1000)

    async def commit(self, operation: Operation) -> Answer:
        """Apply an operation of this run.

        Raises:
            Unwinding: the right to the run is lost, or it was asked to stop (a checkpoint is stored even so).
            StepRefused: the broker can't carry it out.
        """
        if self.mode.unwinds and self.mode is not Mode.CANCELLING:
            raise self.refusal()
        self.busy += 1
        try:
            answer = await self.services.committer.commit(operation)
        finally:
            self.busy -= 1
        if answer.status is Status.FENCED:
            self.abandon()
            raise self.refusal()
        if answer.status is Status.CANCEL:
            self.cancel("")
            raise self.refusal()
        if answer.status is Status.INVALID:
            reason = answer.envelope.decode("utf-8", "replace")
            raise StepRefused(f"The broker refused an operation of the run: {reason or 'no reason given'}.")
        return answer

    def refusal(self) -> Unwinding:
        """What a step call raises while the run ends here (R28)."""
        self.unwound = True
        return Unwinding(self.mode)

    # From the worker's loop.

    def resolve(self, step: str, envelope: bytes) -> None:
        """A pending step has its outcome; empty: its back-off is over."""
        if not self.mode.unwinds:
            self.book.resolve(step, envelope)

    def cancel(self, reason: str) -> None:
        """Somebody asked the run to stop (R43): coroutines get CancelledError, threads stop at their next step."""
        if self.cancel_reason is None:
            self.cancel_reason = reason
        if self.mode in (Mode.RUNNING, Mode.STOPPING):
            self._interrupt(Mode.CANCELLING)

    def abandon(self) -> None:
        """The right to the run is lost: end its code, write nothing more."""
        if self.mode not in (Mode.LOST, Mode.ENDED):
            self._interrupt(Mode.LOST)

    def stop_at_step_boundary(self) -> None:
        """The worker stops: hand the run back when its step bodies have ended, unless it ends before."""
        if self.mode is Mode.RUNNING:
            self.mode = Mode.STOPPING
            if self._book is not None and self._book.waiting:
                self.watch.look_soon()

    def interrupt(self) -> None:
        """The worker can't wait any longer: end the code now and hand the run back."""
        if self.mode in (Mode.RUNNING, Mode.STOPPING, Mode.LEAVING):
            self._interrupt(Mode.HANDING_BACK)

    # From the leave watch and the executor.

    def leave(self) -> None:
        """All strands wait for the outside: suspend the run on its pending steps, or hand it back if some were held."""
        book = self.book
        self.leaving_steps = tuple(key for key, future in book.waiting.items() if not future.done())
        held = bool(book.parked) or not self.leaving_steps
        self.mode = Mode.HANDING_BACK if held else Mode.LEAVING
        self._unwind()

    def time_out(self) -> None:
        """The attempt has taken longer than the function allows."""
        if self.mode in (Mode.RUNNING, Mode.STOPPING):
            self._interrupt(Mode.TIMED_OUT)

    def end(self) -> Mode:
        """User code has ended: whatever comes from outside now comes too late. The mode it ended in."""
        mode, self.mode = self.mode, Mode.ENDED
        if self._watch is not None:
            self._watch.stop()
        return mode

    def left_over(self) -> list[asyncio.Task[Any]]:
        """Tasks beside the function's own that have used a step and have not ended."""
        return self._strands.left_over() if isinstance(self._strands, TaskStrands) else []

    def close(self) -> None:
        """The run's code has ended: a library's task that lives on must not keep what belonged to the run."""
        if isinstance(self._strands, TaskStrands):
            self._strands.close()

    def _interrupt(self, mode: Mode) -> None:
        self.mode = mode
        waits = set() if self._book is None else self._book.waits
        if isinstance(self._strands, ThreadStrands):
            self._strands.unwind(waits, self.refusal)
            if self.release is not None:
                self.release(mode)
            return
        if self.root is None:
            return  # the function has not begun
        current = asyncio.current_task()
        self.unwound = True
        for task in (self.root, *self.left_over()):
            # The task that learned of it by its own commit gets an exception from there instead.
            if task is not current:
                task.cancel()

    def _unwind(self) -> None:
        self.unwound = True
        self.strands.unwind(self.book.waits, self.refusal)
