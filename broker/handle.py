"""A run that was asked for, in the caller's hand: its result, its state, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from .durations import Duration
from .run_info import PENDING, RunInfo

if TYPE_CHECKING:
    from .receipt import Receipt
    from .verbs.running import AsyncRunning, Running

T = TypeVar("T")


def not_yet(run: str, function: str, receipt: Receipt) -> RunInfo:
    """What is known of a run whose event was accepted and not yet ingested."""
    return RunInfo(
        id=run,
        function=function,
        app=function.partition("/")[0],
        state=PENDING,
        event_id=receipt.event_id,
        event_name=receipt.name,
        kind="invoke",
    )


class RunHandle(Generic[T]):
    """A run that `Client.invoke` asked for.

    Attributes:
        id: id of the run.
        receipt: of the event that starts it.
    """

    __slots__ = ("_client", "_pending", "id", "receipt")

    def __init__(self, client: Running, run: str, function: str, receipt: Receipt) -> None:
        self._client = client
        self._pending = not_yet(run, function, receipt)
        self.id = run
        self.receipt = receipt

    def result(self, timeout: Duration | None = None) -> T:
        """Wait for what the function returns.

        Args:
            timeout: longest wait; None: as long as it takes.

        Raises:
            RunFailed, RunCancelled: it ended otherwise.
            ResultTimeout: it has not ended; it goes on.
        """
        value: T = self._client._result_of_accepted(self.id, timeout)
        return value

    def status(self) -> RunInfo:
        """The run as it stands; its state is ``pending`` until its event is ingested."""
        return self._client._run_of_accepted(self.id, self._pending)

    def cancel(self, reason: str = "") -> bool:
        """Cancel it; False if it had ended already. Raises RunNotFound if it is still pending."""
        return self._client.cancel(self.id, reason=reason)

    def __repr__(self) -> str:
        return f"<RunHandle {self.id} of {self._pending.function}>"


class AsyncRunHandle(Generic[T]):
    """A run that `AsyncClient.invoke` asked for: `RunHandle`, awaited."""

    __slots__ = ("_client", "_pending", "id", "receipt")

    def __init__(self, client: AsyncRunning, run: str, function: str, receipt: Receipt) -> None:
        self._client = client
        self._pending = not_yet(run, function, receipt)
        self.id = run
        self.receipt = receipt

    async def result(self, timeout: Duration | None = None) -> T:
        """Wait for what the function returns. See `RunHandle.result`."""
        value: T = await self._client._result_of_accepted(self.id, timeout)
        return value

    async def status(self) -> RunInfo:
        """The run as it stands. See `RunHandle.status`."""
        return await self._client._run_of_accepted(self.id, self._pending)

    async def cancel(self, reason: str = "") -> bool:
        """Cancel it. See `RunHandle.cancel`."""
        return await self._client.cancel(self.id, reason=reason)

    def __repr__(self) -> str:
        return f"<AsyncRunHandle {self.id} of {self._pending.function}>"
