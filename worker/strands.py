"""The strands of a run: the tasks of an `async def` function, or the threads of a `def` function and its branches.

A task factory records the tasks that user code creates, however deep: a context variable says whose code is running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable
from contextvars import Context, ContextVar
from typing import Any, Protocol, cast

from .leave import AnyFuture, AnyTask, Verdict, View, look, unwind

_PRUNE_AT = 64


class Strands(Protocol):
    """What the leave watch and the execution ask of either kind."""

    owners: set[Hashable]
    """Strands that have used a step."""

    def look(self, waits: Collection[AnyFuture], *, thorough: bool) -> View:
        """What the strands are doing, given the futures that only the outside resolves."""
        ...

    def unwind(self, waits: Collection[AnyFuture], exception: Callable[[], BaseException]) -> None:
        """Make every strand end."""
        ...


class TaskStrands:
    """The tasks of an `async def` function."""

    __slots__ = ("_prune_at", "_tasks", "owners", "root")

    def __init__(self, root: AnyTask) -> None:
        self.root = root
        self.owners: set[Hashable] = set()  # tasks that have used a step
        self._tasks: set[AnyTask] = set()
        self._prune_at = _PRUNE_AT

    def add(self, task: AnyTask) -> None:
        """A task was created by the run's code."""
        self._tasks.add(task)
        if len(self._tasks) > self._prune_at:
            self._tasks = {each for each in self._tasks if not each.done()}
            self._prune_at = max(_PRUNE_AT, 2 * len(self._tasks))

    def look(self, waits: Collection[AnyFuture], *, thorough: bool) -> View:
        self._tasks = {task for task in self._tasks if not task.done()}
        return look(self.root, self._tasks, waits, thorough=thorough)

    def unwind(self, waits: Collection[AnyFuture], exception: Callable[[], BaseException]) -> None:
        unwind(self.root, self._tasks, waits, self.owners.__contains__, exception)

    def close(self) -> None:
        """The run's code has ended: a library's task that lives on must not keep what belonged to the run."""
        self._tasks.clear()
        self.owners.clear()

    def left_over(self) -> list[AnyTask]:
        """Tasks other than the root that have used a step and have not ended."""
        return [
            task for task in self.owners if isinstance(task, asyncio.Task) and task is not self.root and not task.done()
        ]


class ThreadStrands:
    """The thread of a `def` function, and those of its parallel branches. Used on the event loop only."""

    __slots__ = ("_active", "_forks", "_made", "owners")

    def __init__(self) -> None:
        self.owners: set[Hashable] = set()
        self._active: set[int] = {0}  # strands that no other one waits for
        self._forks: dict[int, tuple[int, int]] = {}  # branch -> parent, first branch of its fork
        self._made = 0

    def fork(self, parent: int, branches: int) -> list[int]:
        """The parent starts branches and waits for them."""
        first = self._made + 1
        strands = list(range(first, first + branches))
        self._made += branches
        self._active.discard(parent)
        self._active.update(strands)
        self._forks.update(dict.fromkeys(strands, (parent, first)))
        return strands

    def end(self, branch: int) -> None:
        """A branch has ended; with the last one its parent goes on."""
        fork = self._forks.pop(branch)
        self._active.discard(branch)
        if fork not in self._forks.values():
            self._active.add(fork[0])

    def look(self, waits: Collection[AnyFuture], *, thorough: bool) -> View:
        # A strand waits for at most one future, so as many unresolved ones as strands means that all wait.
        waiting = sum(1 for future in waits if not future.done())
        verdict = Verdict.BLOCKED if waiting >= len(self._active) else Verdict.ACTIVE
        return View(verdict=verdict, root=verdict, progress=object())

    def unwind(self, waits: Collection[AnyFuture], exception: Callable[[], BaseException]) -> None:
        for future in waits:
            if not future.done():
                future.set_exception(exception())


class Owner(Protocol):
    """An execution of an `async def` function, as far as the task factory needs it."""

    def own(self, task: AnyTask) -> None:
        """A task was created by its code."""
        ...


#: Whose code is running.
current: ContextVar[Owner | None] = ContextVar("bgjobs_strands", default=None)


def record_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Install the task factory on a loop, on top of the one it has. Once per loop; asking again does nothing."""
    previous = loop.get_task_factory()
    if getattr(previous, "records_strands", False):
        return

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Any, *, context: Context | None = None, **options: Any
    ) -> AnyTask:
        if context is not None:
            options["context"] = context
        if previous is not None:
            task = cast("AnyTask", previous(loop, coroutine, **options))
        elif options:
            task = asyncio.Task(coroutine, loop=loop, **options)
        else:
            task = asyncio.Task(coroutine, loop=loop)
        owner = current.get() if context is None else context.get(current)
        if owner is not None:
            owner.own(task)
        return task

    factory.records_strands = True  # type: ignore[attr-defined]
    loop.set_task_factory(factory)
