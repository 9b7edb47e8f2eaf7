"""Dead letters: look at what failed for good; run it again, or let it go."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from ..bulk_retry import CANARY_SECONDS, RetryPlan, RetryReport, retry_many
from ..conversation import Talk
from ..durations import Duration, seconds
from ..errors import UsageError
from ..event import FunctionRef
from ..inspect.dead_letters import DeadLetter, Filter, get_dead_letter, list_dead_letters
from ..inspect.letter_groups import DeadLetterGroup, group_dead_letters
from ..replaying import purge, retry_letter
from ..requests import Requests
from ..transitions import discard
from .face import AsyncPart, Part


class Filters(TypedDict, total=False):
    """Which dead letters are meant: those that pass all that is given."""

    function: FunctionRef | None  # of this function
    error: str | None  # with this in the error's type or message
    fingerprint: str | None  # of the group with this fingerprint
    older_than: Duration | None  # given up longer ago
    newer_than: Duration | None  # given up since


class RetryAll(Filters, total=False):
    """Which dead letters are run again, and how; see `RetryPlan`."""

    ids: Sequence[str]  # these instead of those that filters mean
    to: FunctionRef | None
    data: Mapping[str, Any] | None
    rate: float | None
    from_start: bool
    canary: int | None
    canary_timeout: Duration
    stop_on_same_error: bool
    dry_run: bool


def _filter(requests: Requests, given: Filters) -> Filter:
    function, older, newer = given.get("function"), given.get("older_than"), given.get("newer_than")
    return Filter(
        function=None if function is None else requests.function_key(function),
        error=given.get("error"),
        fingerprint=given.get("fingerprint"),
        older_than=None if older is None else seconds(older, what="older_than"),
        newer_than=None if newer is None else seconds(newer, what="newer_than"),
    )


def _retry_all(requests: Requests, given: RetryAll) -> Talk[RetryReport]:
    which = _filter(requests, given)
    if "ids" in given and which != Filter():
        raise UsageError("Both ids and filters were given.", remedy="Give one of them.")
    plan = RetryPlan(
        to=given.get("to"),
        data=given.get("data"),
        rate=given.get("rate"),
        from_start=given.get("from_start", False),
        canary=given.get("canary"),
        canary_timeout=seconds(given.get("canary_timeout", CANARY_SECONDS), what="canary_timeout"),
        stop_on_same_error=given.get("stop_on_same_error", False),
        dry_run=given.get("dry_run", False),
    )
    return retry_many(requests, which, plan, given.get("ids"))


class DeadLetters(Part):
    """`Client.dead_letters`."""

    def list(
        self, *, limit: int = 100, before: str | None = None, **which: Unpack[Filters]
    ) -> builtins.list[DeadLetter]:
        """Dead letters, the newest first.

        Args:
            limit: at most so many, up to 1,000.
            before: id of the last one of the page before.
            which: `Filters`.
        """
        requests, chosen = self._requests, _filter(self._requests, which)
        return self._do(list_dead_letters(requests.keys, requests.patience(), chosen, limit=limit, before=before))

    def groups(self, **which: Unpack[Filters]) -> builtins.list[DeadLetterGroup]:
        """Dead letters by function, type of error and place in the user's code, the largest group first.

        Args:
            which: `Filters`.
        """
        requests = self._requests
        return self._do(group_dead_letters(requests.keys, requests.patience, _filter(requests, which)))

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

    def retry_all(self, **given: Unpack[RetryAll]) -> RetryReport:
        """Run all of them again that are there now, the oldest first.

        Args:
            given: `Filters` or `ids`, and how: `rate` at most so many a second; `from_start` as new runs; `to` and
                `data` as for `retry`; `canary` so many first, the others only if these complete within
                `canary_timeout`; `stop_on_same_error` when one fails again of what it had; `dry_run` only tells
                which are meant.

        Raises:
            UsageError: a rate or a number of canaries that is not above 0.
        """
        return self._do(_retry_all(self._requests, given))

    def purge(self, **which: Unpack[Filters]) -> int:
        """Remove all of them; answers how many. Filters as for `list`."""
        return self._do(purge(self._requests, _filter(self._requests, which)))


class AsyncDeadLetters(AsyncPart):
    """`AsyncClient.dead_letters`: the same, awaited."""

    async def list(
        self, *, limit: int = 100, before: str | None = None, **which: Unpack[Filters]
    ) -> builtins.list[DeadLetter]:
        """See `DeadLetters.list`."""
        requests, chosen = self._requests, _filter(self._requests, which)
        return await self._do(list_dead_letters(requests.keys, requests.patience(), chosen, limit=limit, before=before))

    async def groups(self, **which: Unpack[Filters]) -> builtins.list[DeadLetterGroup]:
        """See `DeadLetters.groups`."""
        requests = self._requests
        return await self._do(group_dead_letters(requests.keys, requests.patience, _filter(requests, which)))

    async def get(self, id: str) -> DeadLetter:
        """See `DeadLetters.get`."""
        return await self._do(get_dead_letter(self._requests.keys, self._requests.patience(), id))

    async def retry(self, id: str, *, to: FunctionRef | None = None, data: Mapping[str, Any] | None = None) -> str:
        """See `DeadLetters.retry`."""
        return await self._do(retry_letter(self._requests, id, to=to, data=data))

    async def discard(self, id: str) -> bool:
        """See `DeadLetters.discard`."""
        return (await self._do(self._requests.do(discard([id])))) > 0

    async def retry_all(self, **given: Unpack[RetryAll]) -> RetryReport:
        """See `DeadLetters.retry_all`."""
        return await self._do(_retry_all(self._requests, given))

    async def purge(self, **which: Unpack[Filters]) -> int:
        """See `DeadLetters.purge`."""
        return await self._do(purge(self._requests, _filter(self._requests, which)))
