"""One line every ten seconds that says what all children together did; silence when they did nothing."""

from __future__ import annotations

import logging

from .sums import MetricSums

logger = logging.getLogger("bgjobs.worker")


class Summary:
    """Compares the sums with those of the previous line."""

    def __init__(self, sums: MetricSums) -> None:
        self._sums = sums
        self._outcomes: dict[str, float] = {}
        self._events = 0.0

    def line(self, seconds: float) -> str | None:
        """What happened in the last `seconds`, or None if nothing did."""
        outcomes: dict[str, float] = {}
        for labels, value in self._sums.total("bgjobs_runs_finished_total").items():
            outcome = dict(labels)["outcome"]
            outcomes[outcome] = outcomes.get(outcome, 0.0) + value
        events = sum(self._sums.total("bgjobs_events_ingested_total").values())
        new = {name: value - self._outcomes.get(name, 0.0) for name, value in outcomes.items()}
        new_events = events - self._events
        self._outcomes, self._events = outcomes, events
        if not new_events and not any(new.values()):
            return None
        parts = [f"{value:,.0f} {name}" for name, value in sorted(new.items()) if value]
        running = sum(self._sums.total("bgjobs_runs_running").values())
        return (
            f"last {seconds:.0f} s: {new_events:,.0f} events ingested, runs: {', '.join(parts) or 'none ended'}; "
            f"{running:,.0f} running"
        )
