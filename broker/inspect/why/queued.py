"""What holds a queued run: a limit, a missing worker, or those that are ahead of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ...conversation import Talk, reliably
from ...explanation import Hold, HoldReason
from ...run_info import moment
from ..apps import read_apps
from ..workers import WorkerInfo, read_workers
from .estimate import mean_seconds
from .facts import Asking, Facts
from .parked import explain_parked, is_parked


def explain_queued(asking: Asking, facts: Facts) -> Talk[tuple[list[Hold], datetime | None]]:
    """What holds it, the deciding thing first; and when it should start, as far as recent runs let it be told."""
    workers = [worker for worker in (yield from read_workers(asking.keys, asking.patience)) if worker.alive]
    missing = yield from _missing(asking, workers, facts)
    if is_parked(facts):
        holds = yield from explain_parked(asking, facts)
        return [*holds, *missing], None if missing else (yield from _when_parked(asking, facts, holds[0]))
    if missing:
        return missing, None
    reading = [worker for worker in workers if _reads(worker, facts)]
    room, running = sum(worker.capacity or 0 for worker in reading), sum(worker.running for worker in reading)
    queue = facts["q"]
    if facts.suspect:
        rank = (yield from reliably(asking.patience, ("ZRANK", asking.keys(f"qs:{queue}"), facts.run_id)))[0] or 0
        text = f"{facts['k']} workers died with it: each worker takes one such run at a time; {rank:,} are ahead of it"
        return [Hold(reason=HoldReason.SUSPECT, text=text, name=queue, ahead=rank)], None
    rank = (yield from reliably(asking.patience, ("ZRANK", asking.keys(f"q:{queue}"), facts.run_id)))[0] or 0
    text = f"{rank:,} runs are ahead of it in its queue; the workers have room for {room:,} and run {running:,}"
    mean = yield from mean_seconds(asking, facts["f"])
    expected = None
    if mean is not None and room:
        # Whoever is ahead takes a place of those that come free; all that is there runs side by side.
        turns = max(0, rank + running + 1 - room) / room
        expected = moment(asking.now_ms + turns * mean * 1000)
    return [Hold(reason=HoldReason.READY, text=text, name=queue, ahead=rank)], expected


def _when_parked(asking: Asking, facts: Facts, hold: Hold) -> Talk[datetime | None]:
    if hold.reason is HoldReason.THROTTLE:
        return hold.due
    mean = yield from mean_seconds(asking, facts["f"])
    if hold.reason is not HoldReason.CONCURRENCY or mean is None or not hold.limit or hold.ahead is None:
        return None
    return moment(asking.now_ms + mean * 1000 * (hold.ahead + 1) / hold.limit)


def _reads(worker: WorkerInfo, facts: Facts) -> bool:
    app, _, name = facts["f"].partition("/")
    return worker.app == app and name in worker.functions and _serves(worker, facts)


def _serves(worker: WorkerInfo, facts: Facts) -> bool:
    return not worker.queues or facts["q"].split(":")[1] in worker.queues


def _missing(asking: Asking, workers: Sequence[WorkerInfo], facts: Facts) -> Talk[list[Hold]]:
    """What keeps every worker there is from taking it; empty if one can."""
    function = facts["f"]
    app, _, name = function.partition("/")
    of_app = [worker for worker in workers if worker.app == app]
    if not of_app:
        return [Hold(reason=HoldReason.NO_WORKER, text=f"no worker of {app} is alive", name=app)]
    having = [worker for worker in of_app if name in worker.functions]
    if not having:
        apps = yield from read_apps(asking.keys, asking.patience)
        retired = any(info.id == app and name in info.registry.retired for info in apps)
        why = ": the newest version of the app lacks it" if retired else ""
        return [Hold(reason=HoldReason.NO_FUNCTION, text=f"no worker has {function}{why}", name=function)]
    wanted = facts["q"].split(":")[1]
    if not any(_serves(worker, facts) for worker in having):
        text = f"no worker that has {function} serves the queue {wanted}"
        return [Hold(reason=HoldReason.NOT_SERVED, text=text, name=wanted)]
    return []
