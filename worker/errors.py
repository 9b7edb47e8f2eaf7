"""Mistakes in how a function uses its steps. Each fails the run at once: the next attempt would make the same one.

::

    StepMisuse                 (a UsageError and NonRetriable)
    |-- InvalidStepId          an empty, reserved or too long id
    |-- SharedStepId           one id used from two tasks of the run (R4)
    |-- NestedStep             a step called inside another step's body
    |-- ForeignThread          a step called from a thread that the run does not know
    |-- NotInStep              what exists only inside a step's body was asked for outside
    |-- NotParallel            something else than functions without arguments was given to `parallel`
    |-- TooManySteps           more steps than one run may have
    `-- StepRefused            the broker can't carry out what the step asks for
    StepTimeout                a step's body took longer than its time-out (retried like any error)
    AttemptTimeout             an attempt at a function took longer than its time-out (retried like any error)
"""

from __future__ import annotations

from ..broker.errors import BgjobsError, UsageError
from ..define.errors import NonRetriable


class StepMisuse(NonRetriable, UsageError):
    """A function uses its steps in a way that can't work."""

    default_remedy = "Correct the function."

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        UsageError.__init__(self, what, remedy=remedy)


class InvalidStepId(StepMisuse):
    """A step id that can't be used."""


class SharedStepId(StepMisuse):
    """The same step id is used from two tasks of a run: on resume their results could be mixed up."""

    def __init__(self, step: str) -> None:
        super().__init__(
            f"Step id {step!r} is used from two tasks of the same run.",
            remedy=f'Make it unique in each task, for example f"{step}-{{index}}".',
        )
        self.args = (step,)


class NestedStep(StepMisuse):
    """A step was called inside the body of another step."""

    default_remedy = "Call it in the function itself, before or after the step that it is in."


class ForeignThread(StepMisuse):
    """A step was called from a thread that the run did not start."""

    default_remedy = "Run steps side by side with `ctx.step.parallel([...])`."


class NotInStep(StepMisuse):
    """Something that exists only while a step's body runs was asked for outside."""

    default_remedy = "Use it in the function that you give to `ctx.step.run`."


class NotParallel(StepMisuse):
    """`parallel` was given something else than functions without arguments."""

    default_remedy = 'Write `ctx.step.parallel([lambda: ctx.step.run("a", f), lambda: ctx.step.run("b", g)])`.'


class TooManySteps(StepMisuse):
    """More steps than one run may have."""

    default_remedy = "Split the work over several runs: send events, or invoke a function for each part."


class StepRefused(StepMisuse):
    """The broker can't carry out what a step asks for, for example because the run's results take too much room."""

    default_remedy = "Store big results elsewhere and return references to them; see the worker's log for the reason."


class StepTimeout(BgjobsError, TimeoutError):
    """A step's body took longer than its time-out."""

    default_remedy = "Raise `timeout=` in `with_options`, or make the step's work smaller."


class AttemptTimeout(BgjobsError, TimeoutError):
    """One attempt at a function took longer than its time-out."""

    default_remedy = "Raise the function's `timeout=`, or move slow work into steps, whose results are kept."
