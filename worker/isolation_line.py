"""The line between a worker and a process that runs isolated functions: pickled messages, their length before them.

Both ends are ours and run the same code, on a socket pair that nobody else holds: what pickle trusts may be trusted.
"""

from __future__ import annotations

import asyncio
import io
import pickle
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..define.function import Function
from .failure import Failure

if TYPE_CHECKING:
    from ..broker.model import LeasedRun

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Ready:
    """From the process: the app is loaded."""


@dataclass(frozen=True, slots=True)
class Job:
    """To the process: execute this."""

    run: LeasedRun
    memory: int  # bytes; 0: no limit


@dataclass(frozen=True, slots=True)
class Ask:
    """From the process: carry out a verb of `steps.verbs`."""

    number: int
    verb: str
    strand: int
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """To the process: what the verb came to."""

    number: int
    value: Any = None
    error: BaseException | None = None
    unwound: str = ""  # the mode, if the run ends here


@dataclass(frozen=True, slots=True)
class Ended:
    """From the process: the function returned (its encoded value), raised, or was unwound."""

    result: bytes | None = None
    failure: Failure | None = None
    unwound: str = ""  # the mode
    clean: bool = True  # nothing of it is left running, so that the process may be used again


class _Pickler(pickle.Pickler):
    """Functions travel by name: what a decorator returned stands where pickle expects the plain function."""

    def persistent_id(self, value: Any) -> Any:
        return ("function", value.app.id, value.id) if isinstance(value, Function) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, function: Callable[[str, str], Any]) -> None:
        super().__init__(file)
        self._function = function

    def persistent_load(self, reference: Any) -> Any:
        _, app, function = reference
        return self._function(app, function)


class Codec:
    """Messages as bytes, and back; `function` finds a function by app and id."""

    def __init__(self, function: Callable[[str, str], Any]) -> None:
        self._function = function

    def pack(self, message: Any) -> bytes:
        """One frame. Raises what pickle raises if something in the message can't travel."""
        buffer = io.BytesIO()
        buffer.write(_LENGTH.pack(0))
        _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
        frame = buffer.getbuffer()
        _LENGTH.pack_into(frame, 0, len(frame) - _LENGTH.size)
        return bytes(frame)

    def unpack(self, content: bytes) -> Any:
        return _Unpickler(io.BytesIO(content), self._function).load()


def portable(error: BaseException, codec: Codec) -> BaseException:
    """The error, or if it can't travel one that says the same."""
    try:
        codec.unpack(codec.pack(error)[_LENGTH.size :])
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


async def receive(reader: asyncio.StreamReader, codec: Codec) -> Any:
    """The next message. Raises asyncio.IncompleteReadError when the other end is gone."""
    head = await reader.readexactly(_LENGTH.size)
    return codec.unpack(await reader.readexactly(_LENGTH.unpack(head)[0]))


class BlockingLine:
    """The process's end. `send` may be called from any thread, `receive` from one."""

    def __init__(self, end: socket.socket, codec: Codec) -> None:
        self._socket = end
        self._reader = end.makefile("rb")
        self._codec = codec
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        frame = self._codec.pack(message)
        with self._lock:
            self._socket.sendall(frame)

    def receive(self) -> Any:
        """The next message. Raises EOFError when the other end is gone."""
        head = self._reader.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise EOFError
        return self._codec.unpack(self._reader.read(_LENGTH.unpack(head)[0]))
