"""What a worker counts. The names are final; labels only ever take values from bounded sets.

The hot path adds to plain Python numbers on the event loop (about 0.1 us each); prometheus-client is only asked to
present them. Everything here is called on the event loop, except `redis_error`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ..broker.sent import events_sent
from .metric_names import BUCKETS, COUNTERS, GAUGES, HISTOGRAMS

Labels = tuple[str, ...]
T = TypeVar("T")


class Histogram:
    """Counts of observations by upper bound, as Prometheus wants them."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts with their upper bounds."""
        running, result = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            running += count
            result.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(running)))
        return result


class FunctionMetrics:
    """The numbers of one function, looked up once and then held by whoever executes it."""

    __slots__ = ("duration", "outcomes", "queue", "started", "step_duration", "step_outcomes", "unreached")

    def __init__(self) -> None:
        self.started = 0
        self.unreached = 0  # recorded steps that runs completed without coming to (R33)
        self.outcomes: dict[str, int] = {}
        self.step_outcomes: dict[str, int] = {}
        self.queue = Histogram(BUCKETS["bgjobs_run_queue_seconds"])
        self.duration = Histogram(BUCKETS["bgjobs_run_duration_seconds"])
        self.step_duration = Histogram(BUCKETS["bgjobs_step_duration_seconds"])

    def run_started(self, queued_seconds: float) -> None:
        """A run was leased for the first time, `queued_seconds` after it became eligible."""
        self.started += 1
        self.queue.observe(max(0.0, queued_seconds))

    def run_finished(self, outcome: str, seconds: float) -> None:
        """An execution ended with `outcome` after `seconds` on this worker."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.duration.observe(seconds)

    def step_attempt(self, outcome: str, seconds: float) -> None:
        """One try at a step's body ended with `outcome` after `seconds`."""
        self.step_outcomes[outcome] = self.step_outcomes.get(outcome, 0) + 1
        self.step_duration.observe(seconds)


class WorkerMetrics:
    """All the numbers of one process, and their Prometheus face."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._functions: dict[tuple[str, str], FunctionMetrics] = {}
        self._counters: dict[tuple[str, Labels], float] = {}
        self._gauges: dict[tuple[str, Labels], float] = {}
        self._live_gauges: dict[tuple[str, Labels], Callable[[], float]] = {}
        self._plain = {name: Histogram(BUCKETS[name]) for name, spec in HISTOGRAMS.items() if not spec.labels}
        self._lock = threading.Lock()
        self._sent_before = events_sent.count
        self.registry.register(self)

    def function(self, app: str, function: str) -> FunctionMetrics:
        """The numbers of one function; the same object every time."""
        key = (app, function)
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = FunctionMetrics()
        return found

    def count(self, name: str, amount: float = 1, *labels: str) -> None:
        """Add to a counter that is not a function's own."""
        if amount:
            key = (name, labels)
            self._counters[key] = self._counters.get(key, 0) + amount

    def ingested(self, app: str, events: int, duplicates: int) -> None:
        """One ingest call took `events` from the stream, `duplicates` of which were known already."""
        self.count("bgjobs_events_ingested_total", events, app)
        self.count("bgjobs_events_duplicate_total", duplicates, app)

    def dropped(self, function: str, reason: str, events: int) -> None:
        """Policies of a function (its key) gave so many events no run."""
        app, _, name = function.partition("/")
        self.count("bgjobs_events_dropped_total", events, app, name, reason)

    def committed(self, seconds: float, operations: int) -> None:
        """One call applied `operations` and took `seconds`."""
        self._plain["bgjobs_commit_seconds"].observe(seconds)
        self._plain["bgjobs_commit_operations"].observe(operations)

    def fenced(self, writes: int = 1) -> None:
        """Writes were refused because this worker had lost the right to the run."""
        self.count("bgjobs_fenced_writes_total", writes)

    def reaped(self, runs: int) -> None:
        """Runs of dead workers were taken back."""
        self.count("bgjobs_runs_reaped_total", runs)

    def pumped(self, reaped: int, dropped: Iterable[tuple[str, str, int]]) -> None:
        """One call took back `reaped` runs; policies `dropped` invocations: function key, reason, count."""
        self.reaped(reaped)
        for function, reason, count in dropped:
            self.dropped(function, reason, count)

    def timer_fired(self, lateness_seconds: float) -> None:
        """Timers fired; the latest of them was late by so much."""
        self._plain["bgjobs_timer_lateness_seconds"].observe(max(0.0, lateness_seconds))

    def redis_error(self, kind: str) -> None:
        """A call to Redis failed; `kind` is a class of errors, never a message; safe from any thread."""
        with self._lock:
            self.count("bgjobs_redis_errors_total", 1, kind)

    def set_gauge(self, name: str, value: float, *labels: str) -> None:
        """Set what was last seen of something in the namespace."""
        self._gauges[name, labels] = value

    def drop_gauges(self, name: str) -> None:
        """Forget every label set of a gauge, before setting it anew."""
        for key in [key for key in self._gauges if key[0] == name]:
            del self._gauges[key]

    def watch_gauge(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """Read a gauge of this process whenever it is asked for. `read` is called from another thread."""
        self._live_gauges[name, labels] = read

    def collect(self) -> Iterable[Metric]:
        """All families, for prometheus-client. Called from another thread than counts: it copies before it walks."""
        functions = list(self._functions.items())
        counters = [*self._counters.items(), (("bgjobs_events_sent_total", ()), events_sent.count - self._sent_before)]
        gauges = list(self._gauges.items())
        gauges += [(key, read()) for key, read in list(self._live_gauges.items())]
        for name, spec in COUNTERS.items():
            yield _counter(name, spec.help, spec.labels, counters, functions)
        for name, spec in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, spec.help, labels=list(spec.labels))
            if spec.labels:
                for (app, function), numbers in functions:
                    _add(family, [app, function], getattr(numbers, _FUNCTION_HISTOGRAMS[name]))
            else:
                _add(family, [], self._plain[name])
            yield family
        for name, spec in GAUGES.items():
            gauge = GaugeMetricFamily(name, spec.help, labels=list(spec.labels))
            for (gauge_name, labels), value in gauges:
                if gauge_name == name:
                    gauge.add_metric(list(labels), value)
            yield gauge


_FUNCTION_HISTOGRAMS = {
    "bgjobs_run_queue_seconds": "queue",
    "bgjobs_run_duration_seconds": "duration",
    "bgjobs_step_duration_seconds": "step_duration",
}


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    family.add_metric(labels, buckets=histogram.buckets(), sum_value=histogram.total)


def _counter(
    name: str,
    text: str,
    label_names: tuple[str, ...],
    counters: list[tuple[tuple[str, Labels], float]],
    functions: list[tuple[tuple[str, str], FunctionMetrics]],
) -> CounterMetricFamily:
    family = CounterMetricFamily(name.removesuffix("_total"), text, labels=list(label_names))
    if not label_names:
        family.add_metric([], dict(counters).get((name, ()), 0.0))
        return family
    for key, numbers in functions:
        if name == "bgjobs_runs_started_total":
            family.add_metric(list(key), numbers.started)
        elif name == "bgjobs_steps_unreached_total":
            family.add_metric(list(key), numbers.unreached)
        elif name == "bgjobs_runs_finished_total":
            for outcome, count in list(numbers.outcomes.items()):
                family.add_metric([*key, outcome], count)
        elif name == "bgjobs_step_attempts_total":
            for outcome, count in list(numbers.step_outcomes.items()):
                family.add_metric([*key, outcome], count)
    for (counter_name, labels), value in counters:
        if counter_name == name:
            family.add_metric(list(labels), value)
    return family
