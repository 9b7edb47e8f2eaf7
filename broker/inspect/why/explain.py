"""Putting it together: one explanation per state of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ...conversation import Talk, reliably
from ...errors import RunNotFound
from ...explanation import Explanation, Hold, HoldReason
from ...keys import Keys
from ...model import RunState
from ...patience import Patience
from ...run_info import DROPPED, PENDING, RunInfo, moment
from ..dropped import why_dropped
from ..not_yet import coming
from ..result import find_run
from .facts import Asking, Facts, read_facts, read_now
from .not_ingested import explain_not_ingested
from .pending import explain_pending
from .queued import explain_queued
from .running import explain_running
from .story import read_history


def explain(keys: Keys, patience: Patience, run: str, *, offset_ms: int = 0) -> Talk[Explanation]:
    """Why a run is where it is.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        run: its id.
        offset_ms: by how much the scripts' time is moved (tests).

    Raises:
        RunNotFound: it is not stored, and no event that waits can make it.
    """
    asking = Asking(keys=keys, patience=patience, now_ms=(yield from read_now(patience, offset_ms)))
    facts = yield from read_facts(asking, run)
    if facts is None:
        info = yield from find_run(keys, patience, run)  # raises RunNotFound
        if info.state == DROPPED:
            return _dropped(info)
        if info.id != run:  # its event was collected into that one
            return (yield from explain(keys, patience, info.id, offset_ms=offset_ms))
        found = yield from coming(keys, patience, run)
        if found is not None:
            holds, expected = yield from explain_not_ingested(asking, found)
            return Explanation(
                run_id=run,
                function=found.function,
                state=PENDING,
                summary=_sentence(holds),
                holds=tuple(holds),
                expected=expected,
            )
        facts = yield from read_facts(asking, run)  # it was ingested between the looks
        if facts is None:
            raise RunNotFound(f"There is no run {run!r}.")
    return (yield from _recorded(asking, facts))


def _recorded(asking: Asking, facts: Facts) -> Talk[Explanation]:
    state = RunState.from_letter(facts["s"].encode())
    expected: datetime | None = None
    estimated = False
    holds: list[Hold] = []
    if state is RunState.QUEUED:
        holds, expected = yield from explain_queued(asking, facts)
        estimated = expected is not None and holds[0].reason is not HoldReason.THROTTLE
    elif state is RunState.WAITING:
        holds = yield from explain_pending(asking, facts)
        expected = holds[0].due if holds else None
    elif state is RunState.RUNNING:
        holds = yield from explain_running(asking, facts)
    history = yield from read_history(asking, facts)
    if state.terminal:
        holds = [Hold(reason=HoldReason.FINISHED, text=history[-1].text or f"it is {state}", due=None)]
    return Explanation(
        run_id=facts.run_id,
        function=facts["f"],
        state=state,
        summary=_sentence(holds),
        holds=tuple(holds),
        since=(yield from _since(asking, facts, state)),
        expected=expected,
        estimated=estimated,
        history=tuple(history),
    )


def _since(asking: Asking, facts: Facts, state: RunState) -> Talk[datetime | None]:
    if state.terminal:
        return moment(facts["z"].encode())
    if state is RunState.QUEUED:
        return moment(facts["t"].encode())
    place = f"in:{facts['w']}" if state is RunState.RUNNING else f"wt:{facts['f']}"
    return moment((yield from reliably(asking.patience, ("ZSCORE", asking.keys(place), facts.run_id)))[0])


def _dropped(run: RunInfo) -> Explanation:
    text = why_dropped(run)
    return Explanation(
        run_id=run.id,
        function=run.function,
        state=DROPPED,
        summary=text,
        holds=(Hold(reason=HoldReason.DROPPED, text=text, name=run.dropped_by or ""),),
    )


def _sentence(holds: Sequence[Hold]) -> str:
    return "; ".join(hold.text for hold in holds)
