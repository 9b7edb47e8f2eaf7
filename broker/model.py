"""What passes between the broker and those who call it: states, leased runs, and the replies of transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

MOST_MATCHES = 200  # runs that one ingest call makes of an event


class RunState(StrEnum):
    """The states of a run. The letter stored in Redis is `letter`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def letter(self) -> bytes:
        return _LETTERS[self]

    @property
    def terminal(self) -> bool:
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)

    @classmethod
    def from_letter(cls, letter: bytes) -> RunState:
        return _STATES[letter]


_LETTERS = {
    RunState.QUEUED: b"q",
    RunState.RUNNING: b"r",
    RunState.WAITING: b"w",
    RunState.COMPLETED: b"c",
    RunState.FAILED: b"f",
    RunState.CANCELLED: b"x",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}

#: Every transition a run may make: (from, to) -> the verbs that make it. A test drives the Lua against this table.
#: "resolve" is an event, a signal or a child's end. Once a run was asked to stop, each verb of
#: `LEAVING` ends it as cancelled.
TRANSITIONS: Mapping[tuple[RunState | None, RunState], tuple[str, ...]] = {
    (None, RunState.QUEUED): ("ingest", "invoke", "cron_fire", "replay", "on_failure"),
    (None, RunState.RUNNING): ("ingest",),
    (None, RunState.WAITING): ("collect",),
    (RunState.QUEUED, RunState.RUNNING): ("lease",),
    (RunState.QUEUED, RunState.CANCELLED): ("cancel",),
    (RunState.QUEUED, RunState.FAILED): ("time_out",),
    (RunState.RUNNING, RunState.QUEUED): ("give_back", "move", "suspend", "reap", "reconcile", "delist"),
    (RunState.RUNNING, RunState.WAITING): ("suspend", "retry"),
    (RunState.RUNNING, RunState.COMPLETED): ("complete",),
    (RunState.RUNNING, RunState.FAILED): ("fail", "reap", "time_out"),
    (RunState.RUNNING, RunState.CANCELLED): ("cancelled", "cancel"),
    (RunState.WAITING, RunState.QUEUED): ("resolve", "timer", "collect"),
    (RunState.WAITING, RunState.CANCELLED): ("cancel",),
    (RunState.WAITING, RunState.FAILED): ("time_out",),
    (RunState.FAILED, RunState.QUEUED): ("replay",),
}
LEAVING = ("fail", "retry", "suspend", "give_back", "move", "reap", "reconcile", "delist")


class PendKind(StrEnum):
    """What a pending step waits for. The value is the letter stored with it."""

    SLEEP = "s"
    EVENT = "e"
    SIGNAL = "g"
    INVOKE = "i"
    RETRY = "r"
    DEBOUNCE = "d"  # of `@run`: it collects events
    BATCH = "b"
    CANCEL_ON = "c"  # what ends the run: an event, or a time-out; no step waits for them
    TIMEOUT = "t"


class Status(StrEnum):
    """The answer to one operation."""

    OK = "OK"
    FENCED = "FENCED"  # the caller lost its right to the run: stop, write nothing more
    DUP = "DUP"  # the step had an outcome already: `Answer.envelope` holds it
    CANCEL = "CANCEL"  # done, and the run has been asked to stop
    INVALID = "INVALID"  # the script could not carry it out: `Answer.envelope` holds the reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What one operation came to."""

    status: Status
    envelope: bytes = b""  # DUP: the outcome that was there first; INVALID: why


OK = Answer(Status.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedEvent:
    """One event of a batch."""

    stream_id: str
    name: str
    id: str
    time_ms: int
    partition: str
    data: bytes


@dataclass(slots=True)
class LeasedRun:
    """A run that this incarnation has the right to execute, with all that the executor needs to go on.

    Not kw-only: see `IngestEvent`.
    """

    id: str
    app: str
    function: str  # function id within the app
    g: bytes  # fence number; together with the incarnation the right to write
    queue: str  # queue suffix it was leased from
    event_name: str
    event_id: str
    data: bytes  # msgpack of the event's data
    created_ms: int  # when the run first became eligible
    now_ms: int  # the server's time at the lease
    started_ms: int  # first lease
    failures: int = 0  # run attempts that failed before
    crashes: int = 0  # workers that died with it
    replay: int = 0  # times it was replayed from the failed step
    cancel: bool = False  # has been asked to stop
    partition: str = ""  # partition key of the event
    parent: str = ""
    replay_of: str = ""
    plain: bool = False  # no limiters, no parent, no pending step: its end has nothing to look at but itself
    steps_elsewhere: bool = False  # too much for the reply: read `keys.steps` before executing
    kind: str = ""  # "" event, "cron", "invoke", "failure", "batch"
    events: tuple[BatchedEvent, ...] = ()  # of a batch: to be read before executing
    checkpoints: dict[str, bytes] = field(default_factory=dict)  # step key -> envelope
    step_failures: dict[str, int] = field(default_factory=dict)  # step key -> attempts that failed
    pending: dict[str, tuple[str, int]] = field(default_factory=dict)  # step key -> (PendKind letter, due server ms)

    @property
    def attempt(self) -> int:
        """The try at the run that this execution is, counted from 1."""
        return self.failures + 1

    @property
    def fence(self) -> int:
        """A number that only grows from lease to lease of this run: a fencing token for other stores."""
        return int(self.g)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An outcome of a pending step (or a cancel request) for a run that is on a worker."""

    run: str
    g: bytes
    step: str  # "" for a cancel request
    envelope: bytes  # b"" for a retry that is due; for a cancel request: the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CronDue:
    """A cron entry whose tick has come."""

    entry: str  # "<app>/<function>|<cron key>" or "$|<schedule id>"
    tick_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpReply:
    """What one pump call did besides the operations (their answers are returned beside it)."""

    leased: tuple[LeasedRun, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    cron: tuple[CronDue, ...] = ()
    next_due_ms: int | None = None  # ms from now to the next timer or tick; None: there is none
    more: bool = False  # ready runs were left in the queues
    refused: bool = False  # the lease part was refused: a later sequence number was seen
    moved: tuple[str, ...] = ()  # functions of the app that have a queue of their own now
    reaped: int = 0
    timers: int = 0  # timers fired
    lateness_ms: int = 0  # of the latest of them
    dropped: tuple[tuple[str, str, int], ...] = ()  # (function key, reason, invocations) that policies dropped
    now_ms: int = 0


class Match(NamedTuple):
    """One run that an event makes: what the ingester decided, for the ingest script to carry out.

    A tuple, because one is made for every run: a frozen dataclass costs three times as much.
    """

    run: str
    function: str  # function key
    queue: str  # "<app>:<queue>"
    priority_ms: int = 0
    limiters: str = ""  # limiter references joined by a space
    policies: Sequence[Sequence[Any]] = ()  # what decides before there is a run, in order: see `lua/lib/policies.lua`


@dataclass(slots=True)
class IngestEvent:
    """One stream entry with what the ingester decided about it. Not kw-only: by place it is made in half the time."""

    stream_id: str
    name: str
    id: str
    key: str  # event key
    data: bytes
    generated: bool  # the id was made by the client, so it needs the short duplicate window only
    score: float  # ms, with the stream sequence as fraction
    due_ms: int = 0  # in the future: a delayed event
    partition: str = ""  # partition key
    target: str = ""  # function key, of an invoke
    matches: Sequence[Match] = ()
    buckets: Sequence[str] = ()  # wait buckets to look into
    envelope: bytes = b""  # the event as the outcome of a wait
    residual: dict[str, bool] | None = None  # wait member -> the worker's verdict on its filter
    bad: str = ""  # why it can't be ingested: becomes a dead letter of kind event
    fields: tuple[bytes, ...] = ()  # the raw entry, for delayed and bad events
    cancels: Sequence[str] = ()  # references of what it cancels: see `lua/lib/cancelling.lua`
    reached: str = ""  # function key up to which calls before have made the runs (R7)
    lost: str = ""  # the run that a bad invocation would have made

    def judge(self, member: str, verdict: bool) -> None:
        """Keep the worker's verdict on the filter of a wait."""
        self.residual = {**(self.residual or {}), member: verdict}

    @property
    def plain(self) -> Match | None:
        """The run that the event makes, if that is all it does: nothing delays or limits it, nothing waits for it.

        What is looked at here and in `lua/lib/plain.lua` belongs together: whatever else ingest does with some events,
        or with some runs that it makes, those are not plain.
        """
        if len(self.matches) != 1 or self.buckets or self.cancels or self.due_ms or self.bad:
            return None
        if self.partition or self.reached:
            return None
        match = self.matches[0]
        special = match.limiters or match.policies or match.priority_ms or self.name.startswith("bgjobs/")
        return None if special else match

    def portion(self) -> tuple[Sequence[Match], str]:
        """What the next call makes runs of, and the function key up to which they are made then ("": all of them).

        By function key instead of by number: the functions may change between two calls, or between two workers.
        """
        left = [match for match in self.matches if match.function > self.reached] if self.reached else self.matches
        if len(left) <= MOST_MATCHES:
            return left, ""
        left = sorted(left, key=lambda match: match.function)[:MOST_MATCHES]
        return left, left[-1].function


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReply:
    """What one ingest call did."""

    leased: tuple[tuple[int, int, bytes], ...]  # (event index, match index, g)
    stale: tuple[int, ...]  # events to match again with a fresh registry
    duplicates: int
    candidates: tuple[tuple[int, str, str], ...]  # (event index, wait member, filter) for the worker to decide
    unfinished: tuple[tuple[int, str], ...]  # (event index, `reached`) of what was too much for this call
    created: int
    refused: bool
    more: bool
    now_ms: int
    dropped: tuple[tuple[str, str, int], ...] = ()  # (function key, reason, events) that policies dropped
    gone: bool = False  # the incarnation is no more: nothing was ingested, others take over what it had read
