"""The line between a supervisor and one of its children: JSON lines over a socket pair.

The supervisor holds one end, the child the other. When either dies the other reads end-of-file: that is how children
learn, on every platform, that they have been orphaned.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]


class Channel:
    """One end of the line. `send` may be called from any thread; `receive` from one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._reader = end.makefile("rb")
        self._lock = threading.Lock()
        self.closed = False

    @classmethod
    def from_descriptor(cls, number: int) -> Channel:
        """The end that this process inherited as a file descriptor; kept from the processes that user code starts."""
        end = socket.socket(fileno=number)
        end.set_inheritable(False)
        return cls(end)

    def send(self, kind: str, **fields: Any) -> bool:
        """Send one message. Returns False if the other end is gone (or has not read for `send_timeout` seconds)."""
        line = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self.closed:
                return False
            try:
                self._socket.sendall(line)
            except OSError:
                self.closed = True
                return False
        return True

    def receive(self) -> Message | None:
        """The next message, blocking; None when the other end is gone."""
        try:
            line = self._reader.readline()
            return json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None

    def messages(self) -> Iterator[Message]:
        """Every message until the other end is gone."""
        while (message := self.receive()) is not None:
            yield message

    def close(self) -> None:
        """Close this end; a blocked `receive` on it returns None."""
        with self._lock:
            self.closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._socket.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a new line: the supervisor's, and the one to hand to the child."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
