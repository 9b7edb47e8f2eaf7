"""What is done about functions that are gone: forget them, or give their runs to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .connection import Connection
from .function_choice import Registered

if TYPE_CHECKING:
    from ..define.registry import Definition

_PAGE = 200


def remove_function(here: Connection, function: Registered, *, force: bool) -> int:
    """Forget a function; answers how many live runs it still has.

    Raises:
        BgjobsError: a worker has it, or it has live runs and `force` is not given.
    """
    from ..broker.errors import BgjobsError
    from ..broker.inspect.live import read_live
    from ..broker.transitions import remove_functions

    key = function.key
    if function.having:
        raise BgjobsError(
            f"{function.having} live worker(s) have {key}, and would register it again.",
            remedy="Deploy the app without the function; then it retires by itself.",
        )
    live = here.ask(read_live(here.keys, here.patience(), function.app, key))
    if live.count and not force:
        raise BgjobsError(
            f"{key} has {live.count:,} live runs.",
            remedy=f"Give them to another function (bgjobs functions move {key} NEW), cancel them, or use --force.",
        )
    here.do(remove_functions(function.app.id, [function.id]))
    return live.count


def move_runs(here: Connection, old: Registered, new: Registered) -> int:
    """Give the queued and waiting runs of one function to another; answers how many.

    Raises:
        BgjobsError: a worker has the old one, both are the same, or of different apps.
        FunctionNotFound: the new one is retired.
    """
    from ..broker.errors import BgjobsError, FunctionNotFound
    from ..broker.inspect.live import read_live
    from ..broker.transitions import move_function
    from ..define.registry import Definition

    if old.key == new.key:
        raise BgjobsError(f"{old.key} can't be moved to itself.", remedy="Name another function.")
    if old.app.id != new.app.id:
        # A run waits for events as its app reads them.
        raise BgjobsError(
            f"{old.key} and {new.key} are functions of different apps.", remedy="Name a function of the same app."
        )
    if old.having:
        raise BgjobsError(
            f"{old.having} live worker(s) have {old.key}.",
            remedy="Its runs start by themselves; to move them, deploy without it first.",
        )
    if new.retired:
        raise FunctionNotFound(f"{new.key} is retired.", remedy="Start a worker that has it first.")
    definition = Definition.from_data(new.definition)
    live = here.ask(read_live(here.keys, here.patience(), old.app, old.key))
    runs, moved = [*live.queued, *live.waiting], 0
    for start in range(0, len(runs), _PAGE):
        limited = _with_limiters(here, runs[start : start + _PAGE], definition)
        moved += here.do(move_function(limited, old=old.key, new=new.key, queue=definition.queue_key))
    return moved


def _with_limiters(here: Connection, runs: list[str], definition: Definition) -> list[tuple[str, str]]:
    """Each run with the references of the limiters that the new function gives it."""
    from ..broker.inspect.payloads import read_events_of_runs
    from ..define.limiter import limiter_references

    if not definition.holds_back:
        return [(run, "") for run in runs]
    events = here.ask(read_events_of_runs(here.keys, here.patience(), runs))
    return [(run, limiter_references(definition, event)) for run, event in zip(runs, events, strict=True)]
