"""The executor: an attempt is a straight line. Load the run, run the function, decide one outcome, commit it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..broker import operations
from ..broker.model import OK, LeasedRun, Resolution, Status
from .context import Context
from .execution import Execution
from .failure import FailedElsewhere, describe
from .log_context import enter
from .outcome import (
    Cancelled,
    Completed,
    Ending,
    Failed,
    HandedBack,
    Left,
    Lost,
    Moved,
    Outcome,
    Retried,
    completed,
    decide,
)
from .ports import LoadedFunction, Services
from .steps.sync_face import strand_here
from .strands import current, record_tasks
from .sync_context import SyncContext, ThreadBridge
from .threads import ThreadCall, ThreadPool
from .unwinding import Mode, Unwinding

logger = logging.getLogger("bgjobs.worker")

#: How long tasks that a run leaves behind may take to clean up, in seconds.
_CLEAN_UP_SECONDS = 2.0


class Executor:
    """Executes the runs of one event loop.

    Args:
        functions: what this worker has, by function id.
        services: what all executions share.
        threads: for `def` functions.
    """

    def __init__(self, functions: Mapping[str, LoadedFunction], services: Services, threads: ThreadPool) -> None:
        self._functions = functions
        self._services = services
        self._threads = threads
        self.live: dict[str, Execution] = {}
        """What is being executed, by run id."""
        record_tasks(asyncio.get_running_loop())

    async def execute(self, run: LeasedRun) -> Outcome:
        """Execute a leased run, in a task of its own: to its end, or to where it leaves this worker.

        Returns:
            The outcome, committed. It comes only after user code has ended, also code whose result counts no more, so
            that whoever waits knows what still takes up room; a thread that outlives a run which was handed back in
            a hurry is the exception.
        """
        function = self._functions.get(run.function)
        if function is None:
            answer = await self._services.committer.commit(operations.move(run))
            return Lost(told=True) if answer.status is Status.FENCED else Moved()
        execution = Execution(run, function, self._services)
        self.live[run.id] = execution
        enter(execution)
        if run.started_ms == run.now_ms:
            function.metrics.run_started((run.now_ms - run.created_ms) / 1000)
        try:
            if function.is_async:
                root = execution.root = _current_task()
                current.set(execution)
                value, error = await self._call(execution, function.call, Context(execution))
                outcome = self._decide(execution, value, error)
                while root.cancelling():
                    root.uncancel()
                if left_over := execution.left_over():
                    await self._clean_up(execution, left_over)
                execution.close()
                outcome = await self._commit(execution, outcome)
            elif function.isolation is None:
                outcome = await self._with_thread(execution)
            else:
                outcome = await self._isolated(execution)
        finally:
            execution.end()
            if self.live.get(run.id) is execution:
                del self.live[run.id]
        self._report(execution, outcome, time.monotonic() - execution.began)
        return outcome

    def deliver(self, resolution: Resolution) -> None:
        """What happened to a run meanwhile: an outcome, or a request to stop. Dropped if it is for an older lease."""
        execution = self.live.get(resolution.run)
        if execution is None or execution.run.g != resolution.g:
            return
        if resolution.step:
            execution.resolve(resolution.step, resolution.envelope)
        else:
            execution.cancel(resolution.envelope.decode("utf-8", "replace"))

    # The other places where user code runs.

    async def _with_thread(self, execution: Execution) -> Outcome:
        execution.in_threads()
        context: Any = SyncContext(execution, ThreadBridge(execution, asyncio.get_running_loop()))
        in_context = contextvars.copy_context()
        in_context.run(strand_here.set, 0)
        call: ThreadCall[Any] = ThreadCall(lambda: in_context.run(execution.function.call, context))

        def release(mode: Mode) -> None:
            # A cancelled or lost run is waited for: its thread can't be stopped, and takes up room as long as it lives.
            if mode in (Mode.TIMED_OUT, Mode.HANDING_BACK):
                call.give_up(Unwinding(mode))

        execution.release = release
        value, error = await self._call(execution, self._threads.result, call)
        outcome = await self._commit(execution, self._decide(execution, value, error))
        if not isinstance(outcome, HandedBack):
            await call.until_ended()
        return outcome

    async def _isolated(self, execution: Execution) -> Outcome:
        root = _current_task()
        isolation = execution.function.isolation
        assert isolation is not None
        execution.in_threads()
        execution.release = lambda mode: None if asyncio.current_task() is root else _cancel(root)
        value, error = await self._call(execution, isolation.call, execution)
        outcome = self._decide(execution, value, error)
        while root.cancelling():
            root.uncancel()
        return await self._commit(execution, outcome)

    async def _call(
        self, execution: Execution, code: Callable[[Any], Awaitable[Any]], argument: Any
    ) -> tuple[Any, BaseException | None]:
        """What user code returned or raised."""
        run, function = execution.run, execution.function
        if run.cancel:
            execution.cancel("")
        if execution.mode is not Mode.RUNNING:
            execution.interrupt()
            return None, execution.refusal()
        deadline = None
        if function.timeout is not None and function.isolation is None:
            # With isolation the time begins when there is a process: waiting for one is not the function's fault.
            deadline = asyncio.get_running_loop().call_later(function.timeout, execution.time_out)
        try:
            if function.event_model is not None and function.event_model(run.event_name) is not None:
                execution.received_events()
            return await code(argument), None
        except GeneratorExit:
            raise
        except asyncio.CancelledError as error:
            if _current_task().cancelling() and not execution.unwound:
                raise  # the worker is torn down around us
            return None, error
        except BaseException as error:
            return None, error
        finally:
            if deadline is not None:
                deadline.cancel()

    def _decide(self, execution: Execution, value: Any, error: BaseException | None) -> Outcome:
        """User code has ended: what the attempt came to."""
        run, function = execution.run, execution.function
        mode = execution.end()
        if mode is Mode.RUNNING and error is None:
            return completed(value, run.attempt)
        ending = Ending(
            mode=mode,
            value=value,
            exception=error,
            steps=execution.leaving_steps,
            timeout=function.timeout or 0.0,
            unwound=execution.unwound,
        )
        return decide(
            ending,
            attempt=run.attempt,
            retries=function.retries,
            backoff=function.backoff,
            random=self._services.random,
        )

    async def _clean_up(self, execution: Execution, tasks: list[asyncio.Task[Any]]) -> None:
        """End the tasks of the run that the function did not wait for."""
        if execution.busy:
            logger.warning(
                "%s ended while a step of it was still running in another task; await all of them",
                execution.function.key,
                extra={"run": execution.run.id, "function": execution.function.key},
            )
        for task in tasks:
            task.cancel()
        _, stubborn = await asyncio.wait(tasks, timeout=_CLEAN_UP_SECONDS)
        for task in tasks:
            if task not in stubborn and not task.cancelled():
                task.exception()  # looked at, so that asyncio does not report it

    # The one commit.

    async def _commit(self, execution: Execution, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Lost | Moved):
            return outcome  # there is nothing to say
        run, commit = execution.run, self._services.committer.commit
        if execution.recorded and isinstance(outcome, Completed):
            await self._report_unreached(execution)
        answer = await commit(outcome.operation(run))
        if answer is OK:
            return outcome
        if answer.status is Status.INVALID and isinstance(outcome, Completed | Retried | Left):
            reason = answer.envelope.decode("utf-8", "replace")
            failure = describe(RuntimeError(f"the broker refused the run's outcome: {reason}"), run.attempt)
            outcome = Failed(failure=failure, exception=None, reason="refused")
            answer = await commit(outcome.operation(run))
        return Lost(told=True) if answer.status is Status.FENCED else outcome

    async def _report_unreached(self, execution: Execution) -> None:
        """R33: say on the run which recorded steps its function, as it is now, never came to."""
        unreached = sorted(execution.recorded - execution.reached)
        if not unreached:
            return
        execution.function.metrics.unreached += len(unreached)
        names = ", ".join(unreached[:10]) + (" ..." if len(unreached) > 10 else "")
        logger.warning(
            "%s completed without coming to the recorded steps %s; was its code changed?",
            execution.function.key,
            names,
            extra={"run": execution.run.id, "function": execution.function.key},
        )
        message = f"completed without coming to the recorded steps {names}"
        await self._services.committer.commit(operations.progress(execution.run, 100, message))

    def _report(self, execution: Execution, outcome: Outcome, seconds: float) -> None:
        run, key, log = execution.run.id, execution.function.key, self._services.run_log
        attempt = execution.run.attempt
        match outcome:
            case Completed():
                name = "completed"
                log.completed(run, key, outcome.value, seconds)
            case Left():
                name = "left"
                log.left(run, key, ", ".join(outcome.steps[:5]))
            case Retried():
                name = "retried"
                log.retried(run, key, attempt, _shown(outcome), outcome.delay)
            case Failed():
                name = "failed"
                log.failed(run, key, attempt, _shown(outcome))
            case Cancelled():
                name = "cancelled"
                log.cancelled(run, key)
            case HandedBack():
                name = "handed back"
                log.handed_back(run, key, "the worker stops")
            case Lost():
                name = "lost"
                log.lost(run, key)
            case Moved():
                name = "moved"
        execution.function.metrics.run_finished(name, seconds)


def _shown(outcome: Failed | Retried) -> BaseException:
    return outcome.exception if outcome.exception is not None else FailedElsewhere(outcome.failure)


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "execute() runs in a task"
    return task
