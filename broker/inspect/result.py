"""Waiting for a run's result, by looking at its state with growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..conversation import Pause, Talk, reliably
from ..defaults import RESULT_POLL_FIRST_SECONDS, RESULT_POLL_LIMIT_SECONDS
from ..errors import ResultTimeout, RunCancelled, RunFailed, RunNotFound
from ..ids import is_run_id
from ..keys import Keys
from ..model import RunState
from ..patience import Patience
from ..run_info import DROPPED, PENDING, RunInfo
from .dropped import collected_by, dropped_error, read_told
from .not_yet import may_come
from .runs import read_run

_LOOK_AGAIN_SECONDS = 2.0
_TERMINAL = frozenset(state.letter for state in RunState if state.terminal)

NewPatience = Callable[[], Patience]


def find_run(keys: Keys, patience: Patience, run: str) -> Talk[RunInfo]:
    """One run; `pending` if its event is accepted and not yet ingested, `dropped` if a policy dropped it; the
    run that has its event, if that was collected with others.

    Raises:
        RunNotFound: it is not stored, and no event that waits can make it.
    """
    if not is_run_id(run):
        raise RunNotFound(f"{str(run)[:40]!r} is no run id.")
    found = yield from _stored(keys, patience, run)
    if found is None:
        coming = yield from may_come(keys, patience, run)
        # It may have been ingested between the two looks.
        found = yield from _stored(keys, patience, run)
        if found is None:
            if not coming:
                raise RunNotFound(f"There is no run {run!r}.")
            return RunInfo(id=run, function="", app="", state=PENDING, event_id="", event_name="")
    return found


def _stored(keys: Keys, patience: Patience, run: str) -> Talk[RunInfo | None]:
    """The run, or the one into which its event was collected, or what became of its event."""
    found = yield from read_run(keys, patience, run)
    if found is None:
        return (yield from read_told(keys, patience, run))
    return found


def wait_for_result(
    keys: Keys,
    patience: NewPatience,
    run: str,
    timeout: float | None,
    *,
    accepted: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> Talk[Any]:
    """What a run returns.

    Args:
        keys: the namespace's keys.
        patience: makes the bounded wait of one look.
        run: its id.
        timeout: seconds to wait; None: as long as it takes.
        accepted: whether its event is known to have been accepted, so that the run will come.

    Raises:
        RunFailed, RunCancelled, RunDropped: it ended otherwise.
        ResultTimeout: it has not ended.
        RunNotFound: there is no such run, and no event that waits can make it.
    """
    deadline = None if timeout is None else monotonic() + timeout
    pause = RESULT_POLL_FIRST_SECONDS
    look_again = monotonic()
    while True:
        state = (yield from reliably(patience(), ("HGET", keys.run(run), "s")))[0]
        if state in _TERMINAL:
            return _outcome((yield from find_run(keys, patience(), run)))
        now = monotonic()
        if state is None and now >= look_again:
            run = (yield from collected_by(keys, patience(), run)) or run
            yield from _look(keys, patience(), run, accepted)
            look_again = now + _LOOK_AGAIN_SECONDS
        if deadline is not None and now >= deadline:
            said = PENDING if state is None else RunState.from_letter(state).value
            raise ResultTimeout(f"The run {run} is {said} after {timeout:g} s.", run_id=run)
        yield Pause(pause if deadline is None else min(pause, max(0.001, deadline - now)))
        pause = min(pause * 1.5, RESULT_POLL_LIMIT_SECONDS)


def _look(keys: Keys, patience: Patience, run: str, accepted: bool) -> Talk[None]:
    """Why there is nothing of it yet. Raises RunDropped, RunFailed; RunNotFound if it is not known to be accepted."""
    info = yield from read_told(keys, patience, run)
    if info is None and not accepted:
        info = yield from find_run(keys, patience, run)
    if info is not None and info.state == DROPPED:
        raise dropped_error(info)
    if info is not None and info.done:
        _outcome(info)  # raises


def _outcome(run: RunInfo) -> Any:
    if run.state is RunState.COMPLETED:
        return run.result
    error = run.error
    if run.state is RunState.CANCELLED:
        reason = f": {error.message}" if error and error.message else ""
        raise RunCancelled(f"The run {run.id} of {run.function} was cancelled{reason}.", run_id=run.id, error=error)
    what = f"{error.type}: {error.message}" if error else "no error was recorded"
    raise RunFailed(f"The run {run.id} of {run.function} failed ({what}).", run_id=run.id, error=error)
