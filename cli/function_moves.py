"""What is done about functions that are gone: forget them, or give their runs to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connection import Connection

if TYPE_CHECKING:
    from ..broker.inspect.apps import AppInfo

_PAGE = 200


def remove_function(here: Connection, app: AppInfo, id: str, *, workers: int, force: bool) -> int:
    """Forget a function; answers how many live runs it still has.

    Raises:
        BgjobsError: a worker has it, or it has live runs and `force` is not given.
    """
    from ..broker.errors import BgjobsError
    from ..broker.inspect.live import read_live
    from ..broker.transitions import remove_functions

    key = f"{app.id}/{id}"
    if workers:
        raise BgjobsError(
            f"{workers} live worker(s) have {key}, and would register it again.",
            remedy="Deploy the app without the function; then it retires by itself.",
        )
    live = here.ask(read_live(here.keys, here.patience(), app, key))
    if live.count and not force:
        raise BgjobsError(
            f"{key} has {live.count:,} live runs.",
            remedy=f"Give them to another function (bgjobs functions move {key} NEW), cancel them, or use --force.",
        )
    here.do(remove_functions(app.id, [id]))
    return live.count


def move_runs(here: Connection, old: tuple[AppInfo, str], new: tuple[AppInfo, str], *, workers: int) -> int:
    """Give the queued and waiting runs of one function to another; answers how many.

    Raises:
        BgjobsError: a worker has the old one, or the new one is not registered.
    """
    from ..broker.errors import BgjobsError, FunctionNotFound
    from ..broker.inspect.live import read_live
    from ..broker.transitions import move_function
    from ..define.registry import Definition

    (app, id), (target, target_id) = old, new
    key, target_key = f"{app.id}/{id}", f"{target.id}/{target_id}"
    if workers:
        raise BgjobsError(
            f"{workers} live worker(s) have {key}.", remedy="Its runs start by themselves; stop those workers first."
        )
    if target_id not in target.registry.definitions:
        raise FunctionNotFound(f"{target_key} is retired.")
    if key == target_key:
        raise BgjobsError(f"{key} can't be moved to itself.", remedy="Name another function.")
    definition = Definition.from_data(target.registry.definitions[target_id])
    live = here.ask(read_live(here.keys, here.patience(), app, key))
    runs, moved = [*live.queued, *live.waiting], 0
    for start in range(0, len(runs), _PAGE):
        limited = _with_limiters(here, runs[start : start + _PAGE], definition)
        moved += here.do(move_function(limited, old=key, new=target_key, queue=definition.queue_key))
    return moved


def _with_limiters(here: Connection, runs: list[str], definition: Any) -> list[tuple[str, str]]:
    """Each run with the references of the limiters that the new function gives it."""
    from ..broker.inspect.payloads import read_events_of_runs
    from ..define.limiter import limiter_references

    if not definition.concurrency:
        return [(run, "") for run in runs]
    events = here.ask(read_events_of_runs(here.keys, here.patience(), runs))
    return [(run, limiter_references(definition, event)) for run, event in zip(runs, events, strict=True)]
