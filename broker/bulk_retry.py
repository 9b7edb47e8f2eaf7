"""Running many dead letters again: oldest first, at a rate, with a canary, and no further than they fail as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .conversation import Command, Pause, Talk, reliably
from .errors import BgjobsError, DeadLetterNotFound, RedisUnavailable, UsageError
from .event import FunctionRef
from .inspect.dead_letters import LOOK_AT, PAGE, DeadLetter, Filter, get_dead_letter, scan_dead_letters
from .model import RunState
from .replaying import retry
from .requests import Requests

CANARY_SECONDS: Final = 600.0
_LOOK_AGAIN_SECONDS = 0.1
_LETTERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """How dead letters are run again.

    Attributes:
        rate: at most so many a second; None: as fast as it goes.
        from_start: as new runs, without the steps that are recorded.
        to: run this function instead, from the start.
        data: changes to the events' data, merged over it; from the start.
        canary: run so many first, and the others only if all of these complete.
        canary_timeout: seconds in which the canaries have to end.
        stop_on_same_error: stop as soon as one fails again of the error that it had.
        dry_run: only look which are meant.
    """

    rate: float | None = None
    from_start: bool = False
    to: FunctionRef | None = None
    data: Mapping[str, Any] | None = None
    canary: int | None = None
    canary_timeout: float = CANARY_SECONDS
    stop_on_same_error: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise UsageError(f"The rate is {self.rate:g}.", remedy="Give a number above 0, or none.")
        if self.canary is not None and self.canary < 1:
            raise UsageError(f"{self.canary} canaries tell nothing.", remedy="Give 1 or more, or none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """A dead letter that was run again."""

    id: str
    run_id: str  # the run that goes on; of an event that could not be ingested: the event id


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRetried:
    """A dead letter that could not be run again."""

    id: str
    error: BgjobsError

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryReport:
    """What became of the dead letters that were meant.

    Attributes:
        matched: ids of those that were there at the beginning, the oldest first.
        retried: those that were run again, in this order.
        failed: those that could not be: somebody else was faster, say.
        stopped: why the rest was left alone; "" if nothing was.
    """

    matched: tuple[str, ...] = ()
    retried: tuple[Retried, ...] = ()
    failed: tuple[NotRetried, ...] = ()
    stopped: str = ""

    @property
    def left(self) -> int:
        """How many were left alone."""
        return len(self.matched) - len(self.retried) - len(self.failed)


def retry_many(
    requests: Requests, which: Filter, plan: RetryPlan, ids: Sequence[str] | None = None
) -> Talk[RetryReport]:
    """Run dead letters again: those with these ids, or all that a filter means and that are there now.

    An id that is not there is told as failed.
    """
    letters, missing = [], []
    if ids is None:
        letters = yield from _matching(requests, which)
    for each in dict.fromkeys(ids or ()):
        try:
            letters.append((yield from get_dead_letter(requests.keys, requests.patience(), each)))
        except DeadLetterNotFound as error:
            missing.append(NotRetried(id=each, error=error))
    return (yield from _retry_each(requests, letters, plan, missing))


def _matching(requests: Requests, which: Filter) -> Talk[list[DeadLetter]]:
    letters: list[DeadLetter] = []
    before: str | None = None
    for _ in range(LOOK_AT // PAGE):
        page, before = yield from scan_dead_letters(requests.keys, requests.patience(), which, before)
        letters += page
        if before is None:
            break
    return letters[::-1]


def _retry_each(
    requests: Requests, letters: Sequence[DeadLetter], plan: RetryPlan, missing: Sequence[NotRetried]
) -> Talk[RetryReport]:
    matched = (*(each.id for each in missing), *(letter.id for letter in letters))
    failed, retried = list(missing), list[Retried]()
    stopped = ""
    watch = _Relapses(requests) if plan.stop_on_same_error else None
    if watch is not None:
        yield from watch.begin()
    for letter in () if plan.dry_run else letters:
        if plan.canary is not None and len(retried) == plan.canary:
            stopped = yield from _canaries(requests, retried, plan.canary_timeout)
        if watch is not None and not stopped:
            stopped = yield from watch.look()
        if stopped:
            break
        try:
            run = yield from retry(requests, letter, to=plan.to, data=plan.data, from_start=plan.from_start)
        except RedisUnavailable:
            raise
        except BgjobsError as error:
            failed.append(NotRetried(id=letter.id, error=error))
            continue
        retried.append(Retried(id=letter.id, run_id=run))
        if watch is not None:
            watch.expect(run, letter)
        if plan.rate is not None:
            yield Pause(1 / plan.rate)
    return RetryReport(matched=matched, retried=tuple(retried), failed=tuple(failed), stopped=stopped)


def _canaries(requests: Requests, retried: Sequence[Retried], seconds: float) -> Talk[str]:
    """Wait until the first ones have ended; answers why the others must not follow, "" if they may."""
    commands: list[Command] = [("HGET", requests.keys.run(each.run_id), "s") for each in retried]
    waited = 0.0
    while True:
        letters = yield from reliably(requests.patience(), *commands)
        states = [None if letter is None else RunState.from_letter(letter) for letter in letters]
        for each, state in zip(retried, states, strict=True):
            if state in (RunState.FAILED, RunState.CANCELLED):
                return f"the canary {each.run_id} {'failed' if state is RunState.FAILED else 'was cancelled'}"
        if all(state is RunState.COMPLETED for state in states):
            return ""
        if waited >= seconds:
            slow = next(each for each, state in zip(retried, states, strict=True) if state is not RunState.COMPLETED)
            return f"the canary {slow.run_id} has not ended within {seconds:g} s"
        yield Pause(_LOOK_AGAIN_SECONDS)
        waited += _LOOK_AGAIN_SECONDS


class _Relapses:
    """Looks at new dead letters for runs that fail again of what they had failed of."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._after = "-"
        self._errors: dict[str, tuple[str, str]] = {}  # run -> fingerprint and type of error it had

    def begin(self) -> Talk[None]:
        newest = (yield from self._ask("XREVRANGE", "+", "-", 1))[:1]
        self._after = f"({newest[0][0].decode()}" if newest else "-"

    def expect(self, run: str, letter: DeadLetter) -> None:
        self._errors[run] = (letter.fingerprint, letter.error.type)

    def look(self) -> Talk[str]:
        while True:
            page = yield from self._ask("XRANGE", self._after, "+", _LETTERS_AT_ONCE)
            for entry, flat in page:
                fields = dict(zip(flat[::2], flat[1::2], strict=False))
                self._after = f"({entry.decode()}"
                run = fields.get(b"r", b"").decode()
                error = (fields.get(b"p", b"").decode(), fields.get(b"y", b"").decode("utf-8", "replace"))
                if self._errors.get(run) == error:
                    return f"the run {run} failed again of the same {error[1]}"
            if len(page) < _LETTERS_AT_ONCE:
                return ""

    def _ask(self, command: str, start: str, end: str, count: int) -> Talk[list[Any]]:
        entries: list[Any] = (
            yield from reliably(
                self._requests.patience(), (command, self._requests.keys("dq"), start, end, "COUNT", count)
            )
        )[0]
        return entries
