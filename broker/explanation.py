"""What is told of a run: what holds it, until when, and what became of it. Plain, frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .run_info import InfoState


class HoldReason(StrEnum):
    """Kinds of things that hold a run, and what a run that nothing holds is doing."""

    NOT_INGESTED = "not ingested"  # its event is accepted and not read yet
    DELAYED = "delayed"  # its event is to be handled later
    READY = "ready"  # it may start; others are ahead of it
    NO_WORKER = "no worker"  # of its app
    NO_FUNCTION = "no function"  # no worker has it
    NOT_SERVED = "not served"  # no worker that has it reads its queue
    SUSPECT = "suspect"  # workers died with it; it starts alone
    CONCURRENCY = "concurrency"
    THROTTLE = "throttle"
    FAIRNESS = "fairness"  # others of its value are ready, and take their turns first
    SINGLETON = "singleton"  # another run of it is under way
    PAUSED = "paused"  # its function, its queue, or its value of a key
    SLEEP = "sleep"
    EVENT = "event"
    SIGNAL = "signal"
    CHILD = "child"  # it waits for a run that it invoked
    COLLECTING = "collecting"  # its debounce or batch waits for more events
    BACKOFF = "back-off"  # until the next attempt
    RUNNING = "running"
    WORKER_LOST = "worker lost"  # the lease of its worker is over; it will be taken back
    STOPPING = "stopping"  # it was asked to stop
    FINISHED = "finished"
    DROPPED = "dropped"  # a policy gave its event no run


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A run that holds what another one waits for."""

    run_id: str
    function: str  # key
    state: InfoState
    started: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds a run, or what it is doing."""

    reason: HoldReason
    text: str  # a part of a sentence: "it sleeps until ..."
    name: str = ""  # of the limit, event, signal, function or worker
    step: str = ""  # key of the pending step
    ahead: int | None = None  # runs that go first
    taken: int | None = None  # slots of the limit
    limit: int | None = None
    holders: tuple[Holder, ...] = ()  # runs with a slot, or the child; at most 20
    due: datetime | None = None  # when it ends, or is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that a run went through."""

    time: datetime | None  # None: it is not known when
    what: str  # "created", "started", "attempt failed", "worker died", "completed" ...
    text: str = ""
    step: str = ""  # key of the step, if it was one
    attempt: int | None = None  # of the run, or of the step
    worker: str = ""  # incarnation


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a run is where it is.

    Attributes:
        run_id: the run.
        function: key; "" while it is pending.
        state: as in `RunInfo`.
        summary: one sentence.
        holds: what holds it, the deciding thing first; what it does or how it ended, if nothing does.
        since: when it came into its state, as far as it is known.
        expected: when it starts, goes on, or is given up; None: that can't be told.
        estimated: whether `expected` is computed from how long runs took lately.
        history: what it went through, in order.
    """

    run_id: str
    function: str
    state: InfoState
    summary: str
    holds: tuple[Hold, ...] = ()
    since: datetime | None = None
    expected: datetime | None = None
    estimated: bool = False
    history: tuple[Happening, ...] = ()
