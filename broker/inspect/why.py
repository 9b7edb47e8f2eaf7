"""Why a run does not start: who could take it, and what is ahead of it."""

from __future__ import annotations

from ..conversation import Command, Talk, reliably
from ..keys import Keys
from ..patience import Patience
from .workers import WorkerInfo, read_workers


def why_queued(keys: Keys, patience: Patience, run: str) -> Talk[str]:
    """One sentence about a queued run; "" if it is not queued (any more)."""
    record = (yield from reliably(patience, ("HMGET", keys.run(run), "s", "f", "q", "l", "h", "k")))[0]
    state, function, queue, limiters, held, crashes = ("" if value is None else value.decode() for value in record)
    if state != "q":
        return ""
    if limiters and not held:
        return (yield from _parked(keys, patience, run, limiters))
    workers = [worker for worker in (yield from read_workers(keys, patience)) if worker.alive]
    lacking = _lacking(workers, function, queue)
    if lacking:
        return lacking
    suspect = int(crashes or 0) >= 2
    ready = f"qs:{queue}" if suspect else f"q:{queue}"
    ahead = (yield from reliably(patience, ("ZRANK", keys(ready), run)))[0] or 0
    if suspect:
        return f"{crashes} workers died with it: each worker takes one such run at a time; {ahead:,} are ahead of it"
    running = sum(worker.running for worker in workers)
    room = sum(worker.capacity or 0 for worker in workers)
    return f"{ahead:,} runs are ahead of it in its queue; the workers have room for {room:,} and run {running:,}"


def _lacking(workers: list[WorkerInfo], function: str, queue: str) -> str:
    app, _, name = function.partition("/")
    of_app = [worker for worker in workers if worker.app == app]
    if not of_app:
        return f"no worker of {app} is alive"
    having = [worker for worker in of_app if name in worker.functions]
    if not having:
        return f"no worker has {function}"
    wanted = queue.split(":")[1]
    if all(worker.queues and wanted not in worker.queues for worker in having):
        return f"no worker that has {function} serves the queue {wanted}"
    return ""


def _parked(keys: Keys, patience: Patience, run: str, limiters: str) -> Talk[str]:
    held_by = (yield from reliably(patience, ("HGET", keys("bh"), limiters)))[0]
    reference = limiters.split()[0] if held_by is None else held_by.decode()
    commands: list[Command] = [
        ("SCARD", keys(f"lc:{reference}")),
        ("HGET", keys("lm"), reference.partition(".")[0]),
        ("ZRANK", keys(f"bk:{limiters}"), run),
    ]
    taken, limit, ahead = yield from reliably(patience, *commands)
    slots = "" if limit is None else f" ({taken:,} of {int(limit):,} slots are taken)"
    return f"a concurrency limit holds it{slots}; {ahead or 0:,} runs with the same limits are ahead of it"
