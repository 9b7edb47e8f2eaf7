"""The context of a `def` function, and its way to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .context import RunContext
from .steps.arguments import options_of
from .steps.sync_face import SyncSteps
from .steps.verbs import VERBS

if TYPE_CHECKING:
    from .execution import Execution

E = TypeVar("E")


class ThreadBridge:
    """From a thread of the run to the event loop that its execution belongs to."""

    __slots__ = ("_execution", "_loop")

    def __init__(self, execution: Execution, loop: asyncio.AbstractEventLoop) -> None:
        self._execution = execution
        self._loop = loop

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self._execution.run.id

    def call(self, verb: str, strand: int, /, *arguments: Any) -> Any:
        """Carry out a verb on the loop, and wait for it in the calling thread."""
        coroutine = VERBS[verb](self._execution.book, strand, *arguments)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()  # type: ignore[arg-type]

    def own_event(self) -> Mapping[str, Any]:
        """The event of the run, as paths see it."""
        return self._execution.own_event()


class SyncContext(RunContext[E]):
    """What a `def` function receives: as `Context`, without `await`. A `def` function looks at `cancelled` itself."""

    __slots__ = ("_bridge", "_step")

    def __init__(self, execution: Execution, bridge: ThreadBridge) -> None:
        super().__init__(execution)
        self._bridge = bridge
        self._step: SyncSteps | None = None

    @property
    def step(self) -> SyncSteps:
        """The run's durable steps."""
        if self._step is None:
            self._step = SyncSteps(self._bridge, options_of(self._execution.function))
        return self._step

    def progress(self, percent: float, message: str = "") -> None:
        """Store how far the run is: 0 to 100, and a short message."""
        self._bridge.call("progress", 0, percent, message)

    def __repr__(self) -> str:
        return f"<context of run {self.run_id} of {self.function}, attempt {self.attempt}>"
