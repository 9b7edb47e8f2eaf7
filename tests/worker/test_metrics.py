"""Names, labels and sums of the metrics."""

import shutil
import subprocess
import urllib.request

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bgjobs.broker.errors import ConfigurationError
from bgjobs.broker.sent import events_sent
from bgjobs.worker.metric_names import BUCKETS, COUNTERS, GAUGES, HISTOGRAMS
from bgjobs.worker.metric_report import ReportReader, ReportWriter, SampleKey
from bgjobs.worker.metrics import WorkerMetrics
from bgjobs.worker.metrics_server import DEFAULT_PORT, OFF, MetricsServer, open_metrics_server
from bgjobs.worker.supervisor.summary import Summary
from bgjobs.worker.supervisor.sums import MetricSums

NAMES = {
    f"bgjobs_{name}"
    for name in (
        *("events_sent_total", "events_ingested_total", "events_duplicate_total", "runs_started_total"),
        *("runs_finished_total", "step_attempts_total", "fenced_writes_total", "runs_reaped_total"),
        *("redis_errors_total", "run_queue_seconds", "run_duration_seconds", "step_duration_seconds"),
        *("timer_lateness_seconds", "commit_seconds", "commit_operations", "ready_runs", "ready_oldest_age_seconds"),
        *("parked_runs", "waiting_runs", "dead_letters", "stream_lag", "stream_pending", "workers", "runs_running"),
        *("unaccounted_runs", "events_dropped_total", "steps_unreached_total"),
    )
}


def busy() -> WorkerMetrics:
    """Numbers in every metric that a worker counts itself."""
    metrics = WorkerMetrics()
    function = metrics.function("shop", "process-order")
    function.run_started(0.02)
    function.run_finished("completed", 0.2)
    function.run_finished("failed", 700.0)
    function.step_attempt("ok", 0.05)
    events_sent.add(3)
    metrics.ingested("shop", 5, 2)
    metrics.dropped("shop/process-order", "rate_limit", 3)
    metrics.committed(0.003, 17)
    metrics.fenced()
    metrics.reaped(4)
    metrics.timer_fired(0.3)
    metrics.redis_error("timeout")
    metrics.set_gauge("bgjobs_ready_runs", 12, "shop", "default")
    metrics.set_gauge("bgjobs_workers", 3)
    metrics.watch_gauge("bgjobs_runs_running", lambda: 6.0)
    return metrics


def test_the_names_are_the_documented_ones() -> None:
    assert set(COUNTERS) | set(HISTOGRAMS) | set(GAUGES) == NAMES
    assert set(BUCKETS) == set(HISTOGRAMS)


def test_no_label_can_grow_without_bound() -> None:
    labels = {label for table in (COUNTERS, HISTOGRAMS, GAUGES) for spec in table.values() for label in spec.labels}
    assert labels <= {"app", "function", "queue", "outcome", "reason", "kind"}


def test_values_arrive_where_they_belong() -> None:
    registry = busy().registry
    key = {"app": "shop", "function": "process-order"}
    assert registry.get_sample_value("bgjobs_events_sent_total") == 3
    assert registry.get_sample_value("bgjobs_events_ingested_total", {"app": "shop"}) == 5
    assert registry.get_sample_value("bgjobs_events_duplicate_total", {"app": "shop"}) == 2
    assert registry.get_sample_value("bgjobs_runs_started_total", key) == 1
    assert registry.get_sample_value("bgjobs_runs_finished_total", {**key, "outcome": "failed"}) == 1
    assert registry.get_sample_value("bgjobs_step_attempts_total", {**key, "outcome": "ok"}) == 1
    assert registry.get_sample_value("bgjobs_run_duration_seconds_bucket", {**key, "le": "0.25"}) == 1
    assert registry.get_sample_value("bgjobs_run_duration_seconds_bucket", {**key, "le": "600.0"}) == 1
    assert registry.get_sample_value("bgjobs_run_duration_seconds_bucket", {**key, "le": "+Inf"}) == 2
    assert registry.get_sample_value("bgjobs_run_duration_seconds_sum", key) == 700.2
    assert registry.get_sample_value("bgjobs_commit_operations_count") == 1
    assert registry.get_sample_value("bgjobs_runs_running") == 6


def test_every_counter_without_labels_is_there_from_the_start() -> None:
    """A rate() over a series that begins with its first increment misses that increment."""
    text = generate_latest(WorkerMetrics().registry).decode()
    for name, spec in COUNTERS.items():
        if not spec.labels:
            assert f"\n{name} 0.0" in text


def test_the_exposition_is_well_formed() -> None:
    text = generate_openmetrics(busy().registry).decode()  # type: ignore[no-untyped-call]
    assert {family.name for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


@pytest.mark.promtool
def test_promtool_finds_nothing_to_criticise() -> None:
    promtool = shutil.which("promtool")
    assert promtool
    text = generate_latest(busy().registry)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_report_carries_only_what_changed() -> None:
    metrics, writer, reader = busy(), ReportWriter(), ReportReader()
    reader.read(writer.write(metrics.collect()))
    assert writer.write(metrics.collect()) == {"new": [], "values": {}, "gone": []}
    metrics.fenced()
    report = writer.write(metrics.collect())
    assert len(report["values"]) == 1
    reader.read(report)
    assert reader.values[SampleKey("bgjobs_fenced_writes", "counter", "bgjobs_fenced_writes_total", ())] == 2
    metrics.drop_gauges("bgjobs_ready_runs")
    reader.read(writer.write(metrics.collect()))
    assert not any(key.sample == "bgjobs_ready_runs" for key in reader.values)


def summed(*processes: WorkerMetrics) -> MetricSums:
    sums = MetricSums()
    for pid, metrics in enumerate(processes):
        sums.report(pid, ReportWriter().write(metrics.collect()))
    return sums


def value(sums: MetricSums, name: str, **labels: str) -> float:
    return sums.total(name)[tuple(sorted(labels.items()))]


def test_processes_are_added_up_and_facts_about_the_namespace_are_not() -> None:
    sums = summed(busy(), busy())
    assert value(sums, "bgjobs_events_ingested_total", app="shop") == 10
    assert value(sums, "bgjobs_commit_operations_bucket", le="25.0") == 2
    assert value(sums, "bgjobs_runs_running") == 12
    assert value(sums, "bgjobs_ready_runs", app="shop", queue="default") == 12
    assert value(sums, "bgjobs_workers") == 3


def test_counters_survive_the_process_that_counted_and_gauges_do_not() -> None:
    sums = summed(busy(), busy())
    sums.end(0)
    assert value(sums, "bgjobs_events_ingested_total", app="shop") == 10
    assert value(sums, "bgjobs_runs_running") == 6
    sums.end(1)
    assert value(sums, "bgjobs_events_ingested_total", app="shop") == 10
    assert not sums.total("bgjobs_runs_running")


def test_the_sum_is_well_formed() -> None:
    sums = summed(busy(), busy())
    server = MetricsServer("127.0.0.1", 0, sums=sums, live=lambda: (True, {}), ready=lambda: (False, {"why": "test"}))
    server.start()
    try:
        request = urllib.request.Request(server.url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read().decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
        assert {name.removesuffix("_total") for name in COUNTERS} <= set(families)
        assert families["bgjobs_run_duration_seconds"].type == "histogram"
    finally:
        server.stop()


def test_the_summary_line_says_what_is_new_and_else_nothing() -> None:
    metrics, writer, sums = busy(), ReportWriter(), MetricSums()
    summary = Summary(sums)
    assert summary.line(10) is None
    sums.report(1, writer.write(metrics.collect()))
    assert summary.line(10) == "last 10 s: 5 events ingested, runs: 1 completed, 1 failed; 6 running"
    assert summary.line(10) is None
    metrics.function("shop", "process-order").run_finished("completed", 0.1)
    sums.report(1, writer.write(metrics.collect()))
    assert summary.line(10) == "last 10 s: 0 events ingested, runs: 1 completed; 6 running"


def test_the_port_is_off_only_if_nobody_asked_for_it() -> None:
    def open_at(port: int | None) -> MetricsServer | None:
        return open_metrics_server(
            "127.0.0.1", port, sums=MetricSums(), live=lambda: (True, {}), ready=lambda: (True, {})
        )

    assert open_at(OFF) is None
    taken = open_at(0)
    assert taken is not None
    try:
        with pytest.raises(ConfigurationError, match="--metrics-port"):
            open_at(taken.port)
    finally:
        taken.stop()
    default = open_at(None)  # whoever has the default port, this works
    if default is not None:
        assert default.port == DEFAULT_PORT
        default.stop()
