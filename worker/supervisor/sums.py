"""The numbers of all children as one: what has been counted stays counted when the child that counted it has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import Metric

from ..metric_names import COUNTERS, GAUGES, HISTOGRAMS
from ..metric_report import ReportReader, SampleKey

_HELP = {
    name.removesuffix("_total"): spec.help for table in (COUNTERS, HISTOGRAMS, GAUGES) for name, spec in table.items()
}


class MetricSums:
    """Adds up the reports of children. Reports arrive on many threads, and yet another one calls `collect`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[int, ReportReader] = {}
        self._ended: dict[SampleKey, float] = {}

    def report(self, pid: int, report: dict[str, Any]) -> None:
        """Take in one child's report."""
        with self._lock:
            self._live.setdefault(pid, ReportReader()).read(report)

    def end(self, pid: int) -> None:
        """The child ended: its gauges are over, its counters stay in the sum, so that no counter ever falls."""
        with self._lock:
            reader = self._live.pop(pid, None)
            if reader is not None:
                for key, value in reader.values.items():
                    if key.kind != "gauge":
                        self._ended[key] = self._ended.get(key, 0.0) + value

    def values(self) -> dict[SampleKey, float]:
        """Every number, summed (gauges that describe the namespace: the largest that any child sees)."""
        with self._lock:
            sums = dict(self._ended)
            for reader in self._live.values():
                for key, value in reader.values.items():
                    if key.kind == "gauge" and key.sample in GAUGES and GAUGES[key.sample].across == "max":
                        sums[key] = max(sums.get(key, value), value)
                    else:
                        sums[key] = sums.get(key, 0.0) + value
        return sums

    def total(self, sample: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The values of one sample name by its labels."""
        return {key.labels: value for key, value in self.values().items() if key.sample == sample}

    def collect(self) -> Iterable[Metric]:
        """The sums as families, for prometheus-client."""
        families: dict[str, Metric] = {}
        for key, value in sorted(self.values().items(), key=_exposition_order):
            family = families.get(key.family)
            if family is None:
                family = families[key.family] = Metric(key.family, _HELP.get(key.family, ""), key.kind)
            family.add_sample(key.sample, dict(key.labels), value)
        return families.values()


def _exposition_order(item: tuple[SampleKey, float]) -> tuple[Any, ...]:
    """Samples of one label set together, buckets by rising bound: text format 0.0.4 and OpenMetrics both ask for it."""
    key = item[0]
    bound = float(dict(key.labels).get("le", "0"))
    others = tuple(pair for pair in key.labels if pair[0] != "le")
    return key.family, others, key.sample, bound
