"""The runs that are on this worker: starts their executions, and brings them what happens to them meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..broker.model import LeasedRun, Resolution
from .capacity import Capacity
from .execution import Execution
from .executor import Executor
from .outcome import Lost, Outcome

logger = logging.getLogger("bgjobs.worker")

SUSPECT = 2  # workers that died with a run, from which on this one holds no second such run (R21)


class Host:
    """From a lease to the end of the execution."""

    def __init__(
        self,
        executor: Executor,
        fetch_rest: Callable[[LeasedRun], Awaitable[None]],
        *,
        forgo: Callable[[], None],
        suspect_ended: Callable[[], None],
    ) -> None:
        """
        Args:
            executor: executes attempts.
            fetch_rest: reads what does not come with a lease: checkpoints that were too many, the events of a batch.
            forgo: told that a run has ended here without an operation that would have freed its slot.
            suspect_ended: told that a run which workers died with has ended here, so that the next may come.
        """
        self._forgo = forgo
        self._suspect_ended = suspect_ended
        self._executor = executor
        self._fetch_rest = fetch_rest
        self._here: dict[asyncio.Task[Outcome], LeasedRun] = {}
        self._suspects = 0
        self.finished = 0

    @property
    def running(self) -> int:
        return len(self._here)

    @property
    def held(self) -> list[LeasedRun]:
        return list(self._here.values())

    @property
    def waiting(self) -> dict[str, list[str]]:
        """Run id -> pending steps whose outcomes somebody here waits for."""
        return {run: steps for run, execution in self._executor.live.items() if (steps := execution.waiting)}

    def holds_suspect(self) -> bool:
        """Whether a run is here that two workers died with."""
        return self._suspects > 0

    def start(self, run: LeasedRun) -> None:
        """Begin to execute a run that was leased to this worker."""
        older = self._executor.live.get(run.id)
        if older is not None:
            older.abandon()  # leased again, so its right is lost
        if run.crashes >= SUSPECT:
            self._suspects += 1
        whole = not run.steps_elsewhere and run.kind != "batch"
        execution = self._executor.execute(run) if whole else self._with_rest(run)
        task = asyncio.get_running_loop().create_task(execution)
        self._here[task] = run
        task.add_done_callback(self._ended)

    async def _with_rest(self, run: LeasedRun) -> Outcome:
        await self._fetch_rest(run)
        return await self._executor.execute(run)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        run = self._here.pop(task)
        if run.crashes >= SUSPECT:
            self._suspects -= 1
            self._suspect_ended()
        self.finished += 1
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Its lease stays until it is settled: then the run goes back.
            logger.error("run %s of %s could not be executed", run.id, run.function, exc_info=error)
        if error is not None or task.cancelled() or _untold(task.result()):
            self._forgo()

    def resolved(self, resolution: Resolution) -> None:
        """An outcome, or a request to stop, for a run that is here under that very fence."""
        self._executor.deliver(resolution)

    def lost(self, run: str) -> None:
        """This worker holds a run without the right to it."""
        execution = self._executor.live.get(run)
        if execution is not None:
            execution.abandon()

    def each(self, act: Callable[[Execution], None]) -> None:
        """Do something to every execution."""
        for execution in list(self._executor.live.values()):
            act(execution)

    def keep_room(self, capacity: Capacity) -> None:
        """What has not ended here takes up room in `capacity` until it does: threads can't be stopped (R20)."""
        for task in self._here:
            capacity.hold()
            task.add_done_callback(lambda _: capacity.release())

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until no execution is left; False if `timeout` seconds were not enough."""
        if not self._here:
            return True
        _, pending = await asyncio.wait(list(self._here), timeout=timeout)
        return not pending


def _untold(outcome: Outcome) -> bool:
    """Whether no operation has freed the slot of a run that has ended here."""
    return isinstance(outcome, Lost) and not outcome.told
