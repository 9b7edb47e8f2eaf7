"""What operators change while things run: pauses and limits."""

from __future__ import annotations

from typing import Any

from ..durations import Duration
from ..event import FunctionRef
from ..inspect.audit_log import AuditEntry, read_audit_log
from ..inspect.limits import LimitInfo, read_limits
from ..inspect.pauses import PauseInfo, read_pauses
from ..limiting import clear_limit, set_limit
from ..pausing import NO_VALUE, of_function, of_queue, switch
from .face import AsyncPart, Part


class Controls(Part):
    """`Client.controls`. `actor` is who acts, for the audit log; default: user@host of this process."""

    def pause(
        self,
        function: FunctionRef,
        /,
        *,
        key: str | None = None,
        value: Any = NO_VALUE,
        reason: str = "",
        actor: str | None = None,
    ) -> bool:
        """Let no run of a function start any more, or none with one value of a key; those that run go on.

        Runs are still made, and wait in the order in which they came.

        Args:
            function: the function, its key, or its id if the client knows its app.
            key: a path that one of the function's limits has as its key; may be left out if there is only one.
            value: only runs whose event has this value there.
            reason: shown with the pause, at most 500 characters.
            actor: see above.

        Returns:
            False if it was paused already.

        Raises:
            FunctionNotFound: it is not registered.
            UsageError: the function has no such key.
        """
        target = self._do(of_function(self._requests, function, key, value))
        return self._do(switch(self._requests, target, pause=True, actor=actor, reason=reason))

    def resume(
        self,
        function: FunctionRef,
        /,
        *,
        key: str | None = None,
        value: Any = NO_VALUE,
        reason: str = "",
        actor: str | None = None,
    ) -> bool:
        """Let the runs go on that `pause` holds, in their order. False if it was not paused. Errors as of `pause`."""
        target = self._do(of_function(self._requests, function, key, value))
        return self._do(switch(self._requests, target, pause=False, actor=actor, reason=reason))

    def pause_queue(self, queue: str, /, *, app: str | None = None, reason: str = "", actor: str | None = None) -> bool:
        """Let no run of a queue start any more.

        Args:
            queue: `<app>:<queue>`, or its name within the app.
            app: its app; default: the client's.
            reason: as of `pause`.
            actor: see above.

        Returns:
            False if it was paused already.

        Raises:
            NotFound: no registered function is in that queue.
            UsageError: its app is unknown.
        """
        target = self._do(of_queue(self._requests, queue, app))
        return self._do(switch(self._requests, target, pause=True, actor=actor, reason=reason))

    def resume_queue(
        self, queue: str, /, *, app: str | None = None, reason: str = "", actor: str | None = None
    ) -> bool:
        """Let the runs of a queue go on. False if it was not paused. Errors as of `pause_queue`."""
        target = self._do(of_queue(self._requests, queue, app))
        return self._do(switch(self._requests, target, pause=False, actor=actor, reason=reason))

    def pauses(self) -> list[PauseInfo]:
        """All that is paused, and how many runs each pause holds."""
        return self._do(read_pauses(self._requests.keys, self._requests.patience()))

    def limits(self) -> list[LimitInfo]:
        """The concurrency limits and throttles of registered functions: what holds, and what the code says."""
        return self._do(read_limits(self._requests.keys, self._requests.patience()))

    def set_limit(
        self,
        target: str,
        limit: int,
        /,
        *,
        period: Duration | None = None,
        burst: int | None = None,
        reason: str = "",
        actor: str | None = None,
    ) -> LimitInfo:
        """Let another value hold than the code's, at once, until the code gives a different one or it is cleared.

        Args:
            target: as `limits` names it: `shop/charge`, `shop/charge[event.data.customer]`, `throttle:shop/mail`, or
                the name of a shared limit. The app may be left out if the client knows it.
            limit: 1 to 1,000,000.
            period: of a throttle; as it is, if omitted.
            burst: of a throttle; as it is, if omitted.
            reason: shown with it, at most 500 characters.
            actor: see above.

        Returns:
            The limit as it stands now. Lowering it takes no slot away; raising it lets parked runs in.

        Raises:
            NotFound: no registered function has such a limit.
            UsageError: the numbers can't be used.
        """
        changing = set_limit(self._requests, target, limit, period=period, burst=burst, actor=actor, reason=reason)
        return self._do(changing)

    def clear_limit(self, target: str, /, *, reason: str = "", actor: str | None = None) -> bool:
        """Let the code's value hold again. False if it did. Raises NotFound."""
        return self._do(clear_limit(self._requests, target, actor=actor, reason=reason))

    def audit_log(self, *, limit: int = 100, before: str | None = None) -> list[AuditEntry]:
        """Changes by hand, the newest first.

        Args:
            limit: at most so many, up to 1,000.
            before: id of the last one of the page before.
        """
        requests = self._requests
        return self._do(read_audit_log(requests.keys, requests.patience(), limit=limit, before=before))


class AsyncControls(AsyncPart):
    """`AsyncClient.controls`: `Controls`, awaited."""

    async def pause(
        self,
        function: FunctionRef,
        /,
        *,
        key: str | None = None,
        value: Any = NO_VALUE,
        reason: str = "",
        actor: str | None = None,
    ) -> bool:
        """See `Controls.pause`."""
        target = await self._do(of_function(self._requests, function, key, value))
        return await self._do(switch(self._requests, target, pause=True, actor=actor, reason=reason))

    async def resume(
        self,
        function: FunctionRef,
        /,
        *,
        key: str | None = None,
        value: Any = NO_VALUE,
        reason: str = "",
        actor: str | None = None,
    ) -> bool:
        """See `Controls.resume`."""
        target = await self._do(of_function(self._requests, function, key, value))
        return await self._do(switch(self._requests, target, pause=False, actor=actor, reason=reason))

    async def pause_queue(
        self, queue: str, /, *, app: str | None = None, reason: str = "", actor: str | None = None
    ) -> bool:
        """See `Controls.pause_queue`."""
        target = await self._do(of_queue(self._requests, queue, app))
        return await self._do(switch(self._requests, target, pause=True, actor=actor, reason=reason))

    async def resume_queue(
        self, queue: str, /, *, app: str | None = None, reason: str = "", actor: str | None = None
    ) -> bool:
        """See `Controls.resume_queue`."""
        target = await self._do(of_queue(self._requests, queue, app))
        return await self._do(switch(self._requests, target, pause=False, actor=actor, reason=reason))

    async def pauses(self) -> list[PauseInfo]:
        """See `Controls.pauses`."""
        return await self._do(read_pauses(self._requests.keys, self._requests.patience()))

    async def limits(self) -> list[LimitInfo]:
        """See `Controls.limits`."""
        return await self._do(read_limits(self._requests.keys, self._requests.patience()))

    async def set_limit(
        self,
        target: str,
        limit: int,
        /,
        *,
        period: Duration | None = None,
        burst: int | None = None,
        reason: str = "",
        actor: str | None = None,
    ) -> LimitInfo:
        """See `Controls.set_limit`."""
        changing = set_limit(self._requests, target, limit, period=period, burst=burst, actor=actor, reason=reason)
        return await self._do(changing)

    async def clear_limit(self, target: str, /, *, reason: str = "", actor: str | None = None) -> bool:
        """See `Controls.clear_limit`."""
        return await self._do(clear_limit(self._requests, target, actor=actor, reason=reason))

    async def audit_log(self, *, limit: int = 100, before: str | None = None) -> list[AuditEntry]:
        """See `Controls.audit_log`."""
        requests = self._requests
        return await self._do(read_audit_log(requests.keys, requests.patience(), limit=limit, before=before))
