"""A worker process around a toy engine that runs nothing, to try what surrounds an engine without a server.

Its target is a JSON object that says how it behaves.
"""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from bgjobs.broker.errors import ConfigurationError, RedisUnavailable
from bgjobs.worker.logs import RunLog
from bgjobs.worker.metrics import WorkerMetrics
from bgjobs.worker.options import WorkerOptions
from bgjobs.worker.process import serve


def block(seconds: float) -> None:
    """What no event loop should meet."""
    time.sleep(seconds)


class ToyEngine:
    def __init__(self, options: WorkerOptions, metrics: WorkerMetrics, log: RunLog) -> None:
        self.options = options
        self.metrics = metrics
        self.behaviour: dict[str, Any] = json.loads(options.target)
        self.runs_finished = 0
        self.running = 0
        self.incarnation = f"toy-{os.getpid()}"
        self.last_progress = time.monotonic()
        self._stop = asyncio.Event()
        self._abort = asyncio.Event()
        self._tried = 0
        if self.behaviour.get("refuse"):
            raise ConfigurationError("This toy refuses to work.")

    async def start(self) -> None:
        self._tried += 1
        if self._tried <= self.behaviour.get("unreachable", 0):
            raise RedisUnavailable("Redis at toy://nowhere does not answer.")
        self.note("started")

    async def run(self) -> None:
        function = self.metrics.function("toy", "play")
        for _ in range(self.behaviour.get("runs", 0)):
            function.run_started(0.001)
            function.run_finished("completed", 0.01)
            self.runs_finished += 1
        self.running = self.behaviour.get("running", 0)
        if self.behaviour.get("block"):
            block(self.behaviour["block"])
        if self.behaviour.get("die"):
            raise RuntimeError("This toy breaks.")
        while not self._stop.is_set():
            if not self.behaviour.get("deaf"):
                self.last_progress = time.monotonic()
            try:
                await asyncio.wait_for(self._stop.wait(), 0.05)
            except TimeoutError:
                continue
        self.note("stopping")
        if self.behaviour.get("lingers"):
            await self._abort.wait()
            self.note("aborted")
        if self.behaviour.get("hangs"):
            block(600)
        self.note("ended")

    def request_stop(self) -> None:
        self._stop.set()

    def abort(self) -> None:
        self._abort.set()

    def note(self, what: str) -> None:
        """Write down what happened where the test looks."""
        with Path(self.behaviour["diary"]).open("a") as diary:
            diary.write(f"{what} {os.getpid()} {self.options.started_us}\n")


if __name__ == "__main__":
    serve(ToyEngine)
