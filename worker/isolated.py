"""The process that runs isolated functions, one attempt at a time. Its worker carries out every verb.

It ends when its line does. A worker that wants an attempt to end at once kills it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..broker.codec import decode, encode
from ..broker.errors import BgjobsError
from ..broker.model import LeasedRun
from ..define.app import App
from ..define.event import Event
from ..define.function import FunctionDefinition
from . import logs
from .failure import describe
from .isolation_line import Answer, Ask, BlockingLine, Codec, Ended, Job, Ready
from .log_context import Where, enter
from .options import WorkerOptions
from .received import received_event, received_events
from .steps.sync_face import strand_here
from .sync_context import SyncContext
from .target import load_app
from .unwinding import Mode, Unwinding

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger("bgjobs.worker")

#: Room above the wanted limit before the system itself refuses memory: the worker's look at what is resident comes
#: first, and says more. A burst that is faster than its looks gets MemoryError here.
_HARD_LIMIT_FACTOR = 1.25
_HARD_LIMIT_EXTRA = 128 * 2**20


class IsolatedExecution:
    """What a context needs to know of its run, in this process."""

    def __init__(self, run: LeasedRun, function: FunctionDefinition) -> None:
        self.run = run
        self.function = function
        self.asked_to_stop = run.cancel

    def received_event(self) -> Event[Any]:
        """The event as the function sees it."""
        return received_event(self.run, self.function.event_model)

    def received_events(self) -> tuple[Event[Any], ...]:
        """The events of a batch as the function sees them; else the one."""
        return received_events(self.run, self.function.event_model)


class PipeBridge:
    """From the threads of the function to the worker that carries out its verbs."""

    def __init__(self, line: BlockingLine, run: LeasedRun) -> None:
        self._line = line
        self._run = run
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Answer]] = {}

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self._run.id

    def call(self, verb: str, strand: int, /, *arguments: Any) -> Any:
        """Have a verb carried out, and wait for it in the calling thread."""
        number = next(self._numbers)
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._waiting[number] = answers
        try:
            self._line.send(Ask(number, verb, strand, arguments))
            answer = answers.get()
        finally:
            del self._waiting[number]
        if answer.unwound:
            raise Unwinding(Mode(answer.unwound))
        if answer.error is not None:
            raise answer.error
        return answer.value

    def answered(self, answer: Answer) -> None:
        """The worker answered; called on the listening thread."""
        self._waiting[answer.number].put(answer)

    def own_event(self) -> Mapping[str, Any]:
        """The event of the run, as paths see it."""
        run = self._run
        return {"id": run.event_id, "name": run.event_name, "data": decode(run.data) if run.data else None, "key": None}


class IsolatedProcess:
    """Executes jobs until the line ends."""

    def __init__(self, app: App, line: BlockingLine) -> None:
        self._app = app
        self._line = line
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._bridge: PipeBridge | None = None

    def run(self) -> None:
        """Work; does not return."""
        threading.Thread(target=self._listen, name="bgjobs-listen", daemon=True).start()
        while True:
            job = self._jobs.get()
            self._bridge = PipeBridge(self._line, job.run)
            self._line.send(self._execute(job, self._bridge))

    def _listen(self) -> None:
        try:
            while True:
                match self._line.receive():
                    case Job() as job:
                        self._jobs.put(job)
                    case Answer() as answer if self._bridge is not None:
                        self._bridge.answered(answer)
        except (EOFError, OSError):
            os._exit(0)

    def _execute(self, job: Job, bridge: PipeBridge) -> Ended:
        run = job.run
        function = self._app.functions[run.function].definition
        context: Any = SyncContext(IsolatedExecution(run, function), bridge)  # type: ignore[arg-type]
        enter(Where(run=run.id, function=function.key, attempt=run.attempt))
        strand_here.set(0)
        threads = threading.active_count()
        try:
            with memory_limit(job.memory):
                value = function.callable(context)
            ended = Ended(result=encode(value, where="the function's result"))
        except Unwinding as unwinding:
            ended = Ended(unwound=unwinding.mode.value)
        except BaseException as error:
            ended = Ended(failure=describe(error, run.attempt))
        if threading.active_count() > threads:
            return Ended(result=ended.result, failure=ended.failure, unwound=ended.unwound, clean=False)
        return ended


@contextlib.contextmanager
def memory_limit(limit: int) -> Iterator[None]:
    """Let allocations fail with MemoryError some way above `limit` bytes, where the system can do that."""
    resource = _resource()
    if not limit or resource is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    soft = int(limit * _HARD_LIMIT_FACTOR) + _HARD_LIMIT_EXTRA
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _resource() -> ModuleType | None:
    try:
        import resource
    except ImportError:
        return None
    return resource


def main() -> None:
    """Be such a process. The last argument of the command is the descriptor of the line."""
    # Who stops the worker signals the whole group; what is to become of the attempt is the worker's decision.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    _killed_with_worker()
    end = socket.socket(fileno=int(sys.argv[-1]))
    end.set_inheritable(False)
    apps: list[App] = []
    line = BlockingLine(end, Codec(lambda app, function: apps[0].functions[function]))
    try:
        options = WorkerOptions.from_dict(line.receive())
    except (EOFError, OSError):
        sys.exit(0)
    logs.configure(options.log_level, options.log_format, show_pid=options.processes > 1)
    try:
        apps.append(load_app(options.target))
    except BgjobsError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)
    line.send(Ready())
    IsolatedProcess(apps[0], line).run()


def _killed_with_worker() -> None:
    """On Linux, end with the worker even while code holds the interpreter lock; elsewhere the line must be read."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    main()
