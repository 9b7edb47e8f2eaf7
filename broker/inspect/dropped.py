"""What became of events that policies gave no run of their own: known for an hour, of 10,000 in each minute."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgpack

from ..conversation import Talk, reliably
from ..errors import DeadLetterNotFound, RunDropped
from ..keys import Keys
from ..model import RunState
from ..patience import Patience
from ..run_info import DROPPED, RunInfo
from .dead_letters import get_dead_letter
from .runs import read_run

#: The reason of an invocation whose event could not be ingested: `instead` is its dead letter then.
DEAD_LETTER = "dead_letter"
#: Policies that give an event to another run instead.
COLLECTED = ("debounce", "batch")

_WORDS = {
    "rate_limit": "the rate limit of {function} had no room for its event",
    "singleton": "a run of {function} was under way",
    "idempotency": "its event is a duplicate by the idempotency key of {function}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An event that made no run."""

    run: str  # id that its run would have
    reason: str  # the policy
    function: str  # key
    event_name: str
    event_id: str
    instead: str  # the run, or the dead letter, that stands for it; "" if there is none

    def told(self) -> RunInfo:
        """As clients are told of it."""
        return RunInfo(
            id=self.run,
            function=self.function,
            app=self.function.partition("/")[0],
            state=DROPPED,
            event_id=self.event_id,
            event_name=self.event_name,
            dropped_by=self.reason,
            instead=self.instead or None,
        )


def read_dropped(keys: Keys, patience: Patience, run: str) -> Talk[Dropped | None]:
    """Why there is no such run, if that is known."""
    packed = (yield from reliably(patience, ("GET", keys(f"dr:{run}"))))[0]
    if packed is None:
        return None
    reason, function, name, event, instead = msgpack.unpackb(packed, raw=False, unicode_errors="replace")
    return Dropped(run=run, reason=reason, function=function, event_name=name, event_id=event, instead=instead)


def read_told(keys: Keys, patience: Patience, run: str) -> Talk[RunInfo | None]:
    """What is known of a run that there never was: its event was dropped, or it invoked and could not be ingested."""
    dropped = yield from read_dropped(keys, patience, run)
    if dropped is not None and dropped.reason in COLLECTED:
        return (yield from read_run(keys, patience, dropped.instead))
    if dropped is None or dropped.reason != DEAD_LETTER:
        return None if dropped is None else dropped.told()
    try:
        letter = yield from get_dead_letter(keys, patience, dropped.instead)
    except DeadLetterNotFound:
        return replace(dropped.told(), state=RunState.FAILED, dropped_by=None, instead=None)
    return replace(
        dropped.told(),
        state=RunState.FAILED,
        dropped_by=None,
        instead=None,
        error=letter.error,
        dead_letter=letter.id,
        finished=letter.time,
    )


def collected_by(keys: Keys, patience: Patience, run: str) -> Talk[str]:
    """The run into which the event of this one was collected; "" if that is not known."""
    found = yield from read_dropped(keys, patience, run)
    return found.instead if found is not None and found.reason in COLLECTED else ""


def why_dropped(run: RunInfo) -> str:
    """One sentence about a run that there never was."""
    words = _WORDS.get(run.dropped_by or "", "a policy of {function} dropped its event").format(function=run.function)
    return f"{words}; see run {run.instead}" if run.instead else words


def dropped_error(run: RunInfo) -> RunDropped:
    """What waiting for its result ends in."""
    return RunDropped(f"There is no run {run.id}: {why_dropped(run)}.", run_id=run.id)
