"""Which run, function, step and attempt the current code belongs to, for every log line it writes.

A context variable, so that it follows user code through tasks and, copied, into threads.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from .steps.place import current_place


class Where(NamedTuple):
    """The place in the life of a run that a log line comes from."""

    run: str
    function: str  # function key, "shop/process-order"
    attempt: int  # of the run; inside a step's body, of the step
    step: str = ""  # step key, inside a step's body

    def where(self) -> Where:
        """See `Placed`: for processes that have no execution."""
        return self

    def fields(self) -> dict[str, str | int]:
        """What a structured log line carries."""
        fields: dict[str, str | int] = {"run": self.run, "function": self.function}
        if self.step:
            fields["step"] = self.step
        fields["attempt"] = self.attempt
        return fields


class Placed(Protocol):
    """An execution, as far as log lines need it."""

    def where(self) -> Where:
        """Where its code is, outside of steps."""
        ...


_placed: ContextVar[Placed | None] = ContextVar("bgjobs_where", default=None)


def current() -> Where | None:
    """Where the calling code is, or None outside of runs. Put together for those who ask: most runs log nothing."""
    placed = _placed.get()
    if placed is None:
        return None
    step = current_place.get()
    return placed.where() if step is None else placed.where()._replace(step=step.step, attempt=step.attempt)


def enter(placed: Placed) -> None:
    """Mark the current task (or copied context) as belonging to a run, until its context ends."""
    _placed.set(placed)


class ContextFilter(logging.Filter):
    """Gives each record the attributes `run`, `function`, `step`, `attempt`; for your own handlers when embedding."""

    def filter(self, record: logging.LogRecord) -> bool:
        where = current()
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
        where = current()
        if where is not None:
            kwargs["extra"] = {**where.fields(), **(kwargs.get("extra") or {})}
        return msg, kwargs
