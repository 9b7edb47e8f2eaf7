"""How long runs of a function took lately, from which the start of others is estimated."""

from __future__ import annotations

from ...conversation import Command, Talk, reliably
from .facts import Asking

_LATELY = 20  # finished runs looked at


def mean_seconds(asking: Asking, function: str) -> Talk[float | None]:
    """Mean time from first lease to end of the runs that completed last; None if there are none."""
    index = asking.keys(f"done:{function}:c")
    (runs,) = yield from reliably(asking.patience, ("ZRANGE", index, 0, _LATELY - 1, "REV"))
    if not runs:
        return None
    commands: list[Command] = [("HMGET", asking.keys.run(run.decode()), "b", "z") for run in runs]
    times = yield from reliably(asking.patience, *commands)
    took = [float(end) - float(start) for start, end in times if start is not None and end is not None]
    return sum(took) / len(took) / 1000 if took else None
