"""The one outcome of an attempt, as a pure function of how user code ended."""

import asyncio
from typing import Any

import pytest

from bgjobs.define.errors import NonRetriable, RetryAfter, StepFailed
from bgjobs.define.policies import Backoff
from bgjobs.worker.outcome import (
    Cancelled,
    Completed,
    Ending,
    Failed,
    HandedBack,
    Left,
    Lost,
    Outcome,
    Retried,
    decide,
)
from bgjobs.worker.unwinding import Mode, Unwinding

LEAVING = Unwinding(Mode.LEAVING)
STEP = StepFailed("charge", {"type": "a.B", "message": "no"})


def outcome_of(mode: Mode = Mode.RUNNING, attempt: int = 1, **ending: Any) -> Outcome:
    return decide(
        Ending(mode=mode, **ending), attempt=attempt, retries=2, backoff=Backoff(jitter=0), random=lambda: 0.5
    )


CASES: list[tuple[dict[str, Any], type]] = [
    ({"value": 1}, Completed),
    ({"exception": ValueError()}, Retried),
    ({"exception": ValueError(), "attempt": 3}, Failed),
    ({"exception": NonRetriable()}, Failed),
    ({"exception": STEP}, Failed),
    ({"exception": ExceptionGroup("g", [STEP])}, Failed),
    ({"exception": ExceptionGroup("g", [ValueError(), NonRetriable()])}, Failed),
    ({"exception": ExceptionGroup("g", [ValueError(), KeyError()])}, Retried),
    ({"exception": RetryAfter(60)}, Retried),
    ({"exception": SystemExit()}, Retried),
    ({"exception": asyncio.CancelledError()}, Retried),
    ({"mode": Mode.STOPPING, "value": 1}, Completed),
    ({"mode": Mode.LEAVING, "exception": LEAVING}, Left),
    ({"mode": Mode.LEAVING, "exception": BaseExceptionGroup("g", [LEAVING])}, Left),
    ({"mode": Mode.LEAVING, "exception": BaseExceptionGroup("g", [BaseExceptionGroup("h", [LEAVING])])}, Left),
    ({"mode": Mode.LEAVING, "exception": asyncio.CancelledError()}, Left),
    ({"mode": Mode.LEAVING, "value": "swallowed"}, Left),
    ({"mode": Mode.LEAVING, "exception": BaseExceptionGroup("g", [LEAVING, ValueError()])}, Retried),
    ({"mode": Mode.LEAVING, "exception": ValueError("in finally")}, Retried),
    ({"mode": Mode.HANDING_BACK, "exception": LEAVING}, HandedBack),
    ({"mode": Mode.HANDING_BACK, "value": 1}, HandedBack),
    ({"mode": Mode.CANCELLING, "value": 1}, Completed),
    ({"mode": Mode.CANCELLING, "value": 1, "unwound": True}, Cancelled),
    ({"mode": Mode.CANCELLING, "exception": ValueError()}, Cancelled),
    ({"mode": Mode.TIMED_OUT, "exception": asyncio.CancelledError(), "timeout": 5.0}, Retried),
    ({"mode": Mode.TIMED_OUT, "value": "swallowed", "timeout": 5.0, "attempt": 3}, Failed),
    ({"mode": Mode.LOST, "value": 1}, Lost),
    ({"mode": Mode.LOST, "exception": ValueError()}, Lost),
]


@pytest.mark.parametrize(("ending", "expected"), CASES, ids=str)
def test_outcome(ending: dict[str, Any], expected: type) -> None:
    assert type(outcome_of(**ending)) is expected


def test_run_attempts_count_only_errors_outside_steps() -> None:
    """R29"""
    outcome = outcome_of(exception=STEP)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.failure.step, outcome.failure.error["type"]) == ("step", "charge", "a.B")


def test_a_group_that_mixes_leaving_with_an_error_is_the_error() -> None:
    outcome = outcome_of(Mode.LEAVING, exception=BaseExceptionGroup("g", [LEAVING, ValueError("broken")]))
    assert isinstance(outcome, Retried)
    assert "broken" in outcome.failure.error["traceback"]


def test_the_longest_delay_asked_for_counts() -> None:
    outcome = outcome_of(exception=ExceptionGroup("g", [RetryAfter(60), RetryAfter(5), ValueError()]))
    assert isinstance(outcome, Retried)
    assert outcome.delay == 60
