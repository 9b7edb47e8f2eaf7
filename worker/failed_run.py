"""What an `on_failure` function learns about the run that failed."""

from __future__ import annotations

from dataclasses import dataclass

from ..broker.codec import decode
from ..broker.model import LeasedRun
from ..broker.run_info import ErrorInfo


@dataclass(frozen=True, slots=True)
class FailedRun:
    """The run that failed; empty in functions that are not there for failures."""

    run: str | None = None
    error: ErrorInfo | None = None


def failed_run_of(run: LeasedRun) -> FailedRun:
    """Read it from the event that an `on_failure` run is for."""
    if run.kind != "failure" or not run.data:
        return FailedRun()
    story = decode(run.data)
    return FailedRun(str(story["run"]), ErrorInfo.from_map(story.get("error") or {}))
