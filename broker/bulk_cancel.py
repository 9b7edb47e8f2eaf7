"""Cancelling many runs: by function, state, age and what their events hold; in pages, at a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .conversation import Pause, Talk, reliably
from .errors import UsageError
from .inspect.listing import list_runs
from .inspect.payloads import read_events_of_runs
from .model import RunState
from .requests import Requests
from .run_info import RunInfo
from .values import MISSING, same

MOST = 100_000  # runs that one request cancels
_PAGE = 200
_LIVE = (RunState.QUEUED, RunState.WAITING, RunState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPlan:
    """Which live runs are cancelled, and how.

    Attributes:
        function: key of the function.
        state: queued, waiting or running; None: all of them.
        older_than: seconds since they became eligible.
        match: what their events hold: path ("data.customer") -> value, as text or as it is.
        rate: at most so many a second; None: as fast as it goes.
        reason: kept with the runs.
        dry_run: only look which are meant.
    """

    function: str | None = None
    state: RunState | None = None
    older_than: float | None = None
    match: Mapping[str, Any] = field(default_factory=dict)
    rate: float | None = None
    reason: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise UsageError(f"The rate is {self.rate:g}.", remedy="Give a number above 0, or none.")
        if self.state is not None and self.state not in _LIVE:
            raise UsageError(f"Runs that are {self.state} have ended.", remedy="Give queued, waiting or running.")
        if self.function is None and self.state is None and self.older_than is None and not self.match:
            raise UsageError(
                "Nothing says which runs are meant.",
                remedy="Give a function, a state, an age, or what their events hold.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReport:
    """What became of the runs that were meant.

    Attributes:
        matched: ids of those that lived at the beginning.
        cancelled: those that are cancelled, or were asked to stop.
        ended: those that had ended before they were asked.
    """

    matched: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


def cancel_matching(requests: Requests, plan: CancelPlan) -> Talk[CancelReport]:
    """Cancel every run that lives now and is meant. The newest go first: those behind them have less to wait for."""
    matched = yield from _matching(requests, plan)
    cancelled: list[str] = []
    ended: list[str] = []
    size = _PAGE if plan.rate is None else max(1, min(_PAGE, int(plan.rate)))
    for start in range(0, 0 if plan.dry_run else len(matched), size):
        page = matched[start : start + size]
        for run, answer in zip(page, (yield from requests.cancel_many(page, plan.reason)), strict=True):
            (cancelled if answer in ("cancelled", "requested") else ended).append(run)
        if plan.rate is not None:
            yield Pause(len(page) / plan.rate)
    return CancelReport(matched=tuple(matched), cancelled=tuple(cancelled), ended=tuple(ended))


def _matching(requests: Requests, plan: CancelPlan) -> Talk[list[str]]:
    """The runs that are meant, read before any is cancelled: so none is passed over because others go."""
    (time,) = yield from reliably(requests.patience(), ("TIME",))
    now = int(time[0]) + int(time[1]) / 1_000_000 + requests.offset_ms / 1000
    found: dict[str, None] = {}
    for state in _LIVE if plan.state is None else (plan.state,):
        before: str | None = None
        while len(found) < MOST:
            page = yield from list_runs(
                requests.keys, requests.patience(), function=plan.function, state=state, limit=_PAGE, before=before
            )
            for run in (yield from _meant(requests, plan, page, now)):
                found[run] = None
            if len(page) < _PAGE:
                break
            before = page[-1].id
    return list(found)[:MOST]


def _meant(requests: Requests, plan: CancelPlan, page: list[RunInfo], now: float) -> Talk[list[str]]:
    runs = [
        run.id
        for run in page
        if plan.older_than is None or (run.created and now - run.created.timestamp() >= plan.older_than)
    ]
    if not plan.match:
        return runs
    events = yield from read_events_of_runs(requests.keys, requests.patience(), runs)
    return [run for run, event in zip(runs, events, strict=True) if _holds(event, plan.match)]


def _holds(event: Mapping[str, Any], match: Mapping[str, Any]) -> bool:
    return all(same(_at(event, path), wanted) for path, wanted in match.items())


def _at(event: Mapping[str, Any], path: str) -> Any:
    value: Any = event
    for part in path.removeprefix("event.").split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value
