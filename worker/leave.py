"""When to leave: whether the tasks of a run wait for nothing but its pending steps.

A task's own await point tells: it waits for a pending step's future, for another task, or in `gather`, `TaskGroup`,
`wait` or `as_completed` for tasks that in turn do. Whatever else it waits for may be real work, so it is left in
doubt. A task below an `asyncio.timeout` is in doubt too: its clock would be lost by leaving. Works on asyncio and
uvloop alike, whose tasks and futures are the same C types.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from types import CodeType, MethodType
from typing import Any

AnyFuture = asyncio.Future[Any]
AnyTask = asyncio.Task[Any]


class Verdict(IntEnum):
    """What a task is doing. Of several, the largest counts."""

    BLOCKED = 0  # nothing but pending steps can wake it
    IN_DOUBT = 1  # it waits for something else
    ACTIVE = 2  # it is about to run


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the tasks of a run are doing."""

    verdict: Verdict  # of all of them
    root: Verdict  # of the function's own task
    progress: object  # equal in two views: none of the tasks that are not blocked has moved in between


@dataclass(slots=True)
class _Examination:
    tasks: Collection[AnyTask]
    waits: Collection[AnyFuture]
    thorough: bool  # look for time limits too
    verdicts: dict[AnyTask, Verdict] = field(default_factory=dict)
    reached: set[AnyTask] = field(default_factory=set)

    def task(self, task: AnyTask) -> Verdict:
        self.reached.add(task)
        known = self.verdicts.get(task)
        if known is not None:
            return known
        # Tasks that wait for each other in a circle are a mistake of the user's: left in doubt.
        self.verdicts[task] = Verdict.IN_DOUBT
        verdict = self.verdicts[task] = self._task(task)
        return verdict

    def _task(self, task: AnyTask) -> Verdict:
        waiter = _waiter(task)
        if waiter is None or waiter.done():
            return Verdict.ACTIVE
        verdict = self._waiter(task, waiter)
        if self.thorough and verdict is Verdict.BLOCKED and _below_timeout(task):
            return Verdict.IN_DOUBT
        return verdict

    def _waiter(self, task: AnyTask, waiter: AnyFuture) -> Verdict:
        if waiter in self.waits:
            return Verdict.BLOCKED
        if isinstance(waiter, asyncio.Task):
            return self.task(waiter)
        parts = _parts(task, waiter, self.tasks)
        if parts is None:
            return Verdict.IN_DOUBT
        return max((self._part(part) for part in parts if not part.done()), default=Verdict.ACTIVE)

    def _part(self, part: AnyFuture) -> Verdict:
        if part in self.waits:
            return Verdict.BLOCKED
        if isinstance(part, asyncio.Task):
            return self.task(part)
        if isinstance(part, _GATHERING):
            children = [child for child in _children(part) if not child.done()]
            return max((self._part(child) for child in children), default=Verdict.ACTIVE)
        return Verdict.IN_DOUBT


def look(root: AnyTask, tasks: Collection[AnyTask], waits: Collection[AnyFuture], *, thorough: bool = True) -> View:
    """See what the tasks of a run are doing.

    Args:
        root: the task that the function itself runs in.
        tasks: the tasks that the run has created.
        waits: the futures of its pending steps.
        thorough: see also which tasks are below an `asyncio.timeout`, which costs most of the time that a look takes.
    """
    examination = _Examination(tasks, waits, thorough)
    of_root = examination.task(root)
    overall = of_root
    moving: list[object] = []
    for task in (root, *tasks):
        if task.done():
            continue
        verdict = examination.task(task)
        overall = max(overall, verdict)
        if verdict is Verdict.ACTIVE:
            moving.append(object())
        elif verdict is Verdict.IN_DOUBT:
            # The objects themselves: the next future may well get the address of the last one.
            moving.append((task, _waiter(task)))
    return View(verdict=overall, root=of_root, progress=tuple(moving))


def unwind(
    root: AnyTask,
    tasks: Collection[AnyTask],
    waits: Collection[AnyFuture],
    owned: Callable[[AnyTask], bool],
    exception: Callable[[], BaseException],
) -> None:
    """Make every task of a run end: each gets the exception at its own await point.

    So no task sees another's interruption as that one's outcome: `gather(..., return_exceptions=True)` and
    `asyncio.wait` raise instead of handing it out. (A TaskGroup needs no such help, and a task waiting for another gets
    it from there.) Tasks in doubt are cancelled if the function waits for them or they have used a step; others are
    none of ours: a connection pool that a library started inside a run lives on.

    Args:
        root: the task that the function itself runs in.
        tasks: the tasks that the run has created.
        waits: the futures to end.
        owned: whether a task has used a step.
        exception: makes the exception; a new one for each await point.
    """
    examination = _Examination(tasks, waits, thorough=False)
    examination.task(root)
    reached = set(examination.reached)
    current = asyncio.current_task()
    for task in {root, *tasks, *reached}:
        if task.done() or task is current:
            continue
        verdict = examination.task(task)
        if task is not root:
            task.add_done_callback(_retrieve)
        waiter = _waiter(task)
        if verdict is Verdict.BLOCKED:
            if waiter is not None and not isinstance(waiter, asyncio.Task) and not _in_task_group(task):
                waiter.set_exception(exception())
        elif task is root or task in reached or owned(task):
            task.cancel()
    for future in waits:
        if not future.done():
            future.set_exception(exception())


def _retrieve(task: AnyTask) -> None:
    # Looked at, so that asyncio does not report it as forgotten.
    if not task.cancelled():
        task.exception()


def _waiter(task: AnyTask) -> AnyFuture | None:
    waiter: AnyFuture | None = getattr(task, "_fut_waiter", None)
    return waiter


_GATHERING: type = asyncio_tasks._GatheringFuture  # type: ignore[attr-defined]
_WAIT_CODE: CodeType = asyncio_tasks._wait.__code__  # type: ignore[attr-defined]
_GROUP_CODES = frozenset(
    method.__code__ for name in ("__aexit__", "_aexit") if (method := asyncio.TaskGroup.__dict__.get(name)) is not None
)
_AS_COMPLETED_NAMES = frozenset({"as_completed.<locals>._wait_for_one", "_AsCompletedIterator._wait_for_one"})


def _children(gathering: Any) -> list[AnyFuture]:
    return list(gathering._children)


def _parts(task: AnyTask, waiter: AnyFuture, candidates: Iterable[AnyTask]) -> list[AnyFuture] | None:
    """The futures that a task waits for together; None: its wait is of no known kind."""
    if isinstance(waiter, _GATHERING):
        return _children(waiter)
    for coroutine in reversed(_chain(task)):
        frame = _frame(coroutine)
        if frame is None:
            continue
        code = frame.f_code
        if code is _WAIT_CODE:
            local = frame.f_locals
            return list(local["fs"]) if local.get("timeout_handle") is None else None
        if code in _GROUP_CODES:
            return list(frame.f_locals["self"]._tasks)
        if code.co_qualname in _AS_COMPLETED_NAMES and code.co_filename.startswith(_ASYNCIO):
            return _as_completed(frame.f_locals, candidates)
    return None


def _as_completed(local: dict[str, Any], candidates: Iterable[AnyTask]) -> list[AnyFuture] | None:
    iterator = local.get("self")
    if iterator is not None:
        return list(iterator._todo) if iterator._timeout_handle is None else None
    # Before Python 3.13 only the callback that each of the futures has knows them all; it feeds the queue at hand.
    for task in candidates:
        for callback, _ in getattr(task, "_callbacks", None) or ():
            if getattr(callback, "__qualname__", "") == "as_completed.<locals>._on_completion":
                known = inspect.getclosurevars(callback).nonlocals
                if known.get("done") is local["done"]:
                    return list(known["todo"]) if known.get("timeout_handle") is None else None
    return None


def _in_task_group(task: AnyTask) -> bool:
    frames = (_frame(coroutine) for coroutine in reversed(_chain(task)))
    innermost = next((frame for frame in frames if frame is not None), None)
    return innermost is not None and innermost.f_code in _GROUP_CODES


#: Our own coroutines, below and above the user's.
_OWN = __file__.rpartition("leave")[0]
_ASYNCIO = asyncio_tasks.__file__.rpartition("tasks")[0]


def _chain(task: AnyTask) -> list[Any]:
    """The coroutines a task is in, from the outermost to the one at its await point."""
    chain: list[Any] = []
    coroutine: Any = task.get_coro()
    while coroutine is not None and _frame(coroutine) is not None:
        chain.append(coroutine)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return chain


def _frame(coroutine: Any) -> Any:
    return getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)


def _below_timeout(task: AnyTask) -> bool:
    # An `async with` in progress keeps its exit method on the frame's stack, which only the garbage collector can see.
    for coroutine in _chain(task):
        if _frame(coroutine).f_code.co_filename.startswith(_OWN):
            continue
        for referent in gc.get_referents(coroutine):
            kind = type(referent)
            if kind is MethodType:
                referent, kind = referent.__self__, type(referent.__self__)
            if kind is asyncio.Timeout and referent._timeout_handler is not None:
                return True
    return False
