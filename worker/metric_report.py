"""How a child's numbers travel to its supervisor: every sample is described once, afterwards only changed values
are sent.

With a hundred functions a full exposition is some 5,000 lines; a report once a second that repeats them all would
cost more than the work it describes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import Metric

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SampleKey:
    """What identifies one number across processes."""

    family: str
    kind: str  # counter | gauge | histogram
    sample: str
    labels: Labels


class ReportWriter:
    """The child's side."""

    def __init__(self) -> None:
        self._numbers: dict[SampleKey, int] = {}
        self._last: list[float | None] = []

    def write(self, families: Iterable[Metric]) -> dict[str, Any]:
        """A report of what changed since the last one: `{"new": descriptions, "values": number -> value}`."""
        new: list[list[Any]] = []
        values: dict[str, float] = {}
        seen: set[int] = set()
        for family in families:
            for sample in family.samples:
                key = SampleKey(family.name, family.type, sample.name, tuple(sorted(sample.labels.items())))
                number = self._numbers.get(key)
                if number is None:
                    number = self._numbers[key] = len(self._last)
                    self._last.append(None)
                    new.append([key.family, key.kind, key.sample, key.labels])
                seen.add(number)
                if sample.value != self._last[number]:
                    self._last[number] = sample.value
                    values[str(number)] = sample.value
        gone = [number for number, last in enumerate(self._last) if last is not None and number not in seen]
        for number in gone:
            self._last[number] = None
        return {"new": new, "values": values, "gone": gone}


@dataclass(slots=True)
class ReportReader:
    """The supervisor's side: the numbers of one child as last reported."""

    keys: list[SampleKey] = field(default_factory=list)
    values: dict[SampleKey, float] = field(default_factory=dict)

    def read(self, report: dict[str, Any]) -> None:
        """Take in what `ReportWriter.write` returned."""
        for family, kind, sample, labels in report["new"]:
            self.keys.append(SampleKey(family, kind, sample, tuple((name, value) for name, value in labels)))
        for number, value in report["values"].items():
            self.values[self.keys[int(number)]] = value
        for number in report["gone"]:
            self.values.pop(self.keys[number], None)
