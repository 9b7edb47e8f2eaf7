"""All there is about one run, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection
from .output import block, compact, fields, heading, json_text, plain, short, state, table
from .times import ago, between, exact

if TYPE_CHECKING:
    from ..broker.run_info import ErrorInfo, RunInfo, StepInfo

_STEP_COLOURS = {"completed": "green", "failed": "red", "waiting": "yellow", "retrying": "magenta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run, its steps, the data of its event, and the runs around it."""

    run: RunInfo
    steps: Sequence[StepInfo]
    data: Any
    children: Sequence[RunInfo]
    why: str  # it does not go on, while it is queued or waits

    def told(self) -> Mapping[str, Any]:
        """The shape of `--json`."""
        run = plain(self.run)
        run["why"] = self.why or None
        return {**run, "data": self.data, "steps": self.steps, "children": [child.id for child in self.children]}


def read_story(here: Connection, id: str) -> Story:
    """Read it. Raises RunNotFound."""
    from ..broker.inspect.children import read_children
    from ..broker.inspect.payloads import decoded, read_payload

    run = here.client.run(id)
    children = here.ask(read_children(here.keys, here.patience(), id))
    return Story(
        run=run,
        steps=here.client.steps(id),
        data=decoded(here.ask(read_payload(here.keys, here.patience(), id))),
        children=children,
        why=here.client.why(id).summary if run.state in ("queued", "waiting", "pending", "dropped") else "",
    )


def draw_run(story: Story) -> None:
    """Print the whole story."""
    run = story.run
    click.echo(f"{click.style(run.id, bold=True)}  {state(run.state)}{'  (asked to stop)' if run.cancelling else ''}")
    click.echo()
    fields(
        [
            ("function", run.function),
            ("event", f"{run.event_name} {run.event_id}" if run.event_name else None),
            ("queue", run.queue),
            ("dropped" if run.state == "dropped" else "waits", story.why or None),
            ("attempt", f"{run.attempt}" + (f", {run.crashes} worker(s) died with it" if run.crashes else "")),
            ("created", _when(run.created)),
            ("started", _when(run.started)),
            ("finished", _when(run.finished)),
            ("took", between(run.started, run.finished) if run.finished and run.started else None),
            ("worker", run.worker),
            ("progress", None if run.progress is None else f"{run.progress.percent:g} % {run.progress.message}"),
            ("parent", run.parent),
            ("children", "\n".join(f"{child.id}  {state(child.state)}  {child.function}" for child in story.children)),
            ("replay of", run.replay_of),
            ("replayed", f"{run.replays} time(s) from the failed step" if run.replays else None),
            ("dead letter", run.dead_letter),
        ]
    )
    if story.data is not None:
        heading("Event data")
        block(json_text(story.data, indent=2))
    if story.steps:
        heading("Steps")
        rows = [
            [step.key, step.kind, step_state(step.state), str(step.attempt), _outcome(step)] for step in story.steps
        ]
        table(("step", "kind", "state", "attempt", "outcome"), rows, empty="")
        for step in story.steps:
            # The step that the run failed of is told below.
            if step.error is not None and step.error.traceback and (run.error is None or run.error.step != step.key):
                _draw_error(f"Error of step {step.key}", step.error)
    if run.state == "completed":
        heading("Result")
        block(json_text(run.result, indent=2))
    if run.error is not None and run.state != "completed":
        of_step = f" of step {run.error.step}" if run.error.step else ""
        _draw_error(f"Error{of_step}" if run.done else f"Error{of_step}, of the last attempt", run.error)


def step_state(name: str) -> str:
    """The name of a step's state in its colour."""
    return click.style(name, fg=_STEP_COLOURS.get(name))


def _outcome(step: StepInfo) -> str:
    if step.error is not None and step.state != "completed":
        text = compact(f"{step.error.type}: {step.error.message}")
        return f"{text} (next try {ago(step.due)})" if step.state == "retrying" and step.due else text
    if step.due is not None:
        return f"due {ago(step.due)}, {exact(step.due)}"
    return short(step.result) if step.state == "completed" and step.result is not None else ""


def _draw_error(title: str, error: ErrorInfo) -> None:
    heading(f"{title} (attempt {error.attempt})")
    if error.traceback:
        block(error.traceback)
    last = error.traceback.rstrip().splitlines()[-1:] or [""]
    if error.message not in last[0]:
        block(click.style(f"{error.type}: {error.message}", fg="red"))


def _when(moment: Any) -> str | None:
    return None if moment is None else f"{exact(moment)} ({ago(moment)})"
