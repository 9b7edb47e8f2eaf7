"""What a worker process asks of the engine inside it, so that the two can be built and tried apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .logs import RunLog
    from .metrics import WorkerMetrics
    from .options import WorkerOptions


class Engine(Protocol):
    """Leases runs and executes them, on one event loop.

    Life: `start` (connects, checks the server, registers), then `run` until somebody called `request_stop` or `abort`.
    """

    @property
    def runs_finished(self) -> int:
        """Executions that ended here (completed, failed, left, handed back), for recycling."""
        ...

    @property
    def running(self) -> int:
        """Runs that are on this worker now."""
        ...

    @property
    def incarnation(self) -> str:
        """Id of the current incarnation; a new one follows after a lost lease."""
        ...

    @property
    def last_progress(self) -> float:
        """`time.monotonic()` of the last call to Redis that succeeded: what health is judged by."""
        ...

    async def start(self) -> None:
        """Connect and register. Raises RedisUnavailable, or an error with `exit_code` if this worker must not run."""
        ...

    async def run(self) -> None:
        """Work until a stop was requested and every run has ended or was handed back; then leave the namespace."""
        ...

    def request_stop(self) -> None:
        """Stop leasing, let runs end within the shutdown time-out, hand the rest back. May be called again."""
        ...

    def abort(self) -> None:
        """Hand everything back at once."""
        ...


#: Makes the engine of one worker process.
EngineFactory = Callable[["WorkerOptions", "WorkerMetrics", "RunLog"], Engine]
