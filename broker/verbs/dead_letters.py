"""Dead letters: look at what failed for good; run it again, or let it go."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from ..durations import Duration, seconds
from ..event import FunctionRef
from ..inspect.dead_letters import DeadLetter, Filter, get_dead_letter, list_dead_letters
from ..replaying import purge, retry_all, retry_letter
from ..requests import Requests
from ..transitions import discard
from .face import AsyncPart, Part


def _filter(requests: Requests, function: FunctionRef | None, error: str | None, older_than: Duration | None) -> Filter:
    return Filter(
        function=None if function is None else requests.function_key(function),
        error=error,
        older_than=None if older_than is None else seconds(older_than, what="older_than"),
    )


class DeadLetters(Part):
    """`Client.dead_letters`."""

    def list(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> builtins.list[DeadLetter]:
        """Dead letters, the newest first.

        Args:
            function: only of this function.
            error: only with this in the error's type or message.
            older_than: only given up longer ago.
            limit: at most so many, up to 1,000.
            before: id of the last one of the page before.
        """
        requests, which = self._requests, _filter(self._requests, function, error, older_than)
        return self._do(list_dead_letters(requests.keys, requests.patience(), which, limit=limit, before=before))

    def get(self, id: str) -> DeadLetter:
        """One dead letter. Raises DeadLetterNotFound."""
        return self._do(get_dead_letter(self._requests.keys, self._requests.patience(), id))

    def retry(self, id: str, *, to: FunctionRef | None = None, data: Mapping[str, Any] | None = None) -> str:
        """Run it again: from its failed step; or, with `to` or `data`, as an invocation with its event's data.

        Args:
            id: of the dead letter.
            to: run this function instead.
            data: changes to the event's data, merged over it.

        Returns:
            The id of the run that goes on (of an event that could not be ingested: the event id).

        Raises:
            DeadLetterNotFound: there is none.
        """
        return self._do(retry_letter(self._requests, id, to=to, data=data))

    def discard(self, id: str) -> bool:
        """Remove it; its run stays failed. False if there was none."""
        return self._do(self._requests.do(discard([id]))) > 0

    def retry_all(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
        rate: float | None = None,
    ) -> int:
        """Run all of them again, at most `rate` per second; answers how many. Filters as for `list`."""
        return self._do(retry_all(self._requests, _filter(self._requests, function, error, older_than), rate))

    def purge(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
    ) -> int:
        """Remove all of them; answers how many. Filters as for `list`."""
        return self._do(purge(self._requests, _filter(self._requests, function, error, older_than)))


class AsyncDeadLetters(AsyncPart):
    """`AsyncClient.dead_letters`: the same, awaited."""

    async def list(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> builtins.list[DeadLetter]:
        """See `DeadLetters.list`."""
        requests, which = self._requests, _filter(self._requests, function, error, older_than)
        return await self._do(list_dead_letters(requests.keys, requests.patience(), which, limit=limit, before=before))

    async def get(self, id: str) -> DeadLetter:
        """See `DeadLetters.get`."""
        return await self._do(get_dead_letter(self._requests.keys, self._requests.patience(), id))

    async def retry(self, id: str, *, to: FunctionRef | None = None, data: Mapping[str, Any] | None = None) -> str:
        """See `DeadLetters.retry`."""
        return await self._do(retry_letter(self._requests, id, to=to, data=data))

    async def discard(self, id: str) -> bool:
        """See `DeadLetters.discard`."""
        return (await self._do(self._requests.do(discard([id])))) > 0

    async def retry_all(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
        rate: float | None = None,
    ) -> int:
        """See `DeadLetters.retry_all`."""
        return await self._do(retry_all(self._requests, _filter(self._requests, function, error, older_than), rate))

    async def purge(
        self,
        *,
        function: FunctionRef | None = None,
        error: str | None = None,
        older_than: Duration | None = None,
    ) -> int:
        """See `DeadLetters.purge`."""
        return await self._do(purge(self._requests, _filter(self._requests, function, error, older_than)))
