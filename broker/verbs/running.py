"""Runs: start one, look at it, wait for it, signal it, end it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from ..bulk_cancel import CancelPlan, CancelReport, cancel_matching
from ..conversation import Talk
from ..durations import Duration, seconds
from ..event import FunctionRef
from ..explanation import Explanation
from ..handle import AsyncRunHandle, RunHandle
from ..model import RunState
from ..receipt import Receipt
from ..replaying import replay_run
from ..requests import Requests
from ..run_info import RunInfo, StepInfo
from .face import AsyncFace, Face


class CancelAll(TypedDict, total=False):
    """Which live runs are cancelled, and how; see `CancelPlan`."""

    function: FunctionRef | None
    state: RunState | None
    older_than: Duration | None
    match: Mapping[str, Any]
    rate: float | None
    reason: str
    dry_run: bool


def _cancel_all(requests: Requests, given: CancelAll) -> Talk[CancelReport]:
    function, older = given.get("function"), given.get("older_than")
    plan = CancelPlan(
        function=None if function is None else requests.function_key(function),
        state=given.get("state"),
        older_than=None if older is None else seconds(older, what="older_than"),
        match=given.get("match", {}),
        rate=given.get("rate"),
        reason=given.get("reason", ""),
        dry_run=given.get("dry_run", False),
    )
    return cancel_matching(requests, plan)


class Running(Face):
    """About runs, blocking."""

    def invoke(
        self,
        function: FunctionRef,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
    ) -> RunHandle[Any]:
        """Run one function directly, whatever its triggers.

        Args:
            function: the function, its key (``shop/process-order``), or its id if the client knows its app.
            data: becomes ``ctx.event.data``.
            id: makes the request repeatable: one run per function and id (24 h).
            delay: how long to wait before it starts.

        Raises:
            As `send`; UsageError: the function's app is unknown; FunctionNotFound: no such function is registered.
        """
        event, run = self._requests.invoke(function, data, id=id, delay=delay)
        receipt = self._do(self._requests.start(event))
        return RunHandle(self, run, self._requests.function_key(function), receipt)

    def signal(self, name: str, data: Any = None, /, *, keep: Duration | None = None) -> int:
        """Resolve the waits for a signal.

        Args:
            name: of the signal.
            data: what the waits come to.
            keep: keep it that long for one that waits later, if nothing waits now.

        Returns:
            How many waits it resolved.
        """
        return self._do(self._requests.signal(name, data, keep))

    def run(self, run_id: str) -> RunInfo:
        """One run as it stands; its state is ``pending`` while its event is accepted and not ingested.

        Raises:
            RunNotFound: it is not stored, and no event that waits can make it.
        """
        return self._do(self._requests.run(run_id))

    def result(self, run_id: str, *, timeout: Duration | None = None) -> Any:
        """Wait for what a run returns.

        Args:
            run_id: its id.
            timeout: longest wait; None: as long as it takes.

        Raises:
            RunFailed, RunCancelled: it ended otherwise.
            ResultTimeout: it has not ended; it goes on.
            RunNotFound: as `run`.
        """
        return self._do(self._requests.result(run_id, timeout))

    def cancel(self, run_id: str, *, reason: str = "") -> bool:
        """Cancel a run; False if it had ended already. One that runs is asked to stop, and ended after 10 s.

        Raises:
            RunNotFound: there is no such run, or it is still pending.
        """
        return self._do(self._requests.cancel(run_id, reason))

    def cancel_all(self, **given: Unpack[CancelAll]) -> CancelReport:
        """Cancel every run that lives now and passes all that is given.

        Args:
            given: `function`; `state`: queued, waiting or running; `older_than`: a duration since it became eligible;
                `match`: what its event holds, such as ``{"data.customer": 42}``; `rate`: at most so many a second;
                `reason`: kept with the runs; `dry_run`: only tell which are meant.

        Raises:
            UsageError: nothing says which are meant, or a state in which runs have ended.
        """
        return self._do(_cancel_all(self._requests, given))

    def runs(self, event: str | Receipt, *, name: str | None = None) -> list[RunInfo]:
        """The runs that an event made. Those of replays from the start belong to the run that they replay.

        Args:
            event: a receipt, or an event id.
            name: the event's name; with it, an event that left the retained history is found, too.

        Raises:
            EventNotFound: the name is not given, and the event is not in the retained history.
        """
        return self._do(self._requests.runs(event, name))

    def list_runs(
        self,
        *,
        function: FunctionRef | None = None,
        state: RunState | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, the latest first, by when each came into its state.

        Args:
            function: only of this function.
            state: only in this state.
            limit: at most so many, up to 1,000.
            before: id of the last run of the page before.
        """
        return self._do(self._requests.list_runs(function, state, limit, before))

    def steps(self, run_id: str) -> list[StepInfo]:
        """The steps of a run that are known by now. Raises RunNotFound."""
        return self._do(self._requests.steps(run_id))

    def why(self, run_id: str) -> Explanation:
        """Why a run is where it is: what holds it, who is ahead of it, when it should go on, what it went through.

        Args:
            run_id: its id.

        Raises:
            RunNotFound: it is not stored, and no event that waits can make it.
        """
        return self._do(self._requests.why(run_id))

    def replay(self, run_id: str, *, from_start: bool = False, token: str | None = None) -> str:
        """Run a finished run again.

        Args:
            run_id: a failed run, which goes on from its failed step; or with `from_start` any finished one.
            from_start: as a new run, without the steps of the old one.
            token: repeating the request with the same token starts one run.

        Returns:
            The id of the run that goes on.

        Raises:
            RunNotFound: there is no such run.
            UsageError: it has not failed, or not ended.
        """
        return self._do(replay_run(self._requests, run_id, from_start=from_start, token=token))

    def _run_of_accepted(self, run: str, pending: RunInfo) -> RunInfo:
        return self._do(self._requests.run(run, accepted=pending))

    def _result_of_accepted(self, run: str, timeout: Duration | None) -> Any:
        return self._do(self._requests.result(run, timeout, accepted=True))


class AsyncRunning(AsyncFace):
    """About runs, on an event loop."""

    async def invoke(
        self,
        function: FunctionRef,
        data: Any = None,
        /,
        *,
        id: str | None = None,
        delay: Duration | None = None,
    ) -> AsyncRunHandle[Any]:
        """See `Client.invoke`."""
        event, run = self._requests.invoke(function, data, id=id, delay=delay)
        receipt = await self._do(self._requests.start(event))
        return AsyncRunHandle(self, run, self._requests.function_key(function), receipt)

    async def signal(self, name: str, data: Any = None, /, *, keep: Duration | None = None) -> int:
        """See `Client.signal`."""
        return await self._do(self._requests.signal(name, data, keep))

    async def run(self, run_id: str) -> RunInfo:
        """See `Client.run`."""
        return await self._do(self._requests.run(run_id))

    async def result(self, run_id: str, *, timeout: Duration | None = None) -> Any:
        """See `Client.result`."""
        return await self._do(self._requests.result(run_id, timeout))

    async def cancel(self, run_id: str, *, reason: str = "") -> bool:
        """See `Client.cancel`."""
        return await self._do(self._requests.cancel(run_id, reason))

    async def cancel_all(self, **given: Unpack[CancelAll]) -> CancelReport:
        """See `Client.cancel_all`."""
        return await self._do(_cancel_all(self._requests, given))

    async def runs(self, event: str | Receipt, *, name: str | None = None) -> list[RunInfo]:
        """See `Client.runs`."""
        return await self._do(self._requests.runs(event, name))

    async def list_runs(
        self,
        *,
        function: FunctionRef | None = None,
        state: RunState | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """See `Client.list_runs`."""
        return await self._do(self._requests.list_runs(function, state, limit, before))

    async def steps(self, run_id: str) -> list[StepInfo]:
        """See `Client.steps`."""
        return await self._do(self._requests.steps(run_id))

    async def why(self, run_id: str) -> Explanation:
        """See `Client.why`."""
        return await self._do(self._requests.why(run_id))

    async def replay(self, run_id: str, *, from_start: bool = False, token: str | None = None) -> str:
        """See `Client.replay`."""
        return await self._do(replay_run(self._requests, run_id, from_start=from_start, token=token))

    async def _run_of_accepted(self, run: str, pending: RunInfo) -> RunInfo:
        return await self._do(self._requests.run(run, accepted=pending))

    async def _result_of_accepted(self, run: str, timeout: Duration | None) -> Any:
        return await self._do(self._requests.result(run, timeout, accepted=True))
