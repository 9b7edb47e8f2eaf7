"""Forgetting an app: its functions, its place in the event stream, and all that is recorded of its runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from .conversation import Command, Pause, Talk, reliably
from .errors import BgjobsError
from .inspect.apps import AppInfo
from .keys import Keys
from .model import RunState
from .patience import Patience
from .transitions import cancel, discard, pump, remove_app, remove_functions, trim
from .transitions.carry import carry_out

NewPatience = Callable[[], Patience]
_PAGE = 200
_YEAR_MS: Final = 366 * 86_400_000
_PAUSE_SECONDS = 0.1
_LONGEST_SECONDS = 60.0  # a run that a dead worker held is ended ten seconds after its cancel
_FINISHED = {state: (0, 0) for state in RunState if state.terminal}


def forget_app(keys: Keys, patience: NewPatience, app: AppInfo, live: list[str]) -> Talk[int]:
    """Forget an app. Repeating it after a lost connection goes on where it stopped.

    Args:
        keys: the namespace's keys.
        patience: makes the bounded wait of one step.
        app: as read before.
        live: ids of its live runs, which are cancelled.

    Returns:
        How many records of runs were removed.

    Raises:
        BgjobsError: some of its runs do not end.
    """
    yield from carry_out(remove_functions(app.id, everything=True), keys, patience())
    for start in range(0, len(live), _PAGE):
        stop = cancel(live[start : start + _PAGE], reason=f"the app {app.id} was removed")
        yield from carry_out(stop, keys, patience())
    yield from _discard(keys, patience, app)
    removed = yield from _trim_all(keys, patience, app, live)
    yield from carry_out(remove_app(app.id), keys, patience())
    return removed


def _trim_all(keys: Keys, patience: NewPatience, app: AppInfo, live: list[str]) -> Talk[int]:
    """Remove the records of all runs, which wait for the timers that clean up behind them."""
    removed, deadline = 0, time.monotonic() + _LONGEST_SECONDS
    while True:
        # Perhaps no worker is left whose calls fire timers.
        yield from carry_out(pump(incarnation="removal", app=app.id), keys, patience())
        # The history and other letters are left alone: their bounds lie further back than anything is kept.
        call = trim(
            app.functions, history_ms=_YEAR_MS, history_max=10**12, keep=_FINISHED, letters_ms=_YEAR_MS, budget=_PAGE
        )
        runs, _, _, more = yield from carry_out(call, keys, patience())
        removed += runs
        if more or runs:
            continue
        left = yield from _left(keys, patience, app, live)
        if not left:
            return removed
        if time.monotonic() > deadline:
            raise BgjobsError(
                f"{left} runs of {app.id} do not end.", remedy="Look at them (bgjobs runs list), try again."
            )
        yield Pause(_PAUSE_SECONDS)


def _left(keys: Keys, patience: NewPatience, app: AppInfo, live: list[str]) -> Talk[int]:
    """How many records there are: of finished runs, and of those that lived at the beginning."""
    commands: list[Command] = [
        ("ZCARD", keys(f"done:{function}:{state.letter.decode()}")) for function in app.functions for state in _FINISHED
    ]
    commands += [("EXISTS", keys.run(run)) for run in live[:_PAGE]]
    return sum((yield from reliably(patience(), *commands))) if commands else 0


def _discard(keys: Keys, patience: NewPatience, app: AppInfo) -> Talk[None]:
    start = "-"
    while True:
        (entries,) = yield from reliably(patience(), ("XRANGE", keys("dq"), start, "+", "COUNT", _PAGE))
        own = [
            entry.decode()
            for entry, flat in entries
            if dict(zip(flat[::2], flat[1::2], strict=True)).get(b"f", b"").decode().partition("/")[0] == app.id
        ]
        if own:
            yield from carry_out(discard(own), keys, patience())
        if len(entries) < _PAGE:
            return
        start = f"({entries[-1][0].decode()}"
