"""What operators change while things run: pauses."""

from __future__ import annotations

from typing import Any

from ..event import FunctionRef
from ..inspect.audit_log import AuditEntry, read_audit_log
from ..inspect.pauses import PauseInfo, read_pauses
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

    async def audit_log(self, *, limit: int = 100, before: str | None = None) -> list[AuditEntry]:
        """See `Controls.audit_log`."""
        requests = self._requests
        return await self._do(read_audit_log(requests.keys, requests.patience(), limit=limit, before=before))
