"""The table of metrics: name, help, labels, buckets, and how a sum over processes treats a gauge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric. `labels` take values from bounded sets only: never a run, an event or a flow-control key."""

    help: str
    labels: tuple[str, ...] = ()
    across: Literal["sum", "max"] = "sum"  # processes: add up, or (facts about the namespace, seen by each) the largest


_FUNCTION = ("app", "function")

COUNTERS = {
    "bgjobs_events_sent_total": MetricSpec(help="Events sent from this worker's processes."),
    "bgjobs_events_ingested_total": MetricSpec(help="Events taken from the stream and matched.", labels=("app",)),
    "bgjobs_events_duplicate_total": MetricSpec(help="Events recognised as duplicates and dropped.", labels=("app",)),
    "bgjobs_events_dropped_total": MetricSpec(
        help="Events that a function's policies gave no run, by policy.", labels=(*_FUNCTION, "reason")
    ),
    "bgjobs_runs_started_total": MetricSpec(help="Runs leased for the first time.", labels=_FUNCTION),
    "bgjobs_runs_finished_total": MetricSpec(
        help="Executions that ended on a worker, by what they came to.", labels=(*_FUNCTION, "outcome")
    ),
    "bgjobs_step_attempts_total": MetricSpec(
        help="Tries at step bodies, by what they came to.", labels=(*_FUNCTION, "outcome")
    ),
    "bgjobs_steps_unreached_total": MetricSpec(
        help="Recorded steps that a run completed without coming to: its code was changed.", labels=_FUNCTION
    ),
    "bgjobs_fenced_writes_total": MetricSpec(help="Writes refused because the worker had lost the right to the run."),
    "bgjobs_runs_reaped_total": MetricSpec(help="Runs taken back from dead workers."),
    "bgjobs_redis_errors_total": MetricSpec(help="Calls to Redis that failed, by kind.", labels=("kind",)),
}

HISTOGRAMS = {
    "bgjobs_run_queue_seconds": MetricSpec(help="From eligible to first lease.", labels=_FUNCTION),
    "bgjobs_run_duration_seconds": MetricSpec(help="Time an execution spent on a worker.", labels=_FUNCTION),
    "bgjobs_step_duration_seconds": MetricSpec(help="Time of one try at a step body.", labels=_FUNCTION),
    "bgjobs_timer_lateness_seconds": MetricSpec(help="How late timers fired."),
    "bgjobs_commit_seconds": MetricSpec(help="Round trip of one commit."),
    "bgjobs_commit_operations": MetricSpec(help="Operations carried by one commit."),
}

GAUGES = {
    "bgjobs_ready_runs": MetricSpec(help="Runs ready to be leased.", labels=("app", "queue"), across="max"),
    "bgjobs_ready_oldest_age_seconds": MetricSpec(
        help="Age of the run that has been ready for longest.", labels=("app", "queue"), across="max"
    ),
    "bgjobs_parked_runs": MetricSpec(help="Runs held back by limiters.", labels=("app",), across="max"),
    "bgjobs_waiting_runs": MetricSpec(help="Runs that wait for pending steps.", labels=("app",), across="max"),
    "bgjobs_dead_letters": MetricSpec(help="Dead letters of the namespace.", across="max"),
    "bgjobs_stream_lag": MetricSpec(help="Events not yet read.", labels=("app",), across="max"),
    "bgjobs_stream_pending": MetricSpec(help="Events read and not yet ingested.", labels=("app",), across="max"),
    "bgjobs_workers": MetricSpec(help="Live worker processes of the namespace.", across="max"),
    "bgjobs_runs_running": MetricSpec(help="Runs on this worker's processes now."),
    "bgjobs_unaccounted_runs": MetricSpec(help="Runs that are in no place where they should be.", across="max"),
}

#: 1 ms ... 10 min: what queues, runs and steps take.
_LONG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)

BUCKETS: dict[str, tuple[float, ...]] = {
    "bgjobs_run_queue_seconds": _LONG,
    "bgjobs_run_duration_seconds": _LONG,
    "bgjobs_step_duration_seconds": _LONG,
    "bgjobs_timer_lateness_seconds": (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0),
    "bgjobs_commit_seconds": (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
    "bgjobs_commit_operations": (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0),
}
