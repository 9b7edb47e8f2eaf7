"""The live runs of one function: ready, parked, running, waiting. Some stand among those of other functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..conversation import Command, Talk, reliably
from ..keys import Keys
from ..model import RunState
from ..patience import Patience
from .apps import AppInfo

LOOK_AT = 200_000  # runs; with more of them the answer is a part
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRuns:
    """Ids of the runs, by state."""

    queued: tuple[str, ...]  # ready or parked
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    complete: bool  # False: there may be more, behind those of other functions

    @property
    def count(self) -> int:
        return len(self.queued) + len(self.running) + len(self.waiting)


def read_live(keys: Keys, patience: Patience, app: AppInfo, function: str | None = None) -> Talk[LiveRuns]:
    """The live runs of a function (key), or of all functions of an app."""
    workers, backlogs = yield from reliably(patience, ("ZRANGE", keys("wk"), 0, -1), ("HKEYS", keys("bh")))
    places = [keys(f"{kind}:{queue}") for queue in app.queues for kind in ("q", "qs")]
    places += [keys(f"bk:{backlog.decode()}") for backlog in backlogs]
    places += [keys(f"in:{worker.decode()}") for worker in workers]
    places += [keys(f"wt:{each}") for each in ([function] if function else app.functions)]
    by_state: dict[bytes, list[str]] = {state.letter: [] for state in RunState}
    looked, complete = 0, True
    for place in places:
        start = 0
        while True:
            if looked >= LOOK_AT:
                complete = False
                break
            (page,) = yield from reliably(patience, ("ZRANGE", place, start, start + _PAGE - 1))
            ids = [run.decode() for run in page]
            for run, state in (yield from _of(keys, patience, ids, app.id, function)):
                by_state[state].append(run)
            looked += len(ids)
            start += _PAGE
            if len(ids) < _PAGE:
                break
    # A run may pass from one place to the next while we look.
    queued, running, waiting = (
        tuple(dict.fromkeys(by_state[state.letter])) for state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)
    )
    return LiveRuns(queued=queued, running=running, waiting=waiting, complete=complete)


def _of(
    keys: Keys, patience: Patience, ids: Sequence[str], app: str, function: str | None
) -> Talk[list[tuple[str, bytes]]]:
    if not ids:
        return []
    commands: list[Command] = [("HMGET", keys.run(run), "f", "s") for run in ids]
    records = yield from reliably(patience, *commands)
    return [
        (run, state)
        for run, (key, state) in zip(ids, records, strict=True)
        if key is not None and state is not None and _fits(key.decode(), app, function)
    ]


def _fits(key: str, app: str, function: str | None) -> bool:
    return key == function if function is not None else key.partition("/")[0] == app
