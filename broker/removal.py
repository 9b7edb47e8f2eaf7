"""Forgetting an app: its functions, its place in the event stream, and all that is recorded of its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .conversation import Talk, reliably
from .inspect.apps import AppInfo
from .keys import Keys
from .model import RunState
from .patience import Patience
from .transitions import cancel, discard, remove_app, remove_functions, trim
from .transitions.carry import carry_out

NewPatience = Callable[[], Patience]
_PAGE = 200
_YEAR_MS: Final = 366 * 86_400_000
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
    """
    yield from carry_out(remove_functions(app.id, everything=True), keys, patience())
    for start in range(0, len(live), _PAGE):
        stop = cancel(live[start : start + _PAGE], reason=f"the app {app.id} was removed")
        yield from carry_out(stop, keys, patience())
    yield from _discard(keys, patience, app)
    removed, more = 0, True
    while more:
        # The history and other letters are left alone: their bounds lie further back than anything is kept.
        call = trim(
            app.functions, history_ms=_YEAR_MS, history_max=10**12, keep=_FINISHED, letters_ms=_YEAR_MS, budget=_PAGE
        )
        runs, _, _, more = yield from carry_out(call, keys, patience())
        removed += runs
    yield from carry_out(remove_app(app.id), keys, patience())
    return removed


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
