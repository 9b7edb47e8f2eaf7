"""What the clients and the command line tell about runs: plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from .model import RunState

#: The state of a run whose event is accepted and not yet ingested; never stored.
PENDING: Final = "pending"
#: The state of a run that there never was: a policy of its function dropped the event. Known for an hour.
DROPPED: Final = "dropped"
InfoState: TypeAlias = RunState | Literal["pending", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """What a run or a step failed of."""

    type: str  # qualified name of the exception
    message: str = ""
    traceback: str = ""  # never with local variables
    attempt: int = 1  # the try that raised it
    step: str | None = None  # the step whose failure it was
    place: str = ""  # innermost frame of the user's own code, "shop.jobs:charge_card"

    @classmethod
    def from_map(cls, stored: Mapping[str, Any]) -> ErrorInfo:
        """From the error map as it is stored; tolerates what other versions wrote."""
        step = _word(stored.get("step"))
        return cls(
            type=_word(stored.get("type")) or "Error",
            message=_word(stored.get("message")),
            traceback=_word(stored.get("traceback")),
            attempt=int(stored.get("attempt") or 1),
            step=step or None,
            place=_word(stored.get("place")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run says it is."""

    percent: float  # 0 to 100
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """One run as it is stored. Times are UTC."""

    id: str
    function: str  # key: "shop/process-order"
    app: str
    state: InfoState
    event_id: str
    event_name: str
    attempt: int = 1  # of the function, from 1
    crashes: int = 0  # workers that died with it and are charged to it
    queue: str = "default"
    created: datetime | None = None  # when it became eligible
    started: datetime | None = None  # first lease
    finished: datetime | None = None
    result: Any = None  # of a completed run
    error: ErrorInfo | None = None  # of a failed or cancelled run, or of the last attempt that failed
    progress: Progress | None = None
    worker: str | None = None  # incarnation that runs it
    cancelling: bool = False  # it was asked to stop
    replay_of: str | None = None
    replays: int = 0  # from its failed step
    parent: str | None = None  # run that invoked it
    kind: str = "event"  # what made it: event, cron, invoke, failure
    dead_letter: str | None = None  # its id
    dropped_by: str | None = None  # the policy that dropped the event: "rate_limit", "idempotency"
    instead: str | None = None  # the run that holds the idempotency key

    @property
    def done(self) -> bool:
        """Whether it has ended, or never began."""
        return self.state == DROPPED or (isinstance(self.state, RunState) and self.state.terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """One step of a run."""

    key: str
    kind: str  # run, sleep, event, signal, invoke, retry
    state: str  # completed, failed, waiting, retrying; unfinished: its run ended before it did
    attempt: int = 1
    due: datetime | None = None  # of a step that waits
    result: Any = None
    error: ErrorInfo | None = None


def created_ms(stored: bytes | str | None, score: bytes | str | None) -> int:
    """When a run became eligible: its score tells it, unless a priority or a replay moved that."""
    return int(float(stored or score or 0))


def moment(milliseconds: bytes | int | float | None) -> datetime | None:
    """Stored milliseconds as a time; None if there are none."""
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC) if milliseconds else None


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
