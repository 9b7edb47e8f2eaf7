"""Following one run: a line for each thing that changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection
from .output import compact, line, short, state
from .run_story import step_state
from .times import ago, between, clock

if TYPE_CHECKING:
    from ..broker.run_info import RunInfo, StepInfo


def watch_run(here: Connection, id: str, interval: float) -> str:
    """Print what changes until the run ends.

    Args:
        here: where it is.
        id: the run.
        interval: seconds between looks.

    Returns:
        The state in which it ended.

    Raises:
        RunNotFound: there is no such run.
    """
    seen: dict[str, Any] = {}
    while True:
        run = here.client.run(id)
        steps = here.client.steps(id) if run.started is not None else []
        for told, text in _changes(seen, run, steps):
            line({"time": datetime.now(UTC), "run": id, **told}, f"{clock(datetime.now(UTC))}  {text}")
        if run.done:
            return str(run.state)
        time.sleep(interval)


def _changes(seen: dict[str, Any], run: RunInfo, steps: list[StepInfo]) -> Iterator[tuple[dict[str, Any], str]]:
    """What is new since the last look, as JSON and as text. The run's end comes after what led to it."""
    begin = not seen
    if begin and not run.done:
        yield from _run_line(seen, run)
    for step in steps:
        now = (step.state, step.attempt)
        if seen.get(f"step {step.key}") != now:
            seen[f"step {step.key}"] = now
            told = {"step": step.key, "kind": step.kind, "state": step.state, "attempt": step.attempt, "due": step.due}
            yield told, f"step {click.style(step.key, bold=True)} {step_state(step.state)}{_detail(step)}"
    if run.progress is not None and seen.get("progress") != run.progress:
        seen["progress"] = run.progress
        told = {"percent": run.progress.percent, "message": run.progress.message}
        yield {"progress": told}, f"{run.progress.percent:3.0f} %  {run.progress.message}".rstrip()
    if not begin or run.done:
        yield from _run_line(seen, run)


def _run_line(seen: dict[str, Any], run: RunInfo) -> Iterator[tuple[dict[str, Any], str]]:
    now = (str(run.state), run.attempt, run.cancelling)
    if seen.get("run") == now:
        return
    seen["run"] = now
    told = {
        "state": run.state,
        "attempt": run.attempt,
        "result": run.result,
        "error": None if run.error is None else {"type": run.error.type, "message": run.error.message},
    }
    text = f"{run.function or 'run'} {state(run.state)}"
    if run.state == "completed":
        text += f" after {between(run.started, run.finished)}: {short(run.result)}"
    elif run.error is not None:
        text += f" (attempt {run.error.attempt}) {compact(f'{run.error.type}: {run.error.message}', 100)}"
    elif run.cancelling:
        text += " (asked to stop)"
    yield told, text


def _detail(step: StepInfo) -> str:
    if step.state == "completed":
        return "" if step.result is None else f": {short(step.result)}"
    text = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    if step.due is not None:
        text += f", due {ago(step.due)}"
    if step.error is not None:
        text += f": {compact(f'{step.error.type}: {step.error.message}', 100)}"
    return text
