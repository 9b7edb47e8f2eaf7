"""`isolation="process"`: attempts at `def` functions in processes that can be killed: a hard time-out, a memory limit.

The worker keeps the run. The process only runs the function and asks the worker for every step: so it never
touches Redis, and killing it at any moment costs no more than the attempt. A process that ended an attempt well is
used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..broker.codec import decode
from ..define.app import App
from .failure import FailedElsewhere
from .isolation_errors import IsolatedProcessEnded, MemoryExceeded
from .isolation_line import Answer, Ask, Codec, Ended, Job, portable, receive
from .options import WorkerOptions
from .recycle import resident_bytes
from .steps.verbs import VERBS
from .unwinding import Mode, Unwinding

if TYPE_CHECKING:
    from .execution import Execution

logger = logging.getLogger("bgjobs.worker")

COMMAND = (sys.executable, "-m", "bgjobs.worker.isolated")
#: Seconds between looks at what a process with a memory limit holds.
LOOK_EVERY = 0.1
#: Idle processes are kept for the next attempt for so long, in seconds.
IDLE_FOR = 60.0
#: Attempts after which a process is replaced: whatever user code leaks does not add up for ever.
MOST_ATTEMPTS = 1_000


class IsolatedFunction:
    """An `Isolation`: runs a function in a process of its own, with the limits of that function."""

    def __init__(self, processes: IsolatedProcesses, memory: int) -> None:
        self._processes = processes
        self._memory = memory

    def call(self, execution: Execution) -> Awaitable[Any]:
        """What the function returns or raises. Cancelling this kills the process.

        Raises:
            FailedElsewhere: the function raised; carries what of.
            Unwinding: it ended because its run leaves, stops, or was lost.
            MemoryExceeded: it was killed because it held more than it may.
            IsolatedProcessEnded: the process ended by itself.
        """
        return self._processes.attempt(execution, self._memory)


class IsolatedProcesses:
    """The processes of one worker: started when they are needed, at most as many as `options.sync_threads`."""

    def __init__(self, app: App, options: WorkerOptions, *, command: Sequence[str] = COMMAND) -> None:
        self._app = app
        self._options = options
        self._command = command
        self._room = asyncio.Semaphore(options.sync_threads)
        self._idle: list[_Process] = []
        self._codec = Codec(self._function)

    def function(self, memory: int | None) -> IsolatedFunction:
        """How to run a function that may hold `memory` bytes; None: any number."""
        return IsolatedFunction(self, memory or 0)

    async def attempt(self, execution: Execution, memory: int) -> Any:
        """One attempt, in a process of its own while it lasts. Its time begins when there is a process for it."""
        try:
            async with self._room:
                ended = await self._attempt(execution, memory)
        except asyncio.CancelledError:
            execution.unwound = execution.unwound or execution.mode.unwinds
            raise
        if ended.failure is not None:
            raise FailedElsewhere(ended.failure)
        if ended.result is None:
            raise Unwinding(Mode(ended.unwound))
        return decode(ended.result)

    async def _attempt(self, execution: Execution, memory: int) -> Ended:
        process = await self._take()
        timeout, deadline = execution.function.timeout, None
        if timeout is not None:
            deadline = asyncio.get_running_loop().call_later(timeout, execution.time_out)
        reusable = False
        try:
            ended = await process.attempt(execution, memory)
            reusable = ended.clean and process.attempts < MOST_ATTEMPTS and not _fat(process, memory)
            return ended
        finally:
            if deadline is not None:
                deadline.cancel()
            if reusable:
                self._idle.append(process)
                process.retire_after(IDLE_FOR, self._retire)
            else:
                await process.kill()

    async def _take(self) -> _Process:
        """An idle process, or a new one once it has loaded the app."""
        while self._idle:
            process = self._idle.pop()
            process.cancel_retirement()
            if process.alive:
                return process
            process.end()
        process = await self._start()
        try:
            await process.until_ready()
        except BaseException:
            await process.kill()
            raise
        return process

    async def close(self) -> None:
        """End the idle processes. Those at work end with their attempts."""
        for process in self._idle:
            await process.kill()
        self._idle.clear()

    def _retire(self, process: _Process) -> None:
        if process in self._idle:
            self._idle.remove(process)
            process.end()

    def _function(self, app: str, function: str) -> Any:
        return self._app.functions[function] if app == self._app.id else f"{app}/{function}"

    async def _start(self) -> _Process:
        process, ours = _spawn(self._command)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=2**20)
        writer.write(self._codec.pack(self._options.to_dict()))
        return _Process(process, reader, writer, self._codec)


def _spawn(command: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process. Never from another thread: Linux counts the end of the starting thread as that of the parent."""
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        return subprocess.Popen([*command, str(fd)], pass_fds=[fd], stdin=subprocess.DEVNULL), ours


class _Process:
    """One process and the worker's end of its line."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        codec: Codec,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._retirement: asyncio.TimerHandle | None = None
        self.pid = process.pid
        self.attempts = 0

    @property
    def alive(self) -> bool:
        """Whether it has not ended, for example killed by the kernel while it was idle."""
        return self._process.poll() is None

    async def until_ready(self) -> None:
        """Wait until it has loaded the app. Raises IsolatedProcessEnded if it can't."""
        try:
            await receive(self._reader, self._codec)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise IsolatedProcessEnded(await self._how_it_ended()) from None

    async def attempt(self, execution: Execution, memory: int) -> Ended:
        """Have the run's function called, and carry out what it asks for."""
        self.attempts += 1
        watch = asyncio.ensure_future(self._watch(memory)) if memory else None
        talk = asyncio.ensure_future(self._talk(execution, memory))
        both: list[asyncio.Task[Any]] = [task for task in (watch, talk) if task is not None]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if watch is not None and watch.done():
                await watch  # raises
            return await talk
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _talk(self, execution: Execution, memory: int) -> Ended:
        # The checkpoints stay here: every step asks for its own.
        run = replace(execution.run, checkpoints={}, step_failures={}, pending={})
        verbs: set[asyncio.Task[None]] = set()
        try:
            self._writer.write(self._codec.pack(Job(run, memory)))
            while True:
                message = await receive(self._reader, self._codec)
                if isinstance(message, Ended):
                    return message
                task = asyncio.get_running_loop().create_task(self._carry_out(execution, message))
                verbs.add(task)
                task.add_done_callback(verbs.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise IsolatedProcessEnded(await self._how_it_ended()) from None
        finally:
            for task in verbs:
                task.cancel()

    async def _carry_out(self, execution: Execution, ask: Ask) -> None:
        try:
            value = await VERBS[ask.verb](execution.book, ask.strand, *ask.arguments)
            frame = self._codec.pack(Answer(ask.number, value))
        except Unwinding as unwinding:
            frame = self._codec.pack(Answer(ask.number, unwound=unwinding.mode.value))
        except Exception as error:
            frame = self._codec.pack(Answer(ask.number, error=portable(error, self._codec)))
        self._writer.write(frame)

    async def _watch(self, memory: int) -> None:
        while True:
            held = resident_bytes(self.pid)
            if held > memory:
                raise MemoryExceeded(held, memory)
            await asyncio.sleep(LOOK_EVERY)

    async def _how_it_ended(self) -> str:
        status = await asyncio.to_thread(self._process.wait)
        if status >= 0:
            return f"exited with status {status}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"

    async def kill(self) -> None:
        """End it at once."""
        self.end()
        await asyncio.to_thread(self._process.wait)

    def end(self) -> None:
        """Have it killed; does not wait."""
        self.cancel_retirement()
        self._writer.close()
        self._process.kill()

    def retire_after(self, seconds: float, retire: Any) -> None:
        """Call `retire` with this process unless it is used before."""
        self._retirement = asyncio.get_running_loop().call_later(seconds, retire, self)

    def cancel_retirement(self) -> None:
        """It is used again."""
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None


def _fat(process: _Process, memory: int) -> bool:
    """Whether what an attempt left behind would eat into the room of the next."""
    return bool(memory) and resident_bytes(process.pid) > memory / 2
