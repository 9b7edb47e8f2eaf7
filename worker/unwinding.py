"""The exception that takes user code off a worker: its run leaves, was cancelled, is handed back, or was lost.

A BaseException, so that `except Exception` around a step does not swallow it.
"""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """What an execution is doing. Only the first two let a step begin."""

    RUNNING = "running"
    STOPPING = "stopping"  # goes on to its next step boundary and is handed back there
    LEAVING = "leaving"  # every task waits for pending steps: the run is suspended
    HANDING_BACK = "handing back"  # ends without an outcome of its own; another worker goes on
    CANCELLING = "cancelling"  # was asked to stop for good
    TIMED_OUT = "timed out"  # the attempt took longer than the function's time-out
    LOST = "lost"  # this worker lost the right to the run: nothing it does counts any more
    ENDED = "ended"  # the function has returned or raised; its outcome is being committed

    @property
    def unwinds(self) -> bool:
        """Whether step calls raise and do nothing (R28)."""
        return self is not Mode.RUNNING and self is not Mode.STOPPING


class Unwinding(BaseException):
    """The function must end now; let this pass through. `finally` and `async with` run as usual.

    Args:
        mode: why.
    """

    def __init__(self, mode: Mode) -> None:
        super().__init__(f"the run is {mode.value}; let this exception pass")
        self.mode = mode


def nothing_but_unwinding(error: BaseException) -> bool:
    """Whether an exception is Unwinding, bare or as a group (also nested) made of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(nothing_but_unwinding(inner) for inner in error.exceptions)
    return isinstance(error, Unwinding)
