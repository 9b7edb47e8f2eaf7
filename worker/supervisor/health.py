"""What `/ready` answers: health is progress lately, never "the process exists"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: An idle worker talks to Redis at least every 5 s (its blocking read); three missed turns are not an accident.
PROGRESS_WITHIN = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildHealth:
    """One child as last reported."""

    index: int
    pid: int | None  # None: not running, waiting to be restarted
    ready: bool  # connected and registered
    stopping: str  # the reason, or ""
    running: int  # runs on it
    progress_age: float | None  # seconds since its last successful call to Redis
    restarts: int

    @property
    def trouble(self) -> str:
        """Why this child does no work, or ""."""
        if self.pid is None:
            return "dead, waiting to be restarted"
        if self.stopping:
            return f"stopping: {self.stopping}"
        if not self.ready:
            return "not connected yet"
        if self.progress_age is None or self.progress_age > PROGRESS_WITHIN:
            return "no progress lately" if self.progress_age is None else f"no progress for {self.progress_age:.0f} s"
        return ""


def readiness(children: Sequence[ChildHealth], *, stopping: bool) -> tuple[bool, dict[str, Any]]:
    """Whether all children are connected and make progress, with a description of each."""
    described = [
        {
            "index": child.index,
            "pid": child.pid,
            "ok": not child.trouble,
            "trouble": child.trouble,
            "running": child.running,
            "progress_age": child.progress_age,
            "restarts": child.restarts,
        }
        for child in children
    ]
    ok = bool(children) and not stopping and not any(child.trouble for child in children)
    return ok, {"ready": ok, "stopping": stopping, "children": described}
