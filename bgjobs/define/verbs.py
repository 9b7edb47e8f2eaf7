"""What a program does through its app: send, invoke, signal, cancel. All of it is the clients' work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from ..broker.async_client import AsyncClient, AsyncDeadLetters, AsyncRunHandle, AsyncSchedules
    from ..broker.client import Client, RunHandle
    from ..broker.event import EventLike, FunctionRef, TypedEvent
    from ..broker.receipt import BulkReceipt, Receipt
    from .durations import Duration, Moment
    from .function import Function

T = TypeVar("T")


class Verbs(ABC):
    """The verbs of an app: coroutines for the running event loop, and twins that block and may be called anywhere."""

    @abstractmethod
    def client(self) -> Client:
        """The synchronous client."""

    @abstractmethod
    def async_client(self) -> AsyncClient:
        """The asynchronous client."""

    @property
    def schedules(self) -> AsyncSchedules:
        """Dynamic schedules: create, list, pause, resume, run_now, delete."""
        return self.async_client().schedules

    @property
    def dead_letters(self) -> AsyncDeadLetters:
        """What failed for good: list, get, retry, discard, purge."""
        return self.async_client().dead_letters

    async def send(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
        durability: str | None = None,
    ) -> Receipt:
        """Send one event. See `AsyncClient.send`."""
        return await self.async_client().send(event, data, id=id, delay=delay, at=at, key=key, durability=durability)

    def send_sync(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
        durability: str | None = None,
    ) -> Receipt:
        """`send`, blocking; also inside a running event loop."""
        return self.client().send(event, data, id=id, delay=delay, at=at, key=key, durability=durability)

    async def send_many(self, events: Iterable[EventLike], *, durability: str | None = None) -> BulkReceipt:
        """Send many events. See `AsyncClient.send_many`."""
        return await self.async_client().send_many(events, durability=durability)

    def send_many_sync(self, events: Iterable[EventLike], *, durability: str | None = None) -> BulkReceipt:
        """`send_many`, blocking."""
        return self.client().send_many(events, durability=durability)

    def send_soon(
        self,
        event: TypedEvent | str,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
    ) -> str:
        """Send from a background thread; never blocks, never raises. Answers the event id. See `Client.send_soon`."""
        return self.client().send_soon(event, data, id=id, delay=delay, at=at, key=key)

    @overload
    async def invoke(
        self,
        function: Function[..., Coroutine[Any, Any, T]],
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
    ) -> AsyncRunHandle[T]: ...
    @overload
    async def invoke(
        self, function: Function[..., T], data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> AsyncRunHandle[T]: ...
    @overload
    async def invoke(
        self, function: str, data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> AsyncRunHandle[Any]: ...
    async def invoke(
        self, function: FunctionRef, data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> AsyncRunHandle[Any]:
        """Run one function directly. See `AsyncClient.invoke`."""
        return await self.async_client().invoke(function, data, id=id, delay=delay)

    @overload
    def invoke_sync(
        self,
        function: Function[..., Coroutine[Any, Any, T]],
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
    ) -> RunHandle[T]: ...
    @overload
    def invoke_sync(
        self, function: Function[..., T], data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> RunHandle[T]: ...
    @overload
    def invoke_sync(
        self, function: str, data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> RunHandle[Any]: ...
    def invoke_sync(
        self, function: FunctionRef, data: Any = None, /, *, id: str | None = None, delay: Duration | None = None
    ) -> RunHandle[Any]:
        """`invoke`, blocking."""
        return self.client().invoke(function, data, id=id, delay=delay)

    async def signal(self, name: str, data: Any = None, /, *, keep: Duration | None = None) -> int:
        """Resolve the waits for a signal; answers how many there were. See `AsyncClient.signal`."""
        return await self.async_client().signal(name, data, keep=keep)

    def signal_sync(self, name: str, data: Any = None, /, *, keep: Duration | None = None) -> int:
        """`signal`, blocking."""
        return self.client().signal(name, data, keep=keep)

    async def cancel(self, run: str, /, *, reason: str = "") -> bool:
        """Cancel a run; False if it had ended already. See `AsyncClient.cancel`."""
        return await self.async_client().cancel(run, reason=reason)

    def cancel_sync(self, run: str, /, *, reason: str = "") -> bool:
        """`cancel`, blocking."""
        return self.client().cancel(run, reason=reason)

    async def aclose(self) -> None:
        """Flush `send_soon` and close the connections of the running loop and of threads."""
        await self.async_client().aclose()
        self.close()

    def close(self) -> None:
        """Flush `send_soon` and close the connections of threads."""
        self.client().close()
