"""One worker process seen from its supervisor: its pid, its line, what it said last."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..channel import Channel, Message, pair
from ..options import WorkerOptions

logger = logging.getLogger("bgjobs.supervisor")


class Child:
    """A started process. Its messages arrive on one thread, its end on another; both are passed on by `on_event`."""

    def __init__(
        self,
        index: int,
        command: Sequence[str],
        options: WorkerOptions,
        *,
        on_event: Callable[[str, Child], None],
        on_report: Callable[[int, dict[str, Any]], None],
    ) -> None:
        """
        Args:
            index: which of the supervisor's places this child fills.
            command: what to start; the number of a file descriptor is added as its last argument.
            options: sent to the child over the line, not by its arguments, where others could read a password.
            on_event: called with "ready", "retiring", "refused" or "exited".
            on_report: called with the child's pid and each report of its numbers.
        """
        ours, theirs = pair()
        self.index = index
        self.started_at = time.monotonic()
        self.ready = False
        self.retiring = ""
        self.refused: Message | None = None
        self.last: Message = {}
        self.last_at = self.started_at
        self._on_event = on_event
        self._on_report = on_report
        self._answered = threading.Condition()
        self._asked = 0
        self._answer = 0
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # In development somebody may put a breakpoint() into a function.
                stdin=None if options.dev else subprocess.DEVNULL,
            )
        self.pid = self.process.pid
        self._channel = Channel(ours)
        self._channel.send("options", options=options.to_dict())
        self._reader = threading.Thread(target=self._read, name=f"bgjobs-read-{self.pid}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, name=f"bgjobs-wait-{self.pid}", daemon=True).start()

    def stop(self, reason: str) -> None:
        """Ask it to stop leasing, let its runs end, hand the rest back."""
        self._channel.send("stop", reason=reason)

    def abort(self) -> None:
        """Ask it to hand everything back at once."""
        self._channel.send("abort")

    def kill(self) -> None:
        """End it without asking; its runs are taken over when its lease has expired."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def fresh_report(self, timeout: float) -> bool:
        """Ask for its numbers and wait until they have arrived. Returns False if it did not answer in time."""
        with self._answered:
            self._asked += 1
            number = self._asked
        if not self._channel.send("report", number=number):
            return False
        with self._answered:
            return self._answered.wait_for(lambda: self._answer >= number, timeout)

    @property
    def progress_age(self) -> float | None:
        """Seconds since its engine last heard from Redis, counting on since its last report."""
        age = self.last.get("progress_age")
        return None if age is None else float(age) + time.monotonic() - self.last_at

    def _read(self) -> None:
        for message in self._channel.messages():
            match message["kind"]:
                case "status":
                    self.last, self.last_at = message, time.monotonic()
                    self._on_report(self.pid, message["metrics"])
                    with self._answered:
                        self._answer = max(self._answer, message["number"])
                        self._answered.notify_all()
                case "ready":
                    self.ready = True
                    self._on_event("ready", self)
                case "retiring":
                    self.retiring = message["reason"]
                    self._on_event("retiring", self)
                case "refused":
                    self.refused = message
                case kind:
                    logger.debug("unknown message %s from %d", kind, self.pid)

    def _wait(self) -> None:
        self.process.wait()
        # What it said last may still be on the line. A process that it forked may hold the other end: don't wait
        # for ever.
        self._reader.join(timeout=1.0)
        self._channel.close()
        self._on_event("exited", self)

    def describe_end(self) -> str:
        """How the ended process ended, in words."""
        status = self.process.returncode
        if status is None:
            return "is running"
        if status >= 0:
            return f"exited with status {status}"
        name = signal.Signals(-status).name if -status in {int(s) for s in signal.Signals} else str(-status)
        hint = " (kill -9, or out of memory)" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
