"""The client for event loops: every verb of `Client`, as a coroutine."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TypeVar

from .connection import PerLoop, PerProcess
from .conversation import Talk, talk_async
from .durability import Durability
from .durations import Duration
from .handle import AsyncRunHandle
from .inspect.functions import FunctionInfo, read_functions
from .requests import Requests
from .verbs.controls import AsyncControls
from .verbs.dead_letters import AsyncDeadLetters
from .verbs.events import AsyncEvents
from .verbs.running import AsyncRunning
from .verbs.schedules import AsyncSchedules
from .verbs.sending import AsyncSending
from .wire import LoopWire, SyncWire

__all__ = ["AsyncClient", "AsyncDeadLetters", "AsyncRunHandle", "AsyncSchedules"]

T = TypeVar("T")


class AsyncClient(AsyncSending, AsyncRunning, AsyncEvents):
    """`Client` for event loops. One instance serves any number of loops, one after the other or in several threads:
    each gets a connection of its own, and so does a forked process. Arguments and errors as for `Client`.
    """

    def __init__(
        self,
        redis: str | None = None,
        *,
        namespace: str | None = None,
        app: str | None = None,
        timeout: Duration | None = None,
        durability: Durability | None = None,
    ) -> None:
        self._requests = requests = Requests(
            redis, namespace=namespace, app=app, timeout=timeout, durability=durability
        )
        self._wires = PerLoop(lambda: LoopWire(requests.endpoint))
        self._soon_wire = PerProcess(lambda: SyncWire(requests.endpoint, timeout=requests.timeout))

    @property
    def controls(self) -> AsyncControls:
        """What operators change while things run: pauses, limits, set_limit, clear_limit; audit_log."""
        return AsyncControls(self)

    @property
    def dead_letters(self) -> AsyncDeadLetters:
        """What failed for good: list, get, retry, discard, retry_all, purge."""
        return AsyncDeadLetters(self)

    @property
    def schedules(self) -> AsyncSchedules:
        """Dynamic schedules: create, list, get, pause, resume, run_now, delete."""
        return AsyncSchedules(self)

    async def functions(self, app: str | None = None) -> list[FunctionInfo]:
        """See `Client.functions`."""
        return await self._do(read_functions(self._requests.keys, self._requests.patience(), app))

    async def _do(self, verb: Talk[T]) -> T:
        return await talk_async(verb, self._wires.get())

    async def ping(self) -> None:
        """See `Client.ping`."""
        await self._do(self._requests.ping())

    async def aclose(self) -> None:
        """Flush `send_soon` and close the connections of this loop. The client may be used again."""
        soon, self._soon = self._soon, None
        if soon is not None:
            await asyncio.to_thread(soon.close)
        soon_wire = self._soon_wire.take()
        if soon_wire is not None:
            soon_wire.close()
        wire = self._wires.take()
        if wire is not None:
            await wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._requests.namespace} at {self._requests.address}>"
