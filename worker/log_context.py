"""Which run, function, step and attempt the current code belongs to, for every log line it writes.

A context variable, so that it follows user code through tasks and, copied, into threads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple


class Where(NamedTuple):
    """The place in the life of a run that a log line comes from. A tuple, because one is made for every run."""

    run: str
    function: str  # function key, "shop/process-order"
    attempt: int  # of the run; inside a step's body, of the step
    step: str = ""  # step key, inside a step's body

    def fields(self) -> dict[str, str | int]:
        """What a structured log line carries."""
        fields: dict[str, str | int] = {"run": self.run, "function": self.function}
        if self.step:
            fields["step"] = self.step
        fields["attempt"] = self.attempt
        return fields


_where: ContextVar[Where | None] = ContextVar("bgjobs_where", default=None)


def current() -> Where | None:
    """Where the calling code is, or None outside of runs."""
    return _where.get()


def enter(where: Where) -> None:
    """Mark the current task (or copied context) as belonging to a run, until its context ends."""
    _where.set(where)


@contextmanager
def in_step(step: str, attempt: int) -> Iterator[None]:
    """Mark the enclosed code as one try at a step's body."""
    outer = _where.get()
    if outer is None:
        yield
        return
    token = _where.set(outer._replace(step=step, attempt=attempt))
    try:
        yield
    finally:
        _where.reset(token)


class ContextFilter(logging.Filter):
    """Gives each record the attributes `run`, `function`, `step`, `attempt`; for your own handlers when embedding."""

    def filter(self, record: logging.LogRecord) -> bool:
        where = _where.get()
        if where is not None and not hasattr(record, "run"):
            record.run = where.run
            record.function = where.function
            record.attempt = where.attempt
            if where.step:
                record.step = where.step
        return True


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """What `ctx.logger` is: a plain logger whose records name the run, wherever they are handled."""

    def __init__(self, function: str) -> None:
        """`function` is the function key; the logger is called `bgjobs.run.<app>.<function>`."""
        super().__init__(logging.getLogger("bgjobs.run." + function.replace("/", ".")), {})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        where = _where.get()
        if where is not None:
            kwargs["extra"] = {**where.fields(), **(kwargs.get("extra") or {})}
        return msg, kwargs
