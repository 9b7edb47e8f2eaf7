"""`ctx.step` of a `def` function: the same names, without `await`, and `parallel`."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, overload

from ...broker.defaults import WAIT_TIMEOUT_SECONDS
from ...broker.durations import Duration, Moment
from ...broker.event import FunctionRef, TypedEvent
from ...define.event import Event, EventModel
from ...define.function import Function
from ...define.policies import Backoff
from ..errors import ForeignThread, NotParallel, StepMisuse
from ..restore import restorer_of
from ..unwinding import Unwinding
from .arguments import at_unix_time, bound, changed, event_wait, length, signal_name
from .book import opened
from .face import step_key_here
from .options import StepOptions
from .run import call_body_here, is_async
from .time_limit import in_time

if TYPE_CHECKING:
    from collections.abc import Mapping

P = ParamSpec("P")
T = TypeVar("T")

#: Which strand of its run the calling thread is; None in threads that the run did not start.
strand_here: ContextVar[int | None] = ContextVar("bgjobs_strand", default=None)


class Bridge(Protocol):
    """The way from a thread (or a child process) to the event loop that its run belongs to."""

    @property
    def run_id(self) -> str: ...

    def call(self, verb: str, strand: int, /, *arguments: Any) -> Any:
        """Carry out a verb of `steps.verbs` and wait for it."""
        ...

    def own_event(self) -> Mapping[str, Any]:
        """The event of the run, as paths see it."""
        ...


class SyncSteps:
    """The steps of one run. Each is named by an id, unique within its thread but for loops, which are counted."""

    __slots__ = ("_bridge", "_options")

    def __init__(self, bridge: Bridge, options: StepOptions) -> None:
        self._bridge = bridge
        self._options = options

    def run(self, id: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` until one try succeeds; its result is recorded, and given on later executions instead.

        See `Steps.run`. The body runs in the calling thread; with a `timeout` option in one of its own.
        """
        body = bound(fn, args, kwargs)
        if is_async(fn):
            raise StepMisuse(
                "A step of a `def` function has an `async def` body.",
                remedy="Make the body `def`, or the function `async def`.",
            )
        strand = self._strand()
        key, envelope, attempt = self._bridge.call("begin", strand, id)
        while envelope is None:
            result, seconds = call_body_here(self._bridge.run_id, key, attempt, self._limited(body))
            envelope = self._bridge.call("settle", strand, key, attempt, result, seconds, self._options)
            attempt += 1
        value: T = opened(key, envelope, restorer_of(fn))
        return value

    def sleep(self, id: str, duration: Duration) -> None:
        """See `Steps.sleep`."""
        self._bridge.call("sleep", self._strand(), id, length(duration, "the time to sleep"))

    def sleep_until(self, id: str, moment: Moment) -> None:
        """See `Steps.sleep_until`."""
        self._bridge.call("sleep_until", self._strand(), id, at_unix_time(moment))

    def wait_for_event(
        self,
        id: str,
        event: str | type[EventModel],
        *,
        match: str | None = None,
        filter: str | None = None,
        timeout: Duration = WAIT_TIMEOUT_SECONDS,
    ) -> Event[Any] | None:
        """See `Steps.wait_for_event`."""
        wanted = event_wait(event, match, filter, timeout, self._bridge.own_event)
        found: Event[Any] | None = self._bridge.call(
            "wait_for_event",
            self._strand(),
            id,
            wanted.name,
            wanted.path,
            wanted.value_hash,
            wanted.filter,
            wanted.timeout,
            wanted.model,
        )
        return found

    def wait_for_signal(self, id: str, name: str, *, timeout: Duration = WAIT_TIMEOUT_SECONDS) -> Any | None:
        """See `Steps.wait_for_signal`."""
        return self._bridge.call("wait_for_signal", self._strand(), id, signal_name(name), length(timeout, "timeout="))

    @overload
    def invoke(
        self,
        id: str,
        function: Function[..., Coroutine[Any, Any, T]],
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> T: ...

    @overload
    def invoke(
        self,
        id: str,
        function: Function[..., T],
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> T: ...

    @overload
    def invoke(
        self,
        id: str,
        function: str,
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> Any: ...

    def invoke(
        self,
        id: str,
        function: FunctionRef,
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> Any:
        """See `Steps.invoke`."""
        limit = None if timeout is None else length(timeout, "timeout=")
        return self._bridge.call("invoke", self._strand(), id, function, data, limit, on_parent_end == "leave")

    def send_event(
        self,
        id: str,
        event: TypedEvent | str,
        data: Any = None,
        *,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
    ) -> str:
        """See `Steps.send_event`."""
        sent: str = self._bridge.call("send_event", self._strand(), id, event, data, delay, at, key)
        return sent

    def parallel(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Run functions that use steps side by side, each in a thread of its own.

        Args:
            calls: functions without arguments: ``[lambda: ctx.step.run("a", f), lambda: ctx.step.run("b", g)]``.

        Returns:
            What they returned, in order, when all have ended.

        Raises:
            Exception: what the first of them (in order) raised; the others are named in its notes.
        """
        if not all(_is_branch(call) for call in calls):
            raise NotParallel("`parallel` takes functions without arguments.")
        if not calls:
            return []
        branches = [_Branch(call) for call in calls]
        strands: list[int] = self._bridge.call("fork", self._strand(), len(calls))
        threads = []
        for branch, strand in zip(branches, strands, strict=True):
            work = functools.partial(contextvars.copy_context().run, branch.work, self._bridge, strand)
            threads.append(threading.Thread(target=work, name=f"bgjobs-branch-{strand}", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _raise_first([branch.error for branch in branches if branch.error is not None])
        return [branch.value for branch in branches]

    def with_options(
        self,
        *,
        retries: int | None = None,
        timeout: Duration | None = None,
        backoff: Backoff | Duration | None = None,
    ) -> SyncSteps:
        """See `Steps.with_options`."""
        return SyncSteps(self._bridge, changed(self._options, retries, timeout, backoff))

    @property
    def key(self) -> str:
        """See `Steps.key`."""
        return step_key_here()

    def _strand(self) -> int:
        strand = strand_here.get()
        if strand is None:
            raise ForeignThread("A step is called from a thread that the function started itself.")
        return strand

    def _limited(self, body: Callable[[], T]) -> Callable[[], T]:
        if self._options.timeout is None:
            return body
        return functools.partial(in_time, body, self._options.timeout)


def _is_branch(call: object) -> bool:
    return callable(call) and not is_async(call)


class _Branch:
    """One of the functions that `parallel` runs."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.value: Any = None
        self.error: BaseException | None = None

    def work(self, bridge: Bridge, strand: int) -> None:
        strand_here.set(strand)
        try:
            self.value = self._call()
        except BaseException as error:
            self.error = error
        try:
            bridge.call("end", strand)
        except BaseException as error:
            self.error = self.error or error


def _raise_first(errors: list[BaseException]) -> None:
    if not errors:
        return
    # What takes the run off the worker goes before what a branch failed of: that is recorded and comes again.
    first = next((error for error in errors if isinstance(error, Unwinding)), errors[0])
    if not isinstance(first, Unwinding):
        for other in errors[1:]:
            first.add_note(f"Another parallel branch failed as well: {type(other).__name__}: {other}")
    raise first
