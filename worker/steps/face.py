"""`ctx.step` of an `async def` function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from ...broker.defaults import WAIT_TIMEOUT_SECONDS
from ...broker.durations import Duration, Moment
from ...broker.event import FunctionRef, TypedEvent
from ...define.event import Event, EventModel
from ...define.function import Function
from ...define.policies import Backoff
from ..errors import NotInStep
from ..restore import restorer_of
from . import invoke, send, sleep, wait
from .arguments import at_unix_time, bound, changed, event_wait, length, options_of, signal_name
from .book import opened
from .options import StepOptions
from .place import current_place
from .run import attempts, begin, call_body, settle

if TYPE_CHECKING:
    from ..execution import Execution

P = ParamSpec("P")
T = TypeVar("T")


class Steps:
    """The steps of one run. Each is named by an id, unique within its task but for loops, which are counted."""

    __slots__ = ("_execution", "_options")

    def __init__(self, execution: Execution, options: StepOptions | None = None) -> None:
        self._execution = execution
        self._options = options or options_of(execution.function)

    @overload
    async def run(self, id: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @overload
    async def run(self, id: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def run(self, id: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` until one try succeeds; its result is recorded, and given on later executions instead.

        A `def` body runs in a thread. The result is what comes back from storage, restored to `fn`'s return annotation.

        Args:
            id: the step's id.
            fn: the body.
            args, kwargs: what it is called with; not stored.

        Raises:
            StepFailed: it is out of attempts, or raised NonRetriable.
        """
        book = self._execution.book
        body = bound(fn, args, kwargs)
        strand = _strand()
        key, envelope, attempt = await begin(book, strand, id)
        while envelope is None:
            result, seconds = await call_body(book, key, attempt, self._options, body)
            envelope = await settle(book, strand, key, attempt, result, seconds, self._options)
            attempt = attempts(book, key) + 1
        return opened(key, envelope, restorer_of(fn))

    async def sleep(self, id: str, duration: Duration) -> None:
        """Sleep: the run leaves the worker and comes back when the time is over.

        Args:
            id: the step's id.
            duration: seconds, a timedelta, or words such as "3 days".
        """
        await sleep.sleep(self._execution.book, _strand(), id, length(duration, "the time to sleep"))

    async def sleep_until(self, id: str, moment: Moment) -> None:
        """Sleep until a moment: an aware datetime, or Unix time in seconds. A past one ends at once."""
        await sleep.sleep_until(self._execution.book, _strand(), id, at_unix_time(moment))

    async def wait_for_event(
        self,
        id: str,
        event: str | type[EventModel],
        *,
        match: str | None = None,
        filter: str | None = None,
        timeout: Duration = WAIT_TIMEOUT_SECONDS,
    ) -> Event[Any] | None:
        """Wait for an event that is ingested after this call.

        Args:
            id: the step's id.
            event: its name, or its EventModel.
            match: a path, such as "data.order_id", whose value must be the same in the event and in this run's own.
            filter: an expression over the awaited event, such as "event.data.amount > 100".
            timeout: how long to wait.

        Returns:
            The event, or None if the time was over.
        """
        wanted = event_wait(event, match, filter, timeout, self._execution.own_event)
        found: Event[Any] | None = await wait.wait_for_event(
            self._execution.book,
            _strand(),
            id,
            wanted.name,
            wanted.path,
            wanted.value_hash,
            wanted.filter,
            wanted.timeout,
            wanted.model,
        )
        return found

    async def wait_for_signal(self, id: str, name: str, *, timeout: Duration = WAIT_TIMEOUT_SECONDS) -> Any | None:
        """Wait for `app.signal(name, data)`: its data, or None if the time was over."""
        book = self._execution.book
        return await wait.wait_for_signal(book, _strand(), id, signal_name(name), length(timeout, "timeout="))

    @overload
    async def invoke(
        self,
        id: str,
        function: Function[..., Coroutine[Any, Any, T]],
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> T: ...

    @overload
    async def invoke(
        self,
        id: str,
        function: Function[..., T],
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> T: ...

    @overload
    async def invoke(
        self,
        id: str,
        function: str,
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> Any: ...

    async def invoke(
        self,
        id: str,
        function: FunctionRef,
        data: Any = None,
        *,
        timeout: Duration | None = None,
        on_parent_end: Literal["cancel", "leave"] = "cancel",
    ) -> Any:
        """Run another function and wait for its result, restored to its return annotation if it is one of this app.

        Args:
            id: the step's id.
            function: the decorated function, its key "shop/charge", or its id within this app.
            data: what its event carries.
            timeout: how long to wait.
            on_parent_end: what becomes of the child if this run ends first.

        Raises:
            StepFailed: the child failed, was cancelled, or did not end in time.
        """
        limit = None if timeout is None else length(timeout, "timeout=")
        book = self._execution.book
        return await invoke.invoke(book, _strand(), id, function, data, limit, on_parent_end == "leave")

    async def send_event(
        self,
        id: str,
        event: TypedEvent | str,
        data: Any = None,
        *,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
    ) -> str:
        """Send an event, exactly once however often the run is resumed: its id."""
        return await send.send_event(self._execution.book, _strand(), id, event, data, delay, at, key)

    def with_options(
        self,
        *,
        retries: int | None = None,
        timeout: Duration | None = None,
        backoff: Backoff | Duration | None = None,
    ) -> Steps:
        """The same steps with other options for their bodies; what is omitted stays as it is.

        Args:
            retries: tries after the first.
            timeout: longest time of one try.
            backoff: how long to wait between tries; a duration is a constant one.
        """
        return Steps(self._execution, changed(self._options, retries, timeout, backoff))

    @property
    def key(self) -> str:
        """Inside a step's body: `<run id>:<step key>`, the same on every try: an idempotency key for other services.

        Raises:
            NotInStep: outside of one.
        """
        return step_key_here()


def step_key_here() -> str:
    """The idempotency key of the step whose body is running."""
    place = current_place.get()
    if place is None:
        raise NotInStep("ctx.step.key exists only while a step's body runs.")
    return place.key


def _strand() -> Hashable:
    return cast("Hashable", asyncio.current_task())
