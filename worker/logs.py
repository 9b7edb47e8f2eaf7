"""The log of a worker process: one handler, text or JSON lines, and what is said about runs.

Only processes started by `bgjobs worker` and `bgjobs dev` call `configure`; embedded, the root logger is never touched.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ..define.errors import StepFailed
from .failure import LONGEST_TRACEBACK, FailedElsewhere, RaisedElsewhere, as_imported, message_of
from .log_context import ContextFilter
from .options import LogFormat

logger = logging.getLogger("bgjobs.worker")
runs = logging.getLogger("bgjobs.runs")

#: Where bgjobs itself runs user code from.
_OWN = f"{Path(__file__).parent.parent}{os.sep}"
_CONTEXT = ("run", "function", "step", "attempt")
#: What users' data must not do to a terminal: control characters as their escapes, lines and tabs as they are.
_HARMLESS = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What the record carries beyond the standard attributes, the place in the run first."""
    own = vars(record)
    fields = {name: own[name] for name in _CONTEXT if name in own}
    fields.update((name, value) for name, value in own.items() if name not in _STANDARD and name not in fields)
    return fields


class TextFormatter(logging.Formatter):
    """`12:03:04.567 WARNING shop.jobs: card declined  run=00ab function=shop/process-order step=charge attempt=2`"""

    def __init__(self, *, show_pid: bool = False) -> None:
        """`show_pid`: put the process id after the time, where several processes write to one stream."""
        super().__init__()
        self._pid = f" {os.getpid():>7}" if show_pid else ""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = f"{clock}{self._pid} {record.levelname:<7} {record.name}: {record.getMessage()}"
        fields = _extra(record)
        if fields:
            line += "  " + " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + record.stack_info
        return line.translate(_HARMLESS)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _formatted(ei, super().formatException)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (ISO, UTC), level, logger, message, pid, then run, function, step, attempt ..."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **_extra(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return json.dumps(fields, default=str, ensure_ascii=False)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _formatted(ei, super().formatException)


def _formatted(ei: Any, format: Callable[[Any], str]) -> str:
    told = ei[1]
    return _cut(
        told.args[0].rstrip() if isinstance(told, RaisedElsewhere) else as_imported(format(ei)), LONGEST_TRACEBACK
    )


def _plain(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c.isspace() or c == '"' for c in text) else text


def configure(level: str, form: LogFormat, *, show_pid: bool = False, stream: IO[str] | None = None) -> None:
    """Make this process log to `stream` (standard error) only, at `level`, in `form`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(show_pid=show_pid))
    handler.addFilter(ContextFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # which file has changed, the supervisor says
    if logging.getLogger().getEffectiveLevel() <= logging.DEBUG:
        # It talks about every selector event and would drown what DEBUG is switched on for.
        logging.getLogger("asyncio").setLevel(logging.INFO)


class RunLog:
    """What a worker says about its runs: failures and retries always, every run at DEBUG (in `dev` at INFO)."""

    def __init__(self, *, each_run: bool = False) -> None:
        """`each_run`: say at INFO what every run came to and what it returned."""
        self._level = logging.INFO if each_run else logging.DEBUG

    def started(self, run: str, function: str, attempt: int) -> None:
        """An execution began."""
        runs.debug("started", extra={"run": run, "function": function, "attempt": attempt})

    def completed(self, run: str, function: str, result: object, seconds: float) -> None:
        """The run completed and returned `result`."""
        if runs.isEnabledFor(self._level):
            runs.log(
                self._level,
                "%s completed in %s -> %s",
                function,
                _seconds(seconds),
                _short(result),
                extra={"run": run, "function": function},
            )

    def left(self, run: str, function: str, waits_for: str) -> None:
        """The run left this worker; it goes on when one of its pending steps has an outcome."""
        if runs.isEnabledFor(self._level):
            runs.log(self._level, "%s waits for %s", function, waits_for, extra={"run": run, "function": function})

    def retried(self, run: str, function: str, attempt: int, error: BaseException, delay: float) -> None:
        """An attempt at the run failed; another follows in `delay` seconds."""
        runs.warning(
            "%s failed (attempt %d), next attempt in %s: %s",
            function,
            attempt,
            _seconds(delay),
            _describe(error),
            exc_info=_trace(error),
            extra={"run": run, "function": function, "attempt": attempt},
        )

    def step_retried(
        self, run: str, function: str, step: str, attempt: int, error: BaseException, delay: float
    ) -> None:
        """A try at a step failed; another follows in `delay` seconds."""
        runs.warning(
            "%s: step %s failed (attempt %d), next attempt in %s: %s",
            function,
            step,
            attempt,
            _seconds(delay),
            _describe(error),
            extra={"run": run, "function": function, "step": step, "attempt": attempt},
        )

    def failed(self, run: str, function: str, attempt: int, error: BaseException) -> None:
        """The run failed for good: its dead letter is written."""
        runs.error(
            "%s failed for good (attempt %d): %s",
            function,
            attempt,
            _describe(error),
            exc_info=_trace(error),
            extra={"run": run, "function": function, "attempt": attempt},
        )

    def cancelled(self, run: str, function: str) -> None:
        """The run stopped because it was asked to."""
        runs.log(self._level, "%s cancelled", function, extra={"run": run, "function": function})

    def handed_back(self, run: str, function: str, reason: str) -> None:
        """The run went back to its queue without using up an attempt."""
        runs.info("%s handed back: %s", function, reason, extra={"run": run, "function": function})

    def lost(self, run: str, function: str) -> None:
        """This worker had lost the right to the run; what it did last was refused."""
        runs.warning(
            "%s: the right to this run was lost, another worker goes on with it",
            function,
            extra={"run": run, "function": function},
        )


def _trace(error: BaseException) -> Any:
    """What a log shows of where an error was raised: the user's frames, without those of ours that lead to them."""
    if isinstance(error, FailedElsewhere):
        cause = error.__cause__
        return type(cause), cause, None
    if isinstance(error, StepFailed) and error.error.get("traceback"):
        # Where the step's body raised says more than where the function called the step.
        told = RaisedElsewhere(str(error.error["traceback"]))
        return type(told), told, None
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN):
        trace = trace.tb_next
    return (type(error), error, trace) if trace is not None else None


def _describe(error: BaseException) -> str:
    text = message_of(error)
    if isinstance(error, FailedElsewhere):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _cut(text: str, longest: int) -> str:
    """Without the middle of what is too long: the beginning says whence, the end what."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}\n... ({len(text) - longest:,} characters left out) ...\n{text[-longest // 2 :]}"


def _short(value: object, longest: int = 200) -> str:
    try:
        text = repr(value)
    except Exception as broken:
        return f"<{type(value).__name__} that can't be printed: {type(broken).__name__}>"
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"
