"""What runs with limiters have to do, in plain Python: the model that scripts are compared with. It calls none of them.

A run lists tokens: `A` is a slot that it has while it is ready or running, `A+` one that it keeps while it waits, `A~`
a throttle that is charged when it starts for the first time. What follows a dot is the value of a key.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

CRASHES = 3  # deaths of its worker after which a run is given up
STOP_MS = 10_000  # in which a run that was asked to stop has to
ALIVE = ("queued", "running", "waiting")


def reference(token: str) -> str:
    return token.removesuffix("+")


def definition(ref: str) -> str:
    return ref.rstrip("~").partition(".")[0]


@dataclass(slots=True)
class Run:
    """One run, as it has to be."""

    id: str
    function: str
    queue: str
    tokens: tuple[str, ...]
    state: str = "queued"
    worker: str = ""
    lease: Any = None  # what its worker got
    score: float | None = None  # kept as long as it lives; None: not seen yet
    started: bool = False  # since it was made, or replayed
    crashes: int = 0
    due: int | None = None  # ms, of what it waits for
    stop: int | None = None  # ms, by when it has to stop

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    def holds(self, ready: bool) -> set[str]:
        """The slots that it has."""
        if not self.alive:
            return set()
        if ready or self.state == "running":
            return {reference(token) for token in self.tokens if not (self.started and token.endswith("~"))}
        return {reference(token) for token in self.tokens if self.started and token.endswith("+")}

    def needs(self) -> set[str]:
        """The slots that it lacks while it is parked."""
        return {reference(token) for token in self.tokens if not (self.started and token[-1] in "~+")}

    def gates(self) -> set[str]:
        """What it can be paused by."""
        keyed = {f"k|shop/{self.function}|{reference(token)}" for token in self.tokens}
        return {f"f|shop/{self.function}", f"q|{self.queue}"} | keyed


@dataclass(slots=True)
class Throttle:
    """At most `burst` starts at once, and one more every so often."""

    every: float  # ms
    burst: int
    clock: dict[str, float] = field(default_factory=dict)  # reference -> ms up to which its rate is used up
    starts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def start(self, ref: str, now: int) -> None:
        self.clock[ref] = max(self.clock.get(ref, 0.0), now) + self.every
        self.starts[ref].append(now)

    def room(self, ref: str, now: int) -> float:
        return self.burst - max(0.0, self.clock.get(ref, 0.0) - now) / self.every

    def too_many(self, ref: str) -> str:
        """A window in which there were more starts than the rate and the burst allow; "" if there is none."""
        starts = self.starts[ref]
        for first, begin in enumerate(starts):
            for last in range(first + 1, len(starts)):
                if last - first + 1 > self.burst + (starts[last] - begin) / self.every + 1.01:
                    return f"{last - first + 1} starts of {ref} within {starts[last] - begin} ms"
        return ""


@dataclass(slots=True)
class Model:
    """All runs, what limits them, what is paused."""

    limits: dict[str, int]
    throttles: dict[str, Throttle]
    runs: dict[str, Run] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)

    def add(self, run: Run) -> None:
        self.runs[run.id] = run

    def of(self, *states: str) -> list[Run]:
        return [run for run in self.runs.values() if run.state in states]

    def is_paused(self, run: Run) -> bool:
        return bool(run.gates() & self.paused)

    def lease(self, run: Run, worker: str, lease: Any, now: int) -> None:
        if not run.started:
            for token in run.tokens:
                if token.endswith("~"):
                    self.throttles[definition(token)].start(token, now)
        run.state, run.worker, run.lease, run.started = "running", worker, lease, True

    def end(self, run: Run, state: str) -> None:
        """Completing wins; whoever was asked to stop ends as cancelled whatever else it does."""
        run.state = "cancelled" if run.stop is not None and state != "completed" else state
        run.due = run.stop = None

    def leave(self, run: Run, due: int | None) -> None:
        """It leaves its worker, to wait until `due`, or (None) to go on at once."""
        if run.stop is not None:
            self.end(run, "cancelled")
        else:
            run.state, run.due = ("queued", None) if due is None else ("waiting", due)

    def ask_to_stop(self, run: Run, now: int) -> None:
        if run.state == "running":
            run.stop = run.stop or now + STOP_MS
        elif run.alive:
            self.end(run, "cancelled")

    def worker_died(self, worker: str) -> None:
        """Its death is charged to those of its runs that were charged most; three are the end of one."""
        held = [run for run in self.runs.values() if run.state == "running" and run.worker == worker]
        most = max((run.crashes for run in held), default=0)
        for run in held:
            run.crashes += run.crashes == most
            if run.crashes >= CRASHES and run.stop is None:
                self.end(run, "failed")
            else:
                self.leave(run, None)

    def replay(self, run: Run) -> None:
        """From its failed step: it starts anew, with a new place among the others."""
        run.state, run.score, run.started, run.crashes = "queued", None, False, 0

    def pass_time(self, now: int) -> None:
        """What is due by now goes on, or ends."""
        for run in list(self.runs.values()):
            if run.state == "waiting" and run.due is not None and run.due <= now:
                run.state, run.due = "queued", None
            if run.state == "running" and run.stop is not None and run.stop <= now:
                self.end(run, "cancelled")

    def room(self, ref: str, taken: int, now: int) -> float:
        """Runs that a limiter would let in."""
        if ref.endswith("~"):
            return self.throttles[definition(ref)].room(ref, now) - taken
        return self.limits[definition(ref)] - taken
