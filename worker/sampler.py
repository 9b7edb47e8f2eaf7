"""Reads the gauges: facts about the namespace, which every worker process sees alike."""

from __future__ import annotations

from ..broker.broker import Broker
from ..broker.inspect.gauges import read_gauges
from .metrics import WorkerMetrics


class Sampler:
    """Sets the gauges of the namespace anew at each turn."""

    def __init__(self, broker: Broker, metrics: WorkerMetrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def tick(self) -> float | None:
        """Read and set all."""
        gauges = await read_gauges(self._broker.client, self._broker.keys, await self._broker.now_ms())
        for name in {name for name, _, _ in gauges}:
            self._metrics.drop_gauges(name)
        for name, labels, value in gauges:
            self._metrics.set_gauge(name, value, *labels)
        return None
