"""Per-step options, over the function's own."""

from __future__ import annotations

from dataclasses import dataclass

from ...define.policies import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How a step's body is tried."""

    retries: int  # after the first attempt
    backoff: Backoff
    timeout: float | None = None  # seconds one attempt may take
