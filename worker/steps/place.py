"""Which step's body the current code runs in: for `ctx.step.key`, for log lines, and against steps within steps."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class Place(NamedTuple):
    """One try at a step's body."""

    run: str
    step: str  # step key
    attempt: int  # of the step, from 1

    @property
    def key(self) -> str:
        """The idempotency key of the step, the same on every try."""
        return f"{self.run}:{self.step}"


#: Copied into the tasks and threads that the body starts; None outside of bodies.
current_place: ContextVar[Place | None] = ContextVar("bgjobs_step", default=None)
