"""Executes one function with a recording committer, as the worker would."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from bgjobs.broker.codec import encode
from bgjobs.broker.model import LeasedRun
from bgjobs.broker.operations import FAILURE, NOTHING, SUCCESS
from bgjobs.define.policies import Backoff
from bgjobs.worker.events import StepEvents
from bgjobs.worker.execution import Execution
from bgjobs.worker.executor import Executor
from bgjobs.worker.logs import RunLog
from bgjobs.worker.metrics import FunctionMetrics
from bgjobs.worker.outcome import Outcome
from bgjobs.worker.ports import LoadedFunction, Services
from bgjobs.worker.threads import ThreadPool
from tests.worker.recording_committer import Answering, RecordingCommitter

__all__ = ["NOTHING", "Bench", "failure", "run_of", "success"]


def success(value: Any) -> bytes:
    """The envelope of a step that came to `value`."""
    return SUCCESS + encode(value)


def failure(type: str = "ValueError", message: str = "no") -> bytes:
    """The envelope of a step that failed for good."""
    return FAILURE + encode({"type": type, "message": message, "traceback": "", "attempt": 1})


def run_of(data: Any = None, **fields: Any) -> LeasedRun:
    """A run as it is leased."""
    given: dict[str, Any] = {
        "id": "00run",
        "app": "shop",
        "function": "f",
        "g": b"7",
        "queue": "shop:default",
        "event_name": "order/created",
        "event_id": "e1",
        "data": encode(data),
        "created_ms": 1_000,
        "now_ms": 1_000_000,
        "started_ms": 1_000,
    }
    return LeasedRun(**{**given, **fields})


class NoInvocations:
    """Prepares the spec of any function without looking it up."""

    def prepare(self, function: Any, data: Any, *, run: LeasedRun, step: str, leave: bool) -> tuple[list[Any], Any]:
        annotation = inspect.signature(function).return_annotation if callable(function) else None
        return [f"child of {run.id}:{step}", str(function), data, leave], annotation


class Bench:
    """One executor with one function."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        answer: Answering | None = None,
        retries: int = 4,
        timeout: float | None = None,
        stay: float = 0.25,
        grace: float = 10.0,
        patience: float = 60.0,
        event_model: Callable[[str], Any] | None = None,
    ) -> None:
        self.committer = RecordingCommitter(answer)
        self.metrics = FunctionMetrics()
        self.threads = ThreadPool()
        loaded = LoadedFunction(
            key="shop/f",
            call=function,
            is_async=inspect.iscoroutinefunction(function),
            retries=retries,
            backoff=Backoff(jitter=0),
            timeout=timeout,
            event_model=event_model,
            metrics=self.metrics,
        )
        services = Services(
            committer=self.committer,
            run_log=RunLog(),
            random=lambda: 0.5,
            invocations=NoInvocations(),
            events=StepEvents(),
            stay=stay,
            grace=grace,
            patience=patience,
        )
        self.executor = Executor({"f": loaded}, services, self.threads)

    def start(self, run: LeasedRun | None = None) -> asyncio.Task[Outcome]:
        """Begin an execution in a task of its own, as the worker does."""
        return asyncio.create_task(self.executor.execute(run or run_of()))

    async def execute(self, run: LeasedRun | None = None, timeout: float = 5.0) -> Outcome:
        """An execution to its end."""
        async with asyncio.timeout(timeout):
            return await self.start(run)

    @property
    def execution(self) -> Execution:
        """The one that is under way."""
        (execution,) = self.executor.live.values()
        return execution

    async def pending(self, *steps: str) -> Execution:
        """Wait until these steps are registered as pending."""
        wanted = set(steps)
        await self.committer.until(lambda: wanted <= {operation[3] for operation in self.committer.of("p")})
        return self.execution


async def quiet(turns: int = 20) -> None:
    """Let everything run that is ready to."""
    for _ in range(turns):
        await asyncio.sleep(0)
