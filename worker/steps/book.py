"""The step book of one execution: which steps were reached, what is recorded of them, and who waits for which.

The verbs beside this file are written on top of it, once for `async def` and `def` functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from ...broker import operations
from ...broker.codec import decode
from ...broker.model import PendKind, Status
from ...broker.operations import FAILURE, SUCCESS
from ...define.errors import StepFailed
from ..errors import ForeignThread, NestedStep
from ..restore import Restorer
from ..strands import TaskStrands
from ..unwinding import Mode, Unwinding
from .keys import StepKeys
from .place import current_place

if TYPE_CHECKING:
    from ..execution import Execution


class StepBook:
    """One per execution that uses steps. Everything here runs on the event loop."""

    __slots__ = ("due", "execution", "keys", "parked", "reached", "waiting")

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.keys = StepKeys()
        self.reached: set[str] = set()
        self.waiting: dict[str, asyncio.Future[bytes]] = {}  # pending step -> who waits for it here
        self.due: dict[str, int] = {}  # pending step -> ms of server time, as far as known here
        self.parked: set[asyncio.Future[None]] = set()  # tasks held at a step boundary because the worker stops

    @property
    def waits(self) -> set[asyncio.Future[Any]]:
        """All futures whose waiters can go on only by what comes from outside."""
        return {*self.waiting.values(), *self.parked}

    async def enter(self, id: str, strand: Hashable) -> str:
        """Begin a use of a step: its key.

        Args:
            id: the step's id.
            strand: the task or thread that uses it.

        Raises:
            Unwinding: the run is ending here (R28).
            StepMisuse: the id can't be used, or not here.
        """
        mode = self.execution.mode
        if mode is not Mode.RUNNING:
            await self._boundary()
        place = current_place.get()
        if place is not None:
            raise NestedStep(f"Step {id!r} is called inside the body of step {place.step!r}.")
        strands = self.execution.strands
        if isinstance(strands, TaskStrands) and asyncio.get_running_loop() is not strands.root.get_loop():
            raise ForeignThread(
                f"Step {id!r} is called from a thread that has an event loop of its own.",
                remedy="Await it on the event loop that the function runs on; for several at once use asyncio.gather.",
            )
        key = self.keys.next(id, strand)
        strands.owners.add(strand)
        self.reached.add(key)
        return key

    def recorded(self, key: str) -> bytes | None:
        """The step's outcome, if it has one."""
        return self.execution.run.checkpoints.get(key)

    async def store(self, key: str, envelope: bytes, events: Sequence[Sequence[bytes | str]] = ()) -> bytes:
        """Record a step's outcome; the one that counts is returned, which is another one if there was one already.

        A run that was asked to stop keeps the outcome, and unwinds.
        """
        answer = await self.execution.commit(operations.checkpoint(self.execution.run, key, envelope, events))
        return answer.envelope if answer.status is Status.DUP else envelope

    async def outcome(
        self, key: str, kind: PendKind, *, delay_ms: int = 0, at_ms: int = 0, spec: Sequence[Any] = ()
    ) -> bytes:
        """The outcome of a pending step: registered at once, then waited for (R26).

        Args:
            key: the step's key.
            kind: what it waits for.
            delay_ms: due so long after the server's now;
            at_ms: or at this server time. The first registration's due time is kept.
            spec: what the broker needs to know, by kind.

        Returns:
            The envelope; empty for a back-off that is over.
        """
        recorded = self.recorded(key)
        if recorded is not None:
            return recorded
        execution = self.execution
        future = self.waiting[key] = asyncio.get_running_loop().create_future()
        try:
            if key in execution.run.pending:
                self.due[key] = execution.run.pending[key][1]
            else:
                pend = operations.pend(execution.run, key, kind, delay_ms=delay_ms, at_ms=at_ms, spec=spec)
                answer = await execution.commit(pend)
                if answer.status is Status.DUP:
                    stored: bytes = answer.envelope
                    return stored
                # Only to judge whether leaving is worth it: nothing is decided by this worker's own clock (R27).
                self.due[key] = at_ms or execution.server_ms() + delay_ms
            execution.watch.look_soon()
            envelope: bytes = await future
            return envelope
        finally:
            if self.waiting.get(key) is future:
                del self.waiting[key]
            self.due.pop(key, None)
            if future.done() and not future.cancelled():
                future.exception()  # looked at, if the task was interrupted before it could

    def resolve(self, step: str, envelope: bytes) -> None:
        """An outcome came from outside; empty: a back-off is over."""
        run = self.execution.run
        run.pending.pop(step, None)
        if envelope:
            run.checkpoints[step] = envelope
        future = self.waiting.get(step)
        if future is not None and not future.done():
            future.set_result(envelope)

    async def _boundary(self) -> None:
        """Held here while others finish their bodies; then the run is handed back, or it unwinds already."""
        execution = self.execution
        if execution.mode.unwinds:
            raise Unwinding(execution.mode)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parked.add(future)
        execution.watch.look_soon()
        try:
            await future
        finally:
            self.parked.discard(future)


def opened(key: str, envelope: bytes, restore: Restorer | None = None) -> Any:
    """The value in an outcome, restored to its type.

    Raises:
        StepFailed: the outcome is a failure.
    """
    code, value = envelope[:2], decode(envelope[2:])
    if code == SUCCESS:
        return value if restore is None else restore(value)
    assert code == FAILURE, "an envelope begins with its code"
    raise StepFailed(key, value if isinstance(value, dict) else {"type": "Error", "message": str(value)})
