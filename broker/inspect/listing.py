"""Lists of runs, the latest first: by when each came into the state it is in.

Every state has indexes ordered by just that time, so a page is a merge of their newest members, whatever their length;
the id at the end of a page is where the next one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..conversation import Command, Talk, reliably
from ..errors import RunNotFound
from ..keys import Keys
from ..model import RunState
from ..patience import Patience
from ..run_info import RunInfo
from ..validation import page_size
from .apps import read_apps
from .runs import read_run, read_runs

_ROUNDS = 20  # looks at the indexes per page, if a filter leaves little of what they hold
_MOST_INDEXES = 2_000


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a run stands in the list: later states first, equal times by id."""

    time: float
    run: str


def list_runs(
    keys: Keys,
    patience: Patience,
    *,
    function: str | None = None,
    state: RunState | None = None,
    limit: int = 100,
    before: str | None = None,
) -> Talk[list[RunInfo]]:
    """A page of runs.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        function: only of this function key.
        state: only in this state.
        limit: length of the page, at most 1,000.
        before: id of the last run of the page before.

    Raises:
        RunNotFound: `before` is not stored any more.
    """
    limit = page_size(limit)
    place = None if before is None else (yield from _place_of(keys, patience, before))
    indexes = yield from _indexes(keys, patience, function, state)
    found: dict[str, RunInfo] = {}
    for _ in range(_ROUNDS):
        page = yield from _newest(patience, indexes, place, limit)
        runs = yield from read_runs(keys, patience, [each.run for each in page if each.run not in found])
        for run in runs:
            if run is not None and function in (None, run.function) and state in (None, run.state):
                found[run.id] = run
        if len(found) >= limit or len(page) < limit:
            break
        place = page[-1]
    return list(found.values())[:limit]


def _newest(patience: Patience, indexes: Sequence[str], before: _Place | None, limit: int) -> Talk[list[_Place]]:
    if not indexes:
        return []
    upper = "+inf" if before is None else f"{before.time:.17g}"
    # Members with the time of `before` may stand on both sides of it: look at a few more, and compare exactly.
    commands: list[Command] = [
        ("ZRANGE", index, upper, "-inf", "BYSCORE", "REV", "LIMIT", 0, limit + 50, "WITHSCORES") for index in indexes
    ]
    replies = yield from reliably(patience, *commands)
    places = {
        _Place(float(score), member.decode())
        for reply in replies
        for member, score in zip(reply[::2], reply[1::2], strict=True)
    }
    return sorted((place for place in places if before is None or place < before), reverse=True)[:limit]


def _place_of(keys: Keys, patience: Patience, run: str) -> Talk[_Place]:
    info = yield from read_run(keys, patience, run)
    if info is None:
        raise RunNotFound(f"There is no run {run!r} to go on from.")
    by_state: dict[str, Command] = {
        RunState.QUEUED: ("HGET", keys.run(run), "sc"),
        RunState.RUNNING: ("ZSCORE", keys(f"in:{info.worker}"), run),
        RunState.WAITING: ("ZSCORE", keys(f"wt:{info.function}"), run),
    }
    score = (yield from reliably(patience, by_state.get(info.state, ("HGET", keys.run(run), "z"))))[0]
    return _Place(float(score or 0), run)


def _indexes(keys: Keys, patience: Patience, function: str | None, state: RunState | None) -> Talk[list[str]]:
    """The indexes that may hold the runs asked for, by their keys."""
    apps = yield from read_apps(keys, patience)
    if function is not None:
        apps = [app for app in apps if app.id == function.partition("/")[0]]
    workers, backlogs = yield from reliably(
        patience, ("ZRANGE", keys("wk"), 0, _MOST_INDEXES), ("HSCAN", keys("bh"), 0, "COUNT", _MOST_INDEXES)
    )
    functions = [name for app in apps for name in app.functions] if function is None else [function]
    indexes: list[str] = []
    for each in RunState:
        if state not in (None, each):
            continue
        if each.terminal:
            indexes += [keys(f"done:{name}:{each.letter.decode()}") for name in functions]
        elif each is RunState.WAITING:
            indexes += [keys(f"wt:{name}") for name in functions]
        elif each is RunState.RUNNING:
            indexes += [keys(f"in:{worker.decode()}") for worker in workers]
        else:
            indexes += [keys(f"{kind}:{queue}") for app in apps for queue in app.queues for kind in ("q", "qs")]
            indexes += [keys(f"bk:{backlog.decode()}") for backlog in backlogs[1][::2]]
    return indexes[:_MOST_INDEXES]
