"""Which step's body the current code runs in, for `ctx.step.key` and against steps within steps."""

from __future__ import annotations

from contextvars import ContextVar

#: The idempotency key `<run id>:<step key>` while a body runs, else "". Copied into the tasks and threads it starts.
current_key: ContextVar[str] = ContextVar("bgjobs_step_key", default="")
