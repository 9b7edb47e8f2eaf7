"""How much is ready, parked and waiting, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..conversation import Talk, reliably
from ..keys import Keys
from ..patience import Patience

MOST_BACKLOGS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue: `<app>:<queue>`, or `<app>:<queue>:<function>` for a function that not all of its workers have."""

    name: str
    ready: int  # runs that may start now
    oldest_seconds: float | None  # since the first of them became eligible
    suspects: int  # ready runs that workers died with, which start one at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What there is to do in a namespace."""

    queues: tuple[QueueInfo, ...]
    parked: int  # runs that concurrency limits hold back
    backlogs: int  # of them
    waiting: int  # runs with pending steps, of the functions asked about
    waiting_of: Mapping[str, int]  # the same by function key, where there are any
    timers: int
    overdue: int  # timers that should have fired more than ten seconds ago
    bad_timers: tuple[str, ...]  # what moved aside because it erred: the timer and the reason


OVERDUE_MS = 10_000


def read_load(keys: Keys, patience: Patience, *, queues: Sequence[str], functions: Sequence[str]) -> Talk[Load]:
    """Depths and ages.

    Args:
        queues: names of the queues to look at.
        functions: keys of the functions whose waiting runs count.
    """
    (time, limits) = yield from reliably(patience, ("TIME",), ("HSCAN", keys("bh"), 0, "COUNT", MOST_BACKLOGS))
    now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
    per_queue: list[tuple[Any, ...]] = []
    for name in queues:
        per_queue += [
            ("ZCARD", keys(f"q:{name}")),
            ("ZRANGE", keys(f"q:{name}"), 0, 0, "WITHSCORES"),
            ("ZCARD", keys(f"qs:{name}")),
        ]
    depths = (yield from reliably(patience, *per_queue)) if per_queue else []
    backlogs = [backlog.decode() for backlog in limits[1][::2]]
    parked = (yield from reliably(patience, *(("ZCARD", keys(f"bk:{each}")) for each in backlogs))) if backlogs else []
    waiting = (
        (yield from reliably(patience, *(("ZCARD", keys(f"wt:{each}")) for each in functions))) if functions else []
    )
    timers, overdue, bad = yield from reliably(
        patience,
        ("ZCARD", keys("dl")),
        ("ZCOUNT", keys("dl"), "-inf", now_ms - OVERDUE_MS),
        ("ZRANGE", keys("bad"), 0, 19),
    )
    return Load(
        queues=tuple(_queue(name, now_ms, *depths[3 * place : 3 * place + 3]) for place, name in enumerate(queues)),
        parked=sum(parked),
        backlogs=len(backlogs),
        waiting=sum(waiting),
        waiting_of={function: count for function, count in zip(functions, waiting, strict=True) if count},
        timers=timers,
        overdue=overdue,
        bad_timers=tuple(each.decode("utf-8", "replace") for each in bad),
    )


def _queue(name: str, now_ms: int, ready: int, head: list[bytes], suspects: int) -> QueueInfo:
    # The score is the time of eligibility less the priority, so a priority makes a run look older, or younger.
    oldest = max(0.0, (now_ms - float(head[1])) / 1000) if head else None
    return QueueInfo(name=name, ready=ready, oldest_seconds=oldest, suspects=suspects)
